//! JSONata, as Step Functions evaluates it: an expression is parsed once per definition and evaluated many times.
//!
//! [`Expression::parse`] checks what a definition says and tells what it refers to; a [`Session`] evaluates expressions
//! over what one state sees. [`plain::evaluate`] is the language without AWS's additions, for the official test suite.
//!
//! The evaluator itself is a bounded tree walker, `vendor/jsonata-core`: its steps, bytes and depth are counted, so that
//! a limit is the same on every machine ([`limits`]).
//!
//! Not here, on purpose:
//! * A clock, randomness and time-outs. The instant and the dice arrive in [`Bindings`].
//! * AWS's sentence around an error, which names the state and the field: the interpreter knows them.

pub mod limits;
mod references;
mod shortcut;
mod values;
mod functions;
mod session;
pub mod plain;

use std::collections::BTreeSet;
use std::fmt;

use jsonata_core::ast::AstNode;
use jsonata_core::parser;

pub use references::StatesMembers;
pub use session::{Bindings, ContextObject, EvalError, Session};

/// An expression, parsed and checked: what stands between `{%` and `%}`.
#[derive(Clone)]
pub struct Expression {
    text: Box<str>,
    tree: AstNode,
    variables: BTreeSet<String>,
    functions: BTreeSet<String>,
    states_members: StatesMembers,
    shortcut: Option<shortcut::Shortcut>,
}

/// As written: the tree numbers its steps anew at each parsing.
impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

/// Why a text is no expression Step Functions accepts, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// `INVALID_JSONATA_EXPRESSION`: not JSONata.
    #[error("{message}")]
    Syntax { message: String },
    /// `UNSUPPORTED_JSONATA_EXPRESSION`: JSONata that has no meaning in a state machine.
    #[error("{message}")]
    Unsupported { message: String },
}

impl Expression {
    /// Parses `text`, what stands between the delimiters, untrimmed.
    ///
    /// # Errors
    /// [`ParseError`], one for each diagnostic code of the validator.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let tree = parser::parse(text).map_err(|error| ParseError::Syntax { message: without_code(error.to_string()) })?;
        let references = references::References::of(&tree);
        if references.binds_no_variable {
            return Err(ParseError::Syntax { message: "The left side of := must be a variable name (start with $)".to_owned() });
        }
        // SOURCE: AWS reads no data where an expression begins: names, `$` and `$$` are refused there; validation.md §2, the codes.
        match references.top_level.first().map(String::as_str) {
            None => {}
            Some("$$") => return Err(ParseError::Syntax { message: "Reference to '$$' is not supported.".to_owned() }),
            Some(name) => {
                let message = format!("Reference to '{name}' at the top level is not supported.");
                return Err(ParseError::Unsupported { message });
            }
        }
        let references::References { variables, functions, states_members, top_level: _, binds_no_variable: _ } = references;
        let shortcut = shortcut::Shortcut::of(&tree);
        Ok(Self { text: text.into(), tree, variables, functions, states_members, shortcut })
    }

    /// Whether it names a function that Step Functions adds.
    fn names_added_function(&self) -> bool {
        functions::NAMES.iter().any(|name| self.functions.contains(*name))
    }

    /// As written between the delimiters.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The `$name`s that are neither built in nor bound inside the expression, without their `$`; `states` is not among them.
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }

    /// Whether it reads the workflow's variable of this name, where there is one: it then hides a built-in function.
    ///
    /// SOURCE: AWS's own sample of long-lived transactions reads `$error`.
    pub(crate) fn reads(&self, variable: &str) -> bool {
        self.variables.contains(variable) || self.functions.contains(variable)
    }

    /// What it reads of `$states`.
    pub fn states_members(&self) -> &StatesMembers {
        &self.states_members
    }

    pub(crate) fn tree(&self) -> &AstNode {
        &self.tree
    }
}

/// Equal texts parse alike.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// A message without the code in front of it: AWS's diagnostics leave it out (`S0207: Unexpected end of expression`).
fn without_code(message: String) -> String {
    match split_code(&message) {
        (Some(_), rest) => rest.to_owned(),
        (None, _) => message,
    }
}

/// Splits `T1006: Attempted …` into the code and the words; most messages of the evaluator begin with a code.
fn split_code(message: &str) -> (Option<&str>, &str) {
    let bytes = message.as_bytes();
    let has_code = bytes.len() > 5 && bytes[0].is_ascii_uppercase() && bytes[1..5].iter().all(u8::is_ascii_digit) && bytes[5] == b':';
    if has_code { (Some(&message[..5]), message[6..].trim_start()) } else { (None, message) }
}
