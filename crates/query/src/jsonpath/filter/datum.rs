//! What an operand comes to, and when two are equal.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::number::{Numeral, is_fraction};
use super::pattern::Pattern;
use crate::budget::Budget;
use crate::jsonpath::evaluate::charge_copy;
use crate::jsonpath::stop::Stop;

#[derive(Debug)]
pub(super) enum Datum<'x> {
    /// A path led nowhere.
    Undefined,
    Null,
    Bool(bool),
    Number(Numeral<'x>),
    Text(Cow<'x, str>),
    /// A list or an object.
    Json(Json<'x>),
    Pattern(&'x Pattern),
}

#[derive(Debug)]
pub(super) enum Json<'x> {
    /// What a path led to.
    Found(Cow<'x, Value>),
    /// What the filter itself says.
    Literal { text: &'x str, value: Option<&'x Value> },
}

impl<'x> Datum<'x> {
    pub(super) fn of(value: Cow<'x, Value>) -> Self {
        match value {
            Cow::Borrowed(Value::Null) | Cow::Owned(Value::Null) => Self::Null,
            Cow::Borrowed(Value::Bool(bool)) => Self::Bool(*bool),
            Cow::Owned(Value::Bool(bool)) => Self::Bool(bool),
            Cow::Borrowed(Value::Number(number)) => Self::Number(Numeral::found(number.as_str().into())),
            Cow::Owned(Value::Number(number)) => Self::Number(Numeral::found(number.as_str().to_owned().into())),
            Cow::Borrowed(Value::String(text)) => Self::Text(text.into()),
            Cow::Owned(Value::String(text)) => Self::Text(text.into()),
            json => Self::Json(Json::Found(json)),
        }
    }

    /// `==`. A number equals a string that spells it; a string equals a number that is printed so.
    pub(super) fn equals(&self, other: &Datum<'_>, budget: &mut Budget) -> Result<bool, Stop> {
        match (self, other) {
            (Self::Json(left), Datum::Json(right)) => {
                let right = right.value()?;
                match left {
                    Json::Found(left) => {
                        charge_copy(left, budget)?;
                        Ok(java_equal(left, right))
                    }
                    // SOURCE: Jayway compares the text of a literal with the value on its right: never equal.
                    Json::Literal { .. } => Ok(false),
                }
            }
            _ => Ok(self.equals_plainly(other)),
        }
    }

    /// Equality of what is no list and no object.
    pub(super) fn equals_plainly(&self, other: &Datum<'_>) -> bool {
        match (self, other) {
            (Self::Null, Datum::Null) => true,
            (Self::Bool(left), Datum::Bool(right)) => left == right,
            (Self::Number(left), Datum::Number(right)) => left.order(right) == Ordering::Equal,
            (Self::Number(left), Datum::Text(right)) => left.is_spelled(right),
            (Self::Text(left), Datum::Number(right)) => **left == *right.java_text(),
            (Self::Text(left), Datum::Text(right)) => left == right,
            (Self::Undefined | Self::Pattern(_) | Self::Json(_), _) => false,
            (Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_), _) => false,
        }
    }
}

/// Java's order of strings.
pub(super) fn utf16_order(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() { left.cmp(right) } else { left.encode_utf16().cmp(right.encode_utf16()) }
}

/// Java's equality of parsed JSON: 1 and 1.0 differ, the order of keys does not matter.
fn java_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            is_fraction(left) == is_fraction(right) && Numeral::found(left.into()).order(&Numeral::found(right.into())) == Ordering::Equal
        }
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| java_equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len() && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| java_equal(value, other)))
        }
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_), _) => false,
    }
}
