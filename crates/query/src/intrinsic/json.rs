//! JSON as text and back, and merging.

use serde_json::{Map, Value};

use super::evaluate::{Values, failed};
use super::{CallError, Surroundings, java};
use crate::payload::{self, Payload};

pub(super) fn to_text(values: &Values) -> Result<Value, CallError> {
    Ok(payload::print(&values.values[0]).into())
}

/// SOURCE: recorded on AWS: an empty text is null. That one of blanks is, too, follows from Jackson's `readTree`.
pub(super) fn from_text(values: &Values, surroundings: &mut dyn Surroundings) -> Result<Value, CallError> {
    let text = values.text(0)?.trim_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Ok(Value::Null);
    }
    // What nests or holds many small values costs more as a tree than as text.
    surroundings.spend(text.len() as u64 / 8)?;
    // Jackson would read the first value and forget what follows: refusing it is a guess.
    let parsed = Payload::parse(text).map_err(|error| failed(format!("The text is no valid JSON: {error}")))?;
    Ok(java::canonical_integers(parsed.value().clone()))
}

/// The members of both, the second's when both have one.
///
/// SOURCE: recorded on AWS: the order is that of a Java `HashMap`.
pub(super) fn merge(mut values: Values) -> Result<Value, CallError> {
    match values.values[2] {
        Value::Bool(false) => {}
        Value::Bool(true) => return Err(failed("Deep merging is not supported: the third argument must be false")),
        _ => return Err(failed("Argument 3 must be false")),
    }
    let (first, second) = (take_object(&mut values, 0)?, take_object(&mut values, 1)?);
    let mut merged = first;
    merged.extend(second);
    Ok(Value::Object(java::in_hash_order(merged)))
}

fn take_object(values: &mut Values, index: usize) -> Result<Map<String, Value>, CallError> {
    match std::mem::take(&mut values.values[index]) {
        Value::Object(members) => Ok(members),
        _ => Err(failed(format!("Argument {} must be an object", index + 1))),
    }
}
