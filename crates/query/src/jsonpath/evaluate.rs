//! Steps over a document, one step at a time over all nodes reached so far: no recursion, so depth costs no stack.

use serde_json::{Map, Value};

use super::step::{self, Step};
use super::{EvalError, Found};
use crate::budget::Budget;

pub(super) fn find<'v>(steps: &[Step], document: &'v Value, budget: &mut Budget) -> Result<Found<'v>, EvalError> {
    let definite = step::is_definite(steps);
    let mut nodes = vec![document];
    let mut index = 0;
    let mut is_upstream_definite = true;
    while let Some(step) = steps.get(index) {
        let walk = Walk { steps, index, is_upstream_definite };
        let is_last = index + 1 == steps.len();
        if let (Step::Names(names), true) = (step, is_last) {
            return merge(&walk, names, &nodes, definite, budget);
        }
        match walk.advance(step, &nodes, budget) {
            Ok(reached) => nodes = reached,
            // SOURCE: recorded on AWS: a missing parent before an indefinite part gives an empty list.
            Err(Stop::Missing(_)) if !definite => return Ok(Found::Many(Vec::new())),
            Err(Stop::Missing(reason) | Stop::NotAList(reason)) => return Err(EvalError::NotFound { reason }),
            Err(Stop::Exhausted) => return Err(EvalError::Exhausted),
        }
        is_upstream_definite &= step.is_reference();
        index += 1;
    }
    match (definite, nodes.as_slice()) {
        (true, [node]) => Ok(Found::One(node)),
        (true, _) => Err(EvalError::NotFound { reason: no_results(steps) }),
        (false, _) => Ok(Found::Many(nodes)),
    }
}

/// Why a definite part of a path stops.
enum Stop {
    Missing(String),
    /// Not softened by an indefinite part that follows.
    NotAList(String),
    Exhausted,
}

impl From<crate::budget::Exhausted> for Stop {
    fn from(_: crate::budget::Exhausted) -> Self {
        Self::Exhausted
    }
}

/// Where in the path the evaluation is.
struct Walk<'p> {
    steps: &'p [Step],
    index: usize,
    /// Whether there is one node, whose lack of the next name or index is an error; else such nodes are skipped.
    is_upstream_definite: bool,
}

impl Walk<'_> {
    fn advance<'v>(&self, step: &Step, nodes: &[&'v Value], budget: &mut Budget) -> Result<Vec<&'v Value>, Stop> {
        let mut reached = Vec::new();
        for node in nodes {
            let reached_before = reached.len();
            match step {
                Step::Name(name) => reached.extend(self.member(node, name)?),
                Step::Names(names) => {
                    if let Some(object) = self.object(node)? {
                        reached.extend(names.iter().filter_map(|name| object.get(name)));
                    }
                }
                Step::Index(index) => {
                    if let Some(items) = self.list(node)? {
                        reached.extend(item(items, *index));
                    }
                }
                Step::Indexes(indexes) => {
                    if let Some(items) = self.list(node)? {
                        reached.extend(indexes.iter().filter_map(|index| item(items, *index)));
                    }
                }
                Step::Slice { from, to } => {
                    if let Some(items) = self.list(node)? {
                        reached.extend(slice(items, *from, *to));
                    }
                }
                Step::Wildcard => match node {
                    Value::Array(items) => reached.extend(items),
                    Value::Object(members) => reached.extend(members.values()),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                },
                Step::Descent => self.descend(node, &mut reached, budget)?,
            }
            // What one node fans out into is paid for before the next is visited.
            budget.spend(1 + (reached.len() - reached_before) as u64)?;
        }
        Ok(reached)
    }

    /// The node and everything below it that the next step can be applied to, parents first.
    fn descend<'v>(&self, node: &'v Value, reached: &mut Vec<&'v Value>, budget: &mut Budget) -> Result<(), Stop> {
        let next = self.steps.get(self.index + 1);
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            budget.spend(1)?;
            let is_wanted = match (next, node) {
                // SOURCE: Jayway gives only the objects that have all the names.
                (Some(Step::Names(names)), Value::Object(members)) if self.index + 2 == self.steps.len() => {
                    names.iter().all(|name| members.contains_key(name))
                }
                (_, Value::Object(_) | Value::Array(_)) => true,
                (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
            };
            if is_wanted {
                reached.push(node);
            }
            match node {
                Value::Object(members) => pending.extend(members.values().rev()),
                Value::Array(items) => pending.extend(items.iter().rev()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        Ok(())
    }

    fn member<'v>(&self, node: &'v Value, name: &str) -> Result<Option<&'v Value>, Stop> {
        let Some(members) = self.object(node)? else { return Ok(None) };
        match members.get(name) {
            Some(value) => Ok(Some(value)),
            None if !self.is_upstream_definite => Ok(None),
            None if self.index + 1 == self.steps.len() => Err(Stop::Missing(no_results(self.steps))),
            None => Err(Stop::Missing(format!("Missing property in path {}", step::normalized(&self.steps[..=self.index])))),
        }
    }

    fn object<'v>(&self, node: &'v Value) -> Result<Option<&'v Map<String, Value>>, Stop> {
        match node {
            Value::Object(members) => Ok(Some(members)),
            _ if !self.is_upstream_definite => Ok(None),
            _ => Err(Stop::Missing(format!(
                "Expected to find an object with property {} in path {} but found '{}'. This is not a json object according to \
                 the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'.",
                self.steps[self.index],
                self.parent(),
                java_class(node)
            ))),
        }
    }

    fn list<'v>(&self, node: &'v Value) -> Result<Option<&'v [Value]>, Stop> {
        match node {
            Value::Array(items) => Ok(Some(items)),
            _ if !self.is_upstream_definite => Ok(None),
            Value::Null => Err(Stop::Missing(format!("The path {} is null", self.parent()))),
            _ => {
                Err(Stop::NotAList(format!("Filter: {} can only be applied to arrays. Current context is: {node}", self.steps[self.index])))
            }
        }
    }

    fn parent(&self) -> String {
        step::normalized(&self.steps[..self.index])
    }
}

/// The last step of several names: one object of those that are there for each node.
fn merge<'v>(walk: &Walk<'_>, names: &[String], nodes: &[&Value], definite: bool, budget: &mut Budget) -> Result<Found<'v>, EvalError> {
    let mut merged = Vec::new();
    for node in nodes {
        budget.spend(names.len() as u64)?;
        match walk.object(node) {
            Ok(Some(members)) => {
                let found = names.iter().filter_map(|name| members.get(name).map(|value| (name.clone(), value.clone())));
                merged.push(Value::Object(found.collect()));
            }
            Ok(None) => {}
            Err(Stop::Missing(reason) | Stop::NotAList(reason)) => return Err(EvalError::NotFound { reason }),
            Err(Stop::Exhausted) => return Err(EvalError::Exhausted),
        }
    }
    if definite { Ok(Found::Merged(merged.pop().unwrap_or_default())) } else { Ok(Found::ManyMerged(merged)) }
}

/// The item at `index`; a negative one counts from the end.
pub(super) fn item(items: &[Value], index: i64) -> Option<&Value> {
    items.get(item_position(items.len(), index)?)
}

/// Where `index` lies in a list of `length` items, if it does.
pub(super) fn item_position(length: usize, index: i64) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let position = if index < 0 { length + index } else { index };
    (0..length).contains(&position).then(|| usize::try_from(position).ok())?
}

/// SOURCE: Jayway's three kinds of slices; a negative end does not count from the back when the start is not negative.
fn slice(items: &[Value], from: Option<i64>, to: Option<i64>) -> impl Iterator<Item = &Value> {
    let length = i64::try_from(items.len()).expect("a list is shorter than i64::MAX");
    let range = match (from, to) {
        (Some(from), Some(to)) => from.max(-length)..to.min(length),
        (Some(from), None) if from < 0 => (length + from).max(0)..length,
        (Some(from), None) => from..length,
        (None, Some(to)) if to < 0 => 0..length + to,
        (None, to) => 0..to.unwrap_or(length).min(length),
    };
    range.filter_map(|index| item(items, index))
}

fn no_results(steps: &[Step]) -> String {
    format!("No results for path: {}", step::normalized(steps))
}

fn java_class(node: &Value) -> &'static str {
    match node {
        Value::Null => "com.fasterxml.jackson.databind.node.NullNode",
        Value::Bool(_) => "com.fasterxml.jackson.databind.node.BooleanNode",
        Value::Number(number) if number.is_f64() => "com.fasterxml.jackson.databind.node.DoubleNode",
        Value::Number(_) => "com.fasterxml.jackson.databind.node.IntNode",
        Value::String(_) => "com.fasterxml.jackson.databind.node.TextNode",
        Value::Array(_) => "com.fasterxml.jackson.databind.node.ArrayNode",
        Value::Object(_) => "com.fasterxml.jackson.databind.node.ObjectNode",
    }
}
