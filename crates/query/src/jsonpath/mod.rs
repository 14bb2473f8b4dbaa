//! JSONPath as Step Functions speaks it: the Jayway dialect, compiled once, evaluated often.
//!
//! [`Path::parse`] reads `$…` (over the input), `$$…` (over the context object) and `$name…` (over a variable);
//! [`Path::find`] evaluates. A definite path names one node and yields it; any other yields a list, also for one match or
//! none. [`ReferencePath`] is the narrow form of `ResultPath`: names and indexes, which can also be written to.
//!
//! Not here, on purpose: intrinsic functions (`States.Format(…)`), which are no paths; and the library's function that
//! changes the document it reads (`append()` gives a longer copy).

mod step;
mod cursor;
mod parse;
mod evaluate;
mod stop;
mod filter;
mod function;
mod reference;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::budget::{Budget, Exhausted};
use step::Step;

pub use reference::{Conflict, ReferencePath};

/// A compiled path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    text: Box<str>,
    root: Root,
    steps: Box<[Step]>,
}

/// Which document a path looks into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// `$…`: what the state works on.
    Input,
    /// `$$…`: the context object.
    Context,
    /// `$name…`: the value of a variable.
    Variable(Box<str>),
}

/// What a path led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'v> {
    /// A definite path: the node, or what a function or several names (`$.o['x','y']`) made of it.
    One(Cow<'v, Value>),
    /// An indefinite path: every match, in document order.
    Many(Vec<Cow<'v, Value>>),
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ParseError {
    pub reason: String,
}

/// Why a path led to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// In Jayway's words: `No results for path: $['a']`.
    #[error("{reason}")]
    NotFound { reason: String },
    /// The library says the same when an index lies past the end of its list; Step Functions tells the two apart.
    #[error("{reason}")]
    PastEnd { reason: String },
    /// The path is there, and cannot be evaluated: a filter on a number, the sum of nothing.
    #[error("{reason}")]
    Failed { reason: String },
    #[error("{Exhausted}")]
    Exhausted,
}

impl From<Exhausted> for EvalError {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

impl ParseError {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl Path {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`ParseError`] for what the library does not compile, for patterns that cannot be matched in linear time, and for
    /// texts of more than 16 KiB.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text)
    }

    /// As it stands in the definition.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Whether this is `$`, the whole input.
    pub fn is_identity(&self) -> bool {
        self.root == Root::Input && self.steps.is_empty()
    }

    /// Whether the path yields one value itself; any other yields a list.
    pub fn is_definite(&self) -> bool {
        step::is_definite(&self.steps)
    }

    /// Whether the path consists of names and indexes only, so that it names at most one node.
    pub fn is_reference(&self) -> bool {
        self.steps.iter().all(Step::is_reference)
    }

    /// Looks into `document`, which is the input, the context object or the value of the variable, as [`Path::root`] says.
    /// Takes one step of `budget` for each node it visits, and for each it copies.
    ///
    /// # Errors
    /// [`EvalError::NotFound`] or [`EvalError::PastEnd`] when a definite path leads nowhere, or a slice is asked of what is no list;
    /// [`EvalError::Failed`] where the library throws anything else.
    pub fn find<'v>(&self, document: &'v Value, budget: &mut Budget) -> Result<Found<'v>, EvalError> {
        evaluate::find(&self.steps, document, budget)
    }
}

/// `$`.
impl Default for Path {
    fn default() -> Self {
        Self { text: "$".into(), root: Root::Input, steps: Box::default() }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Found<'_> {
    /// The value a state gets: the node, or the list.
    pub fn into_value(self) -> Value {
        match self {
            Self::One(value) => value.into_owned(),
            Self::Many(values) => Value::Array(values.into_iter().map(Cow::into_owned).collect()),
        }
    }

    /// The value of a definite path; `None` for a list.
    pub fn one(&self) -> Option<&Value> {
        match self {
            Self::One(value) => Some(value),
            Self::Many(_) => None,
        }
    }
}
