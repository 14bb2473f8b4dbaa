//! The commonest expressions, `$states.input.a.b` and `$variable.a`, answered from the JSON itself.
//!
//! They need no conversion of what they look into, and integers that no double holds come out as they went in, as on AWS.

use jsonata_core::ast::AstNode;
use serde_json::{Map, Number, Value};

use super::values::number_json;

/// A path of plain names from a variable.
#[derive(Debug, Clone)]
pub(super) struct Shortcut {
    pub(super) variable: Box<str>,
    pub(super) names: Vec<Box<str>>,
}

impl Shortcut {
    /// The shortcut for `tree`, if it is nothing but a variable and names.
    pub(super) fn of(tree: &AstNode) -> Option<Self> {
        match tree {
            AstNode::Variable(variable) => Some(Self { variable: variable.as_str().into(), names: Vec::new() }),
            AstNode::Path { steps } => {
                let is_plain = steps.iter().all(|step| {
                    step.stages.is_empty()
                        && step.focus.is_none()
                        && step.index_var.is_none()
                        && step.ancestor_label.is_none()
                        && !step.is_tuple
                });
                let (first, rest) = steps.split_first()?;
                let AstNode::Variable(variable) = &first.node else { return None };
                let names = rest.iter().map(|step| match &step.node {
                    AstNode::Name(name) => Some(name.as_str().into()),
                    _ => None,
                });
                let names = names.collect::<Option<Vec<_>>>()?;
                is_plain.then(|| Self { variable: variable.as_str().into(), names })
            }
            _ => None,
        }
    }
}

/// Where a walk along names ends.
pub(super) enum Walked<'a> {
    Found(&'a Value),
    Missing,
    /// An array lies on the way: names are looked up in each of its items, which is the evaluator's business.
    Maps,
}

/// Walks from `value` along `names`, from object to object.
pub(super) fn walk<'a>(value: &'a Value, names: &[Box<str>]) -> Walked<'a> {
    let mut value = value;
    for name in names {
        value = match value {
            Value::Object(members) => match members.get(&**name) {
                Some(member) => member,
                None => return Walked::Missing,
            },
            Value::Array(_) => return Walked::Maps,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Walked::Missing,
        };
    }
    Walked::Found(value)
}

/// `value` with its numbers printed as a result's are, and how many values it holds.
pub(super) fn result(value: &Value, count: &mut u64) -> Value {
    *count += 1;
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(number) => number_result(number),
        Value::String(text) => {
            *count += text.len() as u64 / 64;
            value.clone()
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| result(item, count)).collect()),
        Value::Object(members) => {
            let members: Map<String, Value> = members.iter().map(|(name, member)| (name.clone(), result(member, count))).collect();
            Value::Object(members)
        }
    }
}

/// An integer that fits 64 bits stays exact; anything else is a double.
fn number_result(number: &Number) -> Value {
    match number.as_i64() {
        Some(integer) => Value::Number(integer.into()),
        None => number_json(super::values::double(number)),
    }
}
