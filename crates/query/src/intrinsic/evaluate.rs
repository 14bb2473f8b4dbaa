//! Arguments first, left to right, then the function. Everything is charged before it is built.

use serde_json::Value;

use super::{ARGUMENTS_BYTES_MAX, Argument, Call, CallError, Function, RESULT_BYTES_MAX, Surroundings, TextLiteral};
use super::{array, json, math, text};
use crate::payload;

pub(super) fn call(call: &Call, surroundings: &mut dyn Surroundings) -> Result<Value, CallError> {
    let values = arguments(&call.arguments, surroundings)?;
    let result = apply(call, values, surroundings)?;
    if payload::weigh(&result).bytes > RESULT_BYTES_MAX {
        return Err(too_large());
    }
    Ok(result)
}

fn arguments(arguments: &[Argument], surroundings: &mut dyn Surroundings) -> Result<Vec<Value>, CallError> {
    let mut values = Vec::with_capacity(arguments.len());
    let mut bytes = 0usize;
    for argument in arguments {
        let value = match argument {
            Argument::Constant(value) => value.clone(),
            Argument::Text(TextLiteral { value, between_placeholders: _ }) => Value::from(&**value),
            Argument::Path(path) => surroundings.find(path).map_err(|error| CallError::Path { path: path.clone(), error })?,
            Argument::Call(nested) => call(nested, surroundings)?,
        };
        let weight = payload::weigh(&value);
        surroundings.spend(weight.steps())?;
        bytes = bytes.saturating_add(weight.bytes);
        if bytes > ARGUMENTS_BYTES_MAX {
            return Err(failed(format!("The arguments are larger than {ARGUMENTS_BYTES_MAX} bytes")));
        }
        values.push(value);
    }
    Ok(values)
}

fn apply(call: &Call, values: Vec<Value>, surroundings: &mut dyn Surroundings) -> Result<Value, CallError> {
    let values = Values { values };
    match call.function {
        Function::Array => Ok(Value::Array(values.values)),
        Function::ArrayContains => array::contains(&values),
        Function::ArrayGetItem => array::get_item(values),
        Function::ArrayLength => array::length(&values),
        Function::ArrayPartition => array::partition(values),
        Function::ArrayRange => array::range(&values),
        Function::ArrayUnique => array::unique(values),
        Function::Base64Decode => text::base64_decode(&values),
        Function::Base64Encode => text::base64_encode(&values),
        Function::Format => text::format(call.arguments.first(), &values),
        Function::Hash => text::hash(&values),
        Function::JsonMerge => json::merge(values),
        Function::JsonToString => json::to_text(&values),
        Function::MathAdd => math::add(&values),
        Function::MathRandom => math::random(&values, surroundings),
        Function::StringSplit => text::split(&values, surroundings),
        Function::StringToJson => json::from_text(&values, surroundings),
        Function::Uuid => Ok(text::uuid(surroundings)),
    }
}

/// What a function was given; `arity` has made sure of how many.
pub(super) struct Values {
    pub(super) values: Vec<Value>,
}

impl Values {
    pub(super) fn list(&self, index: usize) -> Result<&Vec<Value>, CallError> {
        match &self.values[index] {
            Value::Array(items) => Ok(items),
            other => Err(expected(index, "an array", other)),
        }
    }

    pub(super) fn take_list(&mut self, index: usize) -> Result<Vec<Value>, CallError> {
        match std::mem::take(&mut self.values[index]) {
            Value::Array(items) => Ok(items),
            other => Err(expected(index, "an array", &other)),
        }
    }

    pub(super) fn text(&self, index: usize) -> Result<&str, CallError> {
        match &self.values[index] {
            Value::String(text) => Ok(text),
            other => Err(expected(index, "a string", other)),
        }
    }

    /// A number, rounded. SOURCE: Step Functions guide: the functions that take integers round what is none.
    pub(super) fn integer(&self, index: usize) -> Result<i64, CallError> {
        match &self.values[index] {
            Value::Number(number) => crate::number::rounded(number).ok_or_else(|| expected(index, "a 64-bit integer", &self.values[index])),
            other => Err(expected(index, "a number", other)),
        }
    }
}

fn expected(index: usize, what: &str, value: &Value) -> CallError {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    failed(format!("Argument {} must be {what} but was {found}", index + 1))
}

pub(super) fn too_large() -> CallError {
    failed(format!("The result is larger than {RESULT_BYTES_MAX} bytes"))
}

pub(super) fn failed(message: impl Into<String>) -> CallError {
    CallError::Failed { message: message.into() }
}
