//! The intrinsic functions of the States Language: `States.Format('Hello {}', $.name)`.
//!
//! [`Call::parse`] reads a call once per definition; [`Call::evaluate`] computes it. Paths, dice and the budget come
//! from the [`Surroundings`], so that a call is as pure as the rest of this crate. [`CallError::cause`] words a failure
//! as AWS does.
//!
//! Values behave as Java's do, because AWS's implementation shows them: `States.Format` prints an object as
//! `{Arg1=1, Arg2=[]}`, and halves round up (`java`).
//!
//! Not here, on purpose: what `$`, `$$` and `$name` stand for, and AWS's 256 KiB; the interpreter knows both.

mod function;
mod parse;
mod evaluate;
mod text;
mod array;
mod json;
mod math;
mod java;

use serde_json::Value;

use crate::budget::Exhausted;
use crate::jsonpath::{EvalError, Path, Root};

pub use function::Function;

/// How deeply calls may nest, the outermost included. SOURCE: Step Functions guide, "Intrinsic functions".
pub const NESTING_MAX: usize = 10;

/// What a function may return, as bytes of JSON text; four times AWS's payload limit. Ours: nested calls double what they are given.
pub const RESULT_BYTES_MAX: usize = 1 << 20;

/// What the arguments of one call may be together, as bytes of JSON text. Ours: `States.Array($, $, $, …)`.
pub const ARGUMENTS_BYTES_MAX: usize = 16 << 20;

/// A call of an intrinsic function, with the calls inside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    text: Box<str>,
    function: Function,
    arguments: Box<[Argument]>,
}

#[derive(Clone, Debug, PartialEq)]
enum Argument {
    /// A number, a boolean or null.
    Constant(Value),
    Text(TextLiteral),
    Path(Path),
    Call(Call),
}

/// `'…'`, without its quotes and escapes.
#[derive(Clone, Debug, PartialEq)]
struct TextLiteral {
    value: Box<str>,
    /// What stands between the `{}`: escaped braces are none, so this cannot be told from `value`.
    between_placeholders: Box<[Box<str>]>,
}

/// Why a text is no call. AWS says only that the field has no valid path or call, so this is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ParseError {
    pub reason: String,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// A path among the arguments, nested ones too, led to nothing.
    #[error("{path}: {error}")]
    Path { path: Path, error: EvalError },
    /// The function refuses what it was given.
    #[error("{message}")]
    Failed { message: String },
    #[error("{Exhausted}")]
    Exhausted,
}

impl From<Exhausted> for CallError {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

/// What a call needs of the world around it.
pub trait Surroundings {
    /// What `path` leads to, of the input, the context object or a variable.
    ///
    /// SOURCE: observed on AWS: an index past the end is an error here, though a template's plain path gives null then.
    ///
    /// # Errors
    /// [`EvalError`] as [`Path::find`] gives it.
    fn find(&mut self, path: &Path) -> Result<Value, EvalError>;

    /// Sixty-four random bits.
    fn roll(&mut self) -> u64;

    /// Takes `steps` of the budget.
    ///
    /// # Errors
    /// [`Exhausted`] when fewer are left.
    fn spend(&mut self, steps: u64) -> Result<(), Exhausted>;
}

impl Call {
    /// Whether `text` is meant as a call, rightly written or not: no path begins like this.
    pub fn is_meant(text: &str) -> bool {
        text.trim_start().starts_with("States.")
    }

    /// Compiles `text`.
    ///
    /// # Errors
    /// [`ParseError`] for unknown functions, wrong syntax, a wrong number of arguments, and nesting beyond
    /// [`NESTING_MAX`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text)
    }

    /// As it stands in the definition.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn function(&self) -> Function {
        self.function
    }

    /// `States.Format` and so on.
    pub fn name(&self) -> &'static str {
        self.function.name()
    }

    /// Every path among the arguments, those of nested calls too, in the order written.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let mut paths = Vec::new();
        self.collect_paths(&mut paths);
        paths.into_iter()
    }

    /// Computes the result.
    ///
    /// # Errors
    /// [`CallError`] for the first argument that cannot be had, or when the function refuses what it is given.
    pub fn evaluate(&self, surroundings: &mut dyn Surroundings) -> Result<Value, CallError> {
        evaluate::call(self, surroundings)
    }

    fn collect_paths<'c>(&'c self, paths: &mut Vec<&'c Path>) {
        for argument in &self.arguments {
            match argument {
                Argument::Constant(_) | Argument::Text(_) => {}
                Argument::Path(path) => paths.push(path),
                Argument::Call(call) => call.collect_paths(paths),
            }
        }
    }
}

impl CallError {
    /// What AWS says of it, behind `An error occurred while executing the state … `. `call` is the whole call of the
    /// field, also when one inside it failed; `input` is the document that `$` stands for.
    ///
    /// SOURCE: observed on AWS for paths (a context path is named as if it led into the input). No text of a refusing
    /// function is known: those behind the colon are ours.
    pub fn cause(&self, call: &Call, input: &str) -> String {
        let error = match self {
            Self::Path { path: _, error: EvalError::Failed { reason } } => reason.clone(),
            // Jayway's own words come through when an index is asked of what is no list.
            Self::Path { path: _, error: EvalError::NotFound { reason } } if reason.starts_with("Filter: ") => reason.clone(),
            Self::Path { path, error: EvalError::NotFound { reason: _ } | EvalError::PastEnd { reason: _ } } => {
                let field = match path.root() {
                    Root::Input | Root::Variable(_) => path.text(),
                    Root::Context => &path.text()[1..],
                };
                format!("The JsonPath argument for the field '{field}' could not be found in the input '{input}'")
            }
            Self::Path { path: _, error: EvalError::Exhausted } | Self::Exhausted => Exhausted.to_string(),
            Self::Failed { message } => message.clone(),
        };
        format!("The function '{}' had the following error: {error}", call.text)
    }
}
