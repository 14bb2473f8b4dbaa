//! Why an evaluation stops, and what is said of it: the library's exceptions, told apart as its filters tell them apart.

use std::borrow::Cow;

use serde_json::Value;

use super::evaluate::item;
use super::step::{self, Step};
use crate::budget::Exhausted;

/// Why an evaluation stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// The library's PathNotFoundException.
    Missing(Missing),
    /// Its InvalidPathException, which a filter takes for "no".
    Invalid(Cow<'static, str>),
    /// Java's IndexOutOfBoundsException, which the library swallows below an index.
    OutOfBounds(Cow<'static, str>),
    /// Any other exception: the whole path fails.
    Failed(String),
    Exhausted,
}

/// What is missing, at which step. The words are put together only where they are wanted.
#[derive(Debug)]
pub(super) enum Missing {
    /// A name that others follow.
    Member {
        at: usize,
    },
    /// A name is asked of what is no object.
    Object {
        at: usize,
    },
    /// An index is asked of null.
    Null {
        at: usize,
    },
    /// An index is asked of what is no list and not null.
    List {
        at: usize,
    },
    Nothing,
    /// Inside an argument.
    Elsewhere(String),
}

impl From<Exhausted> for Stop {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

impl Missing {
    pub(super) fn reason(&self, steps: &[Step], document: &Value) -> String {
        match self {
            Self::Member { at } => format!("Missing property in path {}", step::normalized(&steps[..=*at])),
            Self::Object { at } => format!(
                "Expected to find an object with property {} in path {} but found '{}'. This is not a json object according to \
                 the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'.",
                steps[*at],
                step::normalized(&steps[..*at]),
                reference(&steps[..*at], document).map_or("java.lang.Object", java_class)
            ),
            Self::Null { at } => format!("The path {} is null", step::normalized(&steps[..*at])),
            Self::List { at } => format!(
                "Filter: {} can only be applied to arrays. Current context is: {}",
                steps[*at],
                reference(&steps[..*at], document).unwrap_or(&Value::Null)
            ),
            Self::Nothing => no_results(steps),
            Self::Elsewhere(reason) => reason.clone(),
        }
    }
}

/// Where names and indexes lead.
fn reference<'x>(steps: &[Step], document: &'x Value) -> Option<&'x Value> {
    steps.iter().try_fold(document, |node, step| match step {
        Step::Name(name) => node.as_object()?.get(name),
        Step::Index(index) => item(node.as_array()?, *index),
        Step::Names(_) | Step::Indexes(_) | Step::Slice { .. } | Step::Wildcard | Step::Descent | Step::Filter(_) | Step::Function(_) => {
            None
        }
    })
}

pub(super) fn no_results(steps: &[Step]) -> String {
    format!("No results for path: {}", step::normalized(steps))
}

fn java_class(node: &Value) -> &'static str {
    match node {
        Value::Null => "com.fasterxml.jackson.databind.node.NullNode",
        Value::Bool(_) => "com.fasterxml.jackson.databind.node.BooleanNode",
        Value::Number(number) => match number.as_i64() {
            Some(integer) if i32::try_from(integer).is_ok() => "com.fasterxml.jackson.databind.node.IntNode",
            Some(_) => "com.fasterxml.jackson.databind.node.LongNode",
            None if number.is_f64() => "com.fasterxml.jackson.databind.node.DoubleNode",
            None => "com.fasterxml.jackson.databind.node.BigIntegerNode",
        },
        Value::String(_) => "com.fasterxml.jackson.databind.node.TextNode",
        Value::Array(_) => "com.fasterxml.jackson.databind.node.ArrayNode",
        Value::Object(_) => "com.fasterxml.jackson.databind.node.ObjectNode",
    }
}
