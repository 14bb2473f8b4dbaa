//! Sums and dice, in Java's 32-bit integers.

use serde_json::Value;

use super::evaluate::{Values, failed};
use super::{CallError, Surroundings, java};

/// SOURCE: recorded on AWS: each argument is rounded, halves towards positive infinity, before adding.
pub(super) fn add(values: &Values) -> Result<Value, CallError> {
    let sum = i64::from(int(values, 0)?) + i64::from(int(values, 1)?);
    // What AWS does beyond the documented range is not known; a wrong sum would be worse than none.
    i32::try_from(sum).map(Value::from).map_err(|_| failed(format!("The sum {sum} is not in the range of 32-bit integers")))
}

/// From the first number on, below the second. With a seed always the same.
pub(super) fn random(values: &Values, surroundings: &mut dyn Surroundings) -> Result<Value, CallError> {
    let (start, end) = (int(values, 0)?, int(values, 1)?);
    if start >= end {
        return Err(failed(format!("The start {start} must be less than the end {end}")));
    }
    let seed = match values.values.len() {
        2 => surroundings.roll().cast_signed(),
        _ => values.integer(2)?,
    };
    Ok(java::Random::seeded(seed).next_in(start, end).into())
}

fn int(values: &Values, index: usize) -> Result<i32, CallError> {
    let number = values.integer(index)?;
    i32::try_from(number).map_err(|_| failed(format!("Argument {} is not in the range of 32-bit integers: {number}", index + 1)))
}
