//! Steps over a document, one step at a time over all nodes reached so far: depth of the document costs no stack.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::filter::Filter;
use super::function::Function;
use super::step::{self, Step, SubPath};
use super::stop::{Missing, Stop, no_results};
use super::{EvalError, Found};
use crate::budget::{Budget, Exhausted};

pub(super) fn find<'v>(steps: &[Step], document: &'v Value, budget: &mut Budget) -> Result<Found<'v>, EvalError> {
    let is_definite = step::is_definite(steps);
    let scope = Scope { document, requires_names: false };
    match walk(steps, document, &scope, budget) {
        Ok(mut reached) if is_definite => {
            // A name that is missing has its own error: only an index past the end of its list leaves nothing.
            let last = reached.pop().ok_or_else(|| EvalError::PastEnd { reason: no_results(steps) })?;
            Ok(Found::One(last))
        }
        Ok(reached) => {
            // They may overlap: `$..*` gives a leaf once for each list and object it lies in.
            for value in &reached {
                charge_copy(value, budget)?;
            }
            Ok(Found::Many(reached))
        }
        // SOURCE: recorded on AWS: a missing parent before an indefinite part gives an empty list.
        Err(Stop::Missing(missing)) if !is_definite && !matches!(missing, Missing::List { .. }) => Ok(Found::Many(Vec::new())),
        Err(Stop::Missing(missing)) => Err(EvalError::NotFound { reason: missing.reason(steps, document) }),
        Err(Stop::Invalid(reason) | Stop::OutOfBounds(reason)) => Err(EvalError::Failed { reason: reason.into_owned() }),
        Err(Stop::Failed(reason)) => Err(EvalError::Failed { reason }),
        Err(Stop::Exhausted) => Err(EvalError::Exhausted),
    }
}

/// What the steps of a path are taken in.
pub(super) struct Scope<'x> {
    /// What `$` is in a filter.
    pub(super) document: &'x Value,
    /// Whether a name that is missing is an error behind an indefinite part too: so it is where a filter asks for existence.
    pub(super) requires_names: bool,
}

/// The value of a path inside another: what a definite one leads to last, or the list of what any other leads to.
pub(super) fn value_of<'x>(path: &SubPath, start: &'x Value, scope: &Scope<'_>, budget: &mut Budget) -> Result<Cow<'x, Value>, Stop> {
    if path.is_reference {
        return Ok(Cow::Borrowed(Walk::new(&path.steps, scope).lead(start, budget)?.ok_or(Stop::Missing(Missing::Nothing))?));
    }
    let mut reached = walk(&path.steps, start, scope, budget)?;
    if path.is_definite {
        return reached.pop().ok_or(Stop::Missing(Missing::Nothing));
    }
    let mut values = Vec::with_capacity(reached.len());
    for value in reached {
        charge_copy(&value, budget)?;
        values.push(value.into_owned());
    }
    Ok(Cow::Owned(Value::Array(values)))
}

/// Everything that `steps` lead to, in order.
pub(super) fn walk<'x>(steps: &[Step], start: &'x Value, scope: &Scope<'_>, budget: &mut Budget) -> Result<Vec<Cow<'x, Value>>, Stop> {
    Walk::new(steps, scope).run(start, budget)
}

/// Where in the path the evaluation is.
#[derive(Clone, Copy)]
struct Walk<'p> {
    steps: &'p [Step],
    index: usize,
    /// Whether there is one node, whose lack of the next name or index is an error; else such nodes are skipped.
    is_upstream_definite: bool,
    /// Whether a list has been taken apart on the way.
    is_below_a_list: bool,
    /// Whether by `*`. SOURCE: there Jayway skips the items below which something is missing.
    is_below_all_items: bool,
    scope: &'p Scope<'p>,
}

impl<'p> Walk<'p> {
    fn new(steps: &'p [Step], scope: &'p Scope<'p>) -> Self {
        Self { steps, index: 0, is_upstream_definite: true, is_below_a_list: false, is_below_all_items: false, scope }
    }

    /// The names and indexes at the start of a path; nothing where they lead nowhere.
    fn lead<'x>(&mut self, start: &'x Value, budget: &mut Budget) -> Result<Option<&'x Value>, Stop> {
        let mut node = start;
        loop {
            let next = match self.steps.get(self.index) {
                Some(Step::Name(name)) => self.member(node, name)?,
                Some(Step::Index(index)) => {
                    self.is_below_a_list = true;
                    self.list(node)?.and_then(|items| item(items, *index))
                }
                Some(
                    Step::Names(_)
                    | Step::Indexes(_)
                    | Step::Slice { .. }
                    | Step::Wildcard
                    | Step::Descent
                    | Step::Filter(_)
                    | Step::Function(_),
                )
                | None => return Ok(Some(node)),
            };
            budget.spend(1)?;
            let Some(next) = next else { return Ok(None) };
            node = next;
            self.index += 1;
        }
    }

    fn run<'x>(mut self, start: &'x Value, budget: &mut Budget) -> Result<Vec<Cow<'x, Value>>, Stop> {
        let mut nodes = Vec::new();
        if self.is_upstream_definite {
            nodes.extend(self.lead(start, budget)?);
        } else {
            nodes.push(start);
        }
        while let Some(step) = self.steps.get(self.index) {
            match step {
                Step::Function(function) => return self.call(function, &nodes, budget),
                Step::Names(names) if self.is_last() => return self.merge(names, &nodes, budget),
                Step::Descent => {
                    let (reached, steps_taken) = self.descend(&nodes, budget)?;
                    nodes = reached;
                    self.index += steps_taken;
                }
                Step::Name(_)
                | Step::Names(_)
                | Step::Index(_)
                | Step::Indexes(_)
                | Step::Slice { .. }
                | Step::Wildcard
                | Step::Filter(_) => {
                    let takes_a_list_apart = match step {
                        Step::Name(_) | Step::Names(_) | Step::Descent | Step::Function(_) => false,
                        Step::Index(_) | Step::Indexes(_) | Step::Slice { .. } => true,
                        Step::Wildcard | Step::Filter(_) => nodes.iter().any(|node| node.is_array()),
                    };
                    self.is_below_all_items |= takes_a_list_apart && matches!(step, Step::Wildcard) && !self.scope.requires_names;
                    nodes = self.advance(&nodes, budget)?;
                    self.is_below_a_list |= takes_a_list_apart;
                    self.index += 1;
                }
            }
            self.is_upstream_definite &= step.is_definite();
        }
        Ok(nodes.into_iter().map(Cow::Borrowed).collect())
    }

    fn is_last(&self) -> bool {
        self.index + 1 == self.steps.len()
    }

    fn advance<'x>(&self, nodes: &[&'x Value], budget: &mut Budget) -> Result<Vec<&'x Value>, Stop> {
        let mut reached = Vec::with_capacity(nodes.len());
        for node in nodes {
            let reached_before = reached.len();
            match self.select(node, &mut reached, budget) {
                Err(Stop::OutOfBounds(_)) if self.is_below_a_list => {}
                selected => selected?,
            }
            // What one node fans out into is paid for before the next is visited.
            budget.spend(1 + (reached.len() - reached_before) as u64)?;
        }
        Ok(reached)
    }

    /// One step from one node. Descents, functions and names that are merged are not taken here.
    fn select<'x>(&self, node: &'x Value, reached: &mut Vec<&'x Value>, budget: &mut Budget) -> Result<(), Stop> {
        match &self.steps[self.index] {
            Step::Name(name) => reached.extend(self.member(node, name)?),
            Step::Names(names) => {
                if let Some(members) = self.object(node)? {
                    for name in names {
                        match members.get(name) {
                            Some(value) => reached.push(value),
                            None if self.scope.requires_names => return Err(Stop::Missing(Missing::Member { at: self.index })),
                            None => {}
                        }
                    }
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
            Step::Filter(filter) => self.filter(filter, node, reached, budget)?,
            Step::Descent | Step::Function(_) => {}
        }
        Ok(())
    }

    /// Each item of a list is tested, and an object itself.
    fn filter<'x>(&self, filter: &Filter, node: &'x Value, reached: &mut Vec<&'x Value>, budget: &mut Budget) -> Result<(), Stop> {
        match node {
            Value::Array(items) => {
                for item in items {
                    if filter.accepts(item, self.scope, budget)? {
                        reached.push(item);
                    }
                }
            }
            Value::Object(_) => {
                if filter.accepts(node, self.scope, budget)? {
                    reached.push(node);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) if self.is_upstream_definite => {
                return Err(Stop::Invalid("Filter: [?] can not be applied to primitives.".into()));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }

    /// `..` and the step behind it: that step from every object and list it fits, parents first. Also how many steps that
    /// makes.
    ///
    /// SOURCE: Jayway goes from a list that fits straight on to all its items, whatever the step asks of it: `$..[0].a.b` is
    /// every item's. Only where a name or `*` ends the path, `$..[0].a`, it drops the items that the index does not mean,
    /// and every object behind such a list with them.
    fn descend<'x>(&self, nodes: &[&'x Value], budget: &mut Budget) -> Result<(Vec<&'x Value>, usize), Stop> {
        let Some(next) = self.steps.get(self.index + 1) else {
            // `$..length()`, pulled apart.
            return if nodes.is_empty() { Ok((Vec::new(), 1)) } else { Err(Stop::Failed("Current path token is a leaf".to_owned())) };
        };
        let below = Self { index: self.index + 1, is_upstream_definite: false, ..*self };
        let behind = Self { index: self.index + 2, ..below };
        let is_merged = below.is_last() && matches!(next, Step::Names(_));
        let is_narrowed = behind.is_last() && matches!(self.steps[behind.index], Step::Name(_) | Step::Wildcard);
        let mut reached = Vec::new();
        let mut found = Vec::new();
        let mut pending = Vec::new();
        let mut last_item = None;
        for start in nodes {
            pending.push(*start);
            while let Some(node) = pending.pop() {
                budget.spend(1)?;
                match node {
                    Value::Object(members) => {
                        if below.fits_object(next, node, budget)? {
                            match next {
                                Step::Filter(_) => found.push(node),
                                Step::Names(_) if is_merged => found.push(node),
                                _ => below.select(node, &mut found, budget)?,
                            }
                            behind.emit(&mut found, last_item.filter(|_| is_narrowed), is_narrowed, &mut reached, budget)?;
                        }
                        pending.extend(members.values().rev());
                    }
                    Value::Array(items) => {
                        if below.fits_list(next, node, budget)? {
                            if below.is_last() {
                                below.select(node, &mut reached, budget)?;
                            } else {
                                for (index, item) in items.iter().enumerate() {
                                    last_item = Some(index);
                                    found.push(item);
                                    behind.emit(&mut found, last_item, is_narrowed, &mut reached, budget)?;
                                }
                            }
                        }
                        pending.extend(items.iter().rev());
                    }
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                }
            }
        }
        Ok((
            reached,
            if is_merged {
                1
            } else if is_narrowed {
                3
            } else {
                2
            },
        ))
    }

    /// Takes `found` on: one step, where that ends a narrowed path, or as it is. `self` is two steps behind the `..`.
    fn emit<'x>(
        &self,
        found: &mut Vec<&'x Value>,
        last_item: Option<usize>,
        is_narrowed: bool,
        reached: &mut Vec<&'x Value>,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        budget.spend(found.len() as u64)?;
        if !is_narrowed {
            reached.append(found);
            return Ok(());
        }
        let is_meant = match (last_item, &self.steps[self.index - 1]) {
            (None, _) => true,
            (Some(item), Step::Index(index)) => i64::try_from(item) == Ok(*index),
            (Some(_), _) => false,
        };
        for node in found.drain(..) {
            let reached_before = reached.len();
            self.select(node, reached, budget)?;
            budget.spend((reached.len() - reached_before) as u64)?;
            if !is_meant && node.is_object() {
                reached.truncate(reached_before);
            }
        }
        Ok(())
    }

    fn fits_object(&self, next: &Step, node: &Value, budget: &mut Budget) -> Result<bool, Stop> {
        let has = |name: &String| node.as_object().is_some_and(|members| members.contains_key(name));
        match next {
            Step::Name(name) => Ok(has(name)),
            Step::Names(names) => Ok(!self.is_last() || names.iter().all(has)),
            Step::Wildcard => Ok(true),
            Step::Filter(filter) => filter.accepts(node, self.scope, budget),
            Step::Index(_) | Step::Indexes(_) | Step::Slice { .. } | Step::Descent | Step::Function(_) => Ok(false),
        }
    }

    fn fits_list(&self, next: &Step, node: &Value, budget: &mut Budget) -> Result<bool, Stop> {
        match next {
            Step::Index(_) | Step::Indexes(_) | Step::Slice { .. } | Step::Wildcard => Ok(true),
            Step::Filter(filter) => filter.accepts(node, self.scope, budget),
            Step::Name(_) | Step::Names(_) | Step::Descent | Step::Function(_) => Ok(false),
        }
    }

    /// The last step of several names: one object of those that are there for each node.
    fn merge<'x>(&self, names: &[String], nodes: &[&Value], budget: &mut Budget) -> Result<Vec<Cow<'x, Value>>, Stop> {
        let mut merged = Vec::with_capacity(nodes.len());
        for node in nodes {
            let Some(members) = self.object(node)? else { continue };
            let mut object = Map::new();
            for name in names {
                budget.spend(1)?;
                match members.get(name) {
                    Some(value) => {
                        charge_copy(value, budget)?;
                        object.insert(name.clone(), value.clone());
                    }
                    None if self.scope.requires_names => return Err(Stop::Missing(Missing::Member { at: self.index })),
                    None => {}
                }
            }
            merged.push(Cow::Owned(Value::Object(object)));
        }
        Ok(merged)
    }

    /// A function of each node. What it gives is a result even where steps follow; so is what those lead to.
    fn call<'x>(&self, function: &Function, nodes: &[&'x Value], budget: &mut Budget) -> Result<Vec<Cow<'x, Value>>, Stop> {
        let mut results = Vec::with_capacity(nodes.len());
        for node in nodes {
            budget.spend(1)?;
            let result = match function.call(node, self.scope, budget) {
                Err(Stop::OutOfBounds(_)) if self.is_below_a_list => continue,
                Err(Stop::Missing(_)) if self.is_below_all_items => continue,
                result => result?,
            };
            if !self.is_last() {
                let is_upstream_definite = self.is_upstream_definite && !function.is_pulled_out();
                let behind = Self { index: self.index + 1, is_upstream_definite, ..*self };
                charge_copy(&result, budget)?;
                results.push(result.clone());
                // SOURCE: the library's set of keys is no list, so that no step leads into it.
                let result = if function.gives_keys() { Cow::Owned(Value::Bool(false)) } else { result };
                for further in behind.run(&result, budget)? {
                    charge_copy(&further, budget)?;
                    results.push(Cow::Owned(further.into_owned()));
                }
            } else {
                results.push(result);
            }
        }
        Ok(results)
    }

    fn member<'x>(&self, node: &'x Value, name: &str) -> Result<Option<&'x Value>, Stop> {
        let Some(members) = self.object(node)? else { return Ok(None) };
        match members.get(name) {
            Some(value) => Ok(Some(value)),
            None if self.is_last() && self.scope.requires_names => Err(Stop::Missing(Missing::Nothing)),
            None if self.is_last() => Ok(None),
            None if self.is_upstream_definite || self.scope.requires_names => Err(Stop::Missing(Missing::Member { at: self.index })),
            None => Ok(None),
        }
    }

    fn object<'x>(&self, node: &'x Value) -> Result<Option<&'x Map<String, Value>>, Stop> {
        match node {
            Value::Object(members) => Ok(Some(members)),
            _ if !self.is_upstream_definite => Ok(None),
            _ => Err(Stop::Missing(Missing::Object { at: self.index })),
        }
    }

    fn list<'x>(&self, node: &'x Value) -> Result<Option<&'x [Value]>, Stop> {
        match node {
            Value::Array(items) => Ok(Some(items)),
            _ if !self.is_upstream_definite => Ok(None),
            Value::Null => Err(Stop::Missing(Missing::Null { at: self.index })),
            _ => Err(Stop::Missing(Missing::List { at: self.index })),
        }
    }
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

/// Pays for a copy of `value`: a step for each node, and for each 64 bytes of text.
pub(super) fn charge_copy(value: &Value, budget: &mut Budget) -> Result<(), Exhausted> {
    let mut pending = Vec::new();
    let mut node = value;
    loop {
        match node {
            Value::Null | Value::Bool(_) | Value::Number(_) => budget.spend(1)?,
            Value::String(text) => budget.spend(1 + text.len() as u64 / 64)?,
            Value::Array(items) => {
                budget.spend(1)?;
                pending.extend(items);
            }
            Value::Object(members) => {
                budget.spend(1)?;
                pending.extend(members.values());
            }
        }
        match pending.pop() {
            Some(next) => node = next,
            None => return Ok(()),
        }
    }
}
