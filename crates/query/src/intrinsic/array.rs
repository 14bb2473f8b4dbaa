//! Lists: containment, items, lengths, partitions, ranges.

use std::collections::BTreeSet;

use serde_json::Value;

use super::evaluate::{Values, failed};
use super::{CallError, java};

/// SOURCE: Step Functions guide, `States.ArrayRange`.
const RANGE_ITEMS_MAX: usize = 1_000;

pub(super) fn contains(values: &Values) -> Result<Value, CallError> {
    let wanted = java::equality_key(&values.values[1]);
    Ok(values.list(0)?.iter().any(|item| java::equality_key(item) == wanted).into())
}

pub(super) fn get_item(mut values: Values) -> Result<Value, CallError> {
    let index = values.integer(1)?;
    let mut items = values.take_list(0)?;
    match usize::try_from(index) {
        Ok(position) if position < items.len() => Ok(items.swap_remove(position)),
        Ok(_) | Err(_) => Err(failed(format!("The index {index} is out of bounds for an array of length {}", items.len()))),
    }
}

pub(super) fn length(values: &Values) -> Result<Value, CallError> {
    Ok(values.list(0)?.len().into())
}

pub(super) fn partition(mut values: Values) -> Result<Value, CallError> {
    let size = values.integer(1)?;
    let size = match usize::try_from(size) {
        Ok(size) if size > 0 => size,
        Ok(_) | Err(_) => return Err(failed(format!("The chunk size must be a positive integer but was {size}"))),
    };
    let mut items = values.take_list(0)?.into_iter();
    let mut chunks = Vec::new();
    loop {
        let chunk: Vec<Value> = items.by_ref().take(size).collect();
        if chunk.is_empty() {
            return Ok(Value::Array(chunks));
        }
        chunks.push(Value::Array(chunk));
    }
}

pub(super) fn range(values: &Values) -> Result<Value, CallError> {
    let (first, last, step) = (values.integer(0)?, values.integer(1)?, values.integer(2)?);
    if step == 0 {
        return Err(failed("The increment must not be zero"));
    }
    let is_within = |number: i64| if step > 0 { number <= last } else { number >= last };
    let mut items = Vec::new();
    let mut next = Some(first).filter(|number| is_within(*number));
    while let Some(number) = next {
        if items.len() == RANGE_ITEMS_MAX {
            return Err(failed(format!("The array would contain more than {RANGE_ITEMS_MAX} items")));
        }
        items.push(Value::from(number));
        next = number.checked_add(step).filter(|number| is_within(*number));
    }
    Ok(Value::Array(items))
}

pub(super) fn unique(mut values: Values) -> Result<Value, CallError> {
    let mut seen = BTreeSet::new();
    let mut items = values.take_list(0)?;
    items.retain(|item| seen.insert(java::equality_key(item)));
    Ok(Value::Array(items))
}
