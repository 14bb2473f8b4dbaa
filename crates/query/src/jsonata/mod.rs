//! JSONata as Step Functions evaluates it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Budget, Payload};

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    text: Box<str>,
    variables: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("{message}")]
    Syntax { message: String },
    #[error("{message}")]
    Unsupported { message: String },
}

/// Displays as the tail of AWS's text after "… specified for the field 'F' ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    #[error("returned nothing (undefined).")]
    Undefined,
}

/// What the expressions of one state see.
pub struct Bindings<'a> {
    pub input: &'a Payload,
    pub context: &'a Value,
    pub result: Option<&'a Payload>,
    pub error_output: Option<&'a Value>,
    pub variables: Vec<(&'a str, &'a Payload)>,
    pub now_millis: i64,
    pub seed: u64,
}

pub struct Session<'a> {
    bindings: Bindings<'a>,
}

impl Expression {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self { text: text.into(), variables: BTreeSet::new() })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn states_members(&self) -> impl Iterator<Item = &String> {
        self.variables.iter()
    }

    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<'a> Session<'a> {
    pub fn new(bindings: Bindings<'a>) -> Self {
        Self { bindings }
    }

    pub fn evaluate(&mut self, _expression: &Expression, _budget: &mut Budget) -> Result<Value, EvalError> {
        let _ = &self.bindings.input;
        Err(EvalError::Undefined)
    }
}
