//! Between JSON and the evaluator's values: numbers become doubles going in, and are printed as JavaScript prints them
//! coming out.

use jsonata_core::value::{JArray, JMap, JValue, flattens_in_step};
use serde_json::{Map, Number, Value};

use super::limits::{RESULT_BYTES_MAX, RESULT_DEPTH_MAX};

/// Why a value cannot be a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unprintable {
    /// It is a function or a regular expression, or holds one.
    Function,
    /// It would print to more bytes than [`RESULT_BYTES_MAX`].
    TooLarge,
    /// It nests deeper than [`RESULT_DEPTH_MAX`].
    TooDeep,
}

/// JSON as the evaluator sees it.
pub(super) fn from_json(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(truth) => JValue::Bool(*truth),
        Value::Number(number) => JValue::Number(double(number)),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => {
            let items: Vec<JValue> = items.iter().map(from_json).collect();
            let is_flat = !items.iter().any(flattens_in_step);
            JValue::Array(JArray::new_flat(items, is_flat))
        }
        Value::Object(members) => {
            let members: JMap = members.iter().map(|(name, member)| (name.clone(), from_json(member))).collect();
            JValue::Object(members.into())
        }
    }
}

/// The double nearest to a number, infinite when it is too large for one.
pub(super) fn double(number: &Number) -> f64 {
    number.as_f64().or_else(|| number.to_string().parse().ok()).unwrap_or(f64::NAN)
}

/// Whether every number of a value fits a double.
pub(super) fn fits_doubles(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => double(number).is_finite(),
        Value::Array(items) => items.iter().all(fits_doubles),
        Value::Object(members) => members.values().all(fits_doubles),
    }
}

/// A result as JSON; nothing for what is undefined.
pub(super) fn to_json(value: &JValue) -> Result<Option<Value>, Unprintable> {
    match value {
        JValue::Undefined => Ok(None),
        value => Printer { bytes_left: RESULT_BYTES_MAX }.json(value, 0).map(Some),
    }
}

/// Counts what the result will print to, since a shared value may print far larger than it is.
struct Printer {
    bytes_left: usize,
}

impl Printer {
    fn json(&mut self, value: &JValue, depth: usize) -> Result<Value, Unprintable> {
        if depth > RESULT_DEPTH_MAX {
            return Err(Unprintable::TooDeep);
        }
        match value {
            JValue::Null | JValue::Undefined => self.print(4).map(|()| Value::Null),
            JValue::Bool(truth) => self.print(4).map(|()| Value::Bool(*truth)),
            JValue::Number(number) => self.number(*number),
            JValue::String(text) => {
                self.print(text.len() + 2)?;
                Ok(Value::String((**text).to_owned()))
            }
            JValue::Array(items) => {
                self.print(2)?;
                let mut printed = Vec::new();
                for item in items {
                    self.print(1)?;
                    printed.push(self.json(item, depth + 1)?);
                }
                Ok(Value::Array(printed))
            }
            JValue::Object(members) => {
                self.print(2)?;
                let mut printed = Map::new();
                for (name, member) in members.iter() {
                    if member.is_undefined() {
                        continue;
                    }
                    self.print(name.len() + 4)?;
                    printed.insert(name.clone(), self.json(member, depth + 1)?);
                }
                Ok(Value::Object(printed))
            }
            JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => Err(Unprintable::Function),
        }
    }

    fn number(&mut self, number: f64) -> Result<Value, Unprintable> {
        let printed = number_json(number);
        // The longest double takes 25 bytes.
        self.print(8)?;
        Ok(printed)
    }

    fn print(&mut self, bytes: usize) -> Result<(), Unprintable> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Unprintable::TooLarge)?;
        Ok(())
    }
}

/// A number of a result. SOURCE: JSON has no infinity; the service answers `[1/0]` with `["Infinity"]`.
pub(super) fn number_json(number: f64) -> Value {
    let text = number_text(number);
    match number.is_finite() {
        true => text.parse::<Number>().map_or(Value::Null, Value::Number),
        false => Value::String(text),
    }
}

/// A number as JavaScript prints it: the shortest digits that read back the same, with an exponent from 1e21 up and
/// below 1e-6. SOURCE: ECMAScript, `Number::toString`.
fn number_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let magnitude = number.abs();
    if (1e-6..1e21).contains(&magnitude) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        Some(_) | None => text,
    }
}
