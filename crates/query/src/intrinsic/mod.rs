//! The 18 intrinsic functions.

use serde_json::Value;

use crate::budget::Exhausted;
use crate::jsonpath::{EvalError, Path};

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    text: Box<str>,
    paths: Vec<Path>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ParseError {
    pub reason: String,
}

pub trait Surroundings {
    fn find(&mut self, path: &Path) -> Result<Value, EvalError>;
    fn roll(&mut self) -> u64;
    fn spend(&mut self, steps: u64) -> Result<(), Exhausted>;
}

#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    Path { path: Path, error: EvalError },
    Failed { message: String },
}

impl Call {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Err(ParseError { reason: text.to_owned() })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn name(&self) -> &'static str {
        ""
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter()
    }

    pub fn evaluate(&self, _surroundings: &mut dyn Surroundings) -> Result<Value, CallError> {
        Err(CallError::Failed { message: String::new() })
    }
}
