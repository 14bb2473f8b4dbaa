//! Reads a request's members under the model's constraints, with the texts of AWS's framework.
//!
//! A member of the wrong JSON type ends the reading at once (`SerializationException`); broken constraints are collected,
//! and [`Members::finish`] names them all in one `ValidationException`.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::protocol::ApiError;

/// Whether a broken constraint may show the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Plain,
    /// SOURCE: API model, `sensitive`.
    Sensitive,
}

/// The members of a structure that have not been read yet, and what was wrong with those that have.
///
/// Members that nobody asks for are ignored: newer SDKs may send them.
#[derive(Debug)]
pub(crate) struct Members {
    map: Map<String, Value>,
    /// `tags.1.member.`, or nothing at the root.
    prefix: String,
    violations: Vec<String>,
}

impl Members {
    pub(crate) fn root(map: Map<String, Value>) -> Self {
        Self { map, prefix: String::new(), violations: Vec::new() }
    }

    /// A string whose length, in UTF-16 units as AWS counts, is within `lengths`.
    pub(crate) fn text(&mut self, name: &str, lengths: RangeInclusive<usize>, shown: Shown) -> Result<Option<String>, ApiError> {
        let text = match self.take(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(other) => return Err(unexpected(&other, "String")),
        };
        let length = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
        if let Some(bound) = broken_bound(length, &lengths) {
            let wanted = format!("have length {bound}");
            let value = match shown {
                Shown::Plain => format!("Value '{text}'"),
                Shown::Sensitive => "Value".to_owned(),
            };
            self.violate(&value, name, &wanted);
        }
        Ok(Some(text))
    }

    /// As [`Members::text`]; the text is empty when it is missing, and [`Members::finish`] fails.
    pub(crate) fn required_text(&mut self, name: &str, lengths: RangeInclusive<usize>, shown: Shown) -> Result<String, ApiError> {
        match self.text(name, lengths, shown)? {
            Some(text) => Ok(text),
            None => {
                self.missing(name);
                Ok(String::new())
            }
        }
    }

    /// One of the model's words; `set` is how AWS lists them.
    pub(crate) fn one_of(&mut self, name: &str, set: &[&'static str]) -> Result<Option<&'static str>, ApiError> {
        let text = match self.take(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(other) => return Err(unexpected(&other, "String")),
        };
        let found = set.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let wanted = format!("satisfy enum value set: [{}]", set.join(", "));
            self.violate(&format!("Value '{text}'"), name, &wanted);
        }
        Ok(found)
    }

    pub(crate) fn integer(&mut self, name: &str, bounds: RangeInclusive<i64>) -> Result<Option<i64>, ApiError> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64().ok_or_else(|| unexpected(&Value::Number(number), "Integer"))?,
            Some(other) => return Err(unexpected(&other, "Integer")),
        };
        if let Some(bound) = broken_bound(number, &bounds) {
            self.violate(&format!("Value '{number}'"), name, &format!("have value {bound}"));
        }
        Ok(Some(number))
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(unexpected(&other, "Boolean")),
        }
    }

    /// A structure; what was wrong with its members comes back through [`Members::adopt`].
    pub(crate) fn structure(&mut self, name: &str) -> Result<Option<Members>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(self.below(map, &format!("{name}.")))),
            Some(other) => Err(unexpected(&other, "Structure")),
        }
    }

    /// A list of structures.
    pub(crate) fn structures(&mut self, name: &str) -> Result<Option<Vec<Members>>, ApiError> {
        let items = match self.take(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(unexpected(&other, "List")),
        };
        let mut structures = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::Object(map) => structures.push(self.below(map, &format!("{name}.{}.member.", index + 1))),
                other => return Err(unexpected(&other, "Structure")),
            }
        }
        Ok(Some(structures))
    }

    /// Whether the member is there, without reading it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Notes that a required member is missing.
    pub(crate) fn missing(&mut self, name: &str) {
        self.violate("Value null", name, "not be null");
    }

    /// Takes over what was wrong with a structure's members.
    pub(crate) fn adopt(&mut self, below: Members) {
        self.violations.extend(below.violations);
    }

    /// # Errors
    /// `ValidationException` naming every broken constraint.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        let plural = match self.violations.len() {
            0 => return Ok(()),
            1 => "",
            _ => "s",
        };
        let count = self.violations.len();
        Err(ApiError::validation(format!("{count} validation error{plural} detected: {}", self.violations.join("; "))))
    }

    /// Null is absent, as AWS's parsers have it.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.map.get_mut(name).map(Value::take).filter(|value| !value.is_null())
    }

    fn below(&self, map: Map<String, Value>, step: &str) -> Members {
        Members { map, prefix: format!("{}{step}", self.prefix), violations: Vec::new() }
    }

    /// Notes a broken constraint: `Member must …`.
    pub(crate) fn violate(&mut self, value: &str, name: &str, wanted: &str) {
        let prefix = &self.prefix;
        self.violations.push(format!("{value} at '{prefix}{name}' failed to satisfy constraint: Member must {wanted}"));
    }
}

/// The bound that `value` is beyond, worded.
fn broken_bound<T: PartialOrd + Display>(value: T, bounds: &RangeInclusive<T>) -> Option<String> {
    if value < *bounds.start() {
        Some(format!("greater than or equal to {}", bounds.start()))
    } else if value > *bounds.end() {
        Some(format!("less than or equal to {}", bounds.end()))
    } else {
        None
    }
}

fn unexpected(value: &Value, wanted: &str) -> ApiError {
    let found = match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => return ApiError::serialization("Start of list found where not expected."),
        Value::Object(_) => return ApiError::serialization("Start of structure or map found where not expected."),
    };
    ApiError::serialization(format!("{found} cannot be converted to {wanted}"))
}

#[cfg(test)]
mod tests;
