//! Text to [`Definition`]: every error of a definition is found, not only the first.
//!
//! The pieces are read beside their types (`states/*.rs`, `retry.rs`, `template.rs`, …) through [`fields::Fields`], which
//! reports what is wrong as it goes; [`block`] puts states and transitions together.

pub(crate) mod location;
pub(crate) mod reader;
pub(crate) mod fields;
pub(crate) mod scope;
pub(crate) mod block;
mod syntax;

use skald_query::Value;
use skald_query::payload::{Payload, SyntaxError};

use crate::definition::Definition;
use crate::diagnostic::{Code, Diagnostic, Severity};
use block::Runs;
use fields::Fields;
use reader::Reader;

/// What the definition is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    pub machine_type: MachineType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MachineType {
    #[default]
    Standard,
    Express,
}

/// A definition that is accepted.
#[derive(Debug)]
pub struct Parsed {
    pub definition: Definition,
    pub warnings: Vec<Diagnostic>,
}

/// SOURCE: validation.md §4, "Types and ranges": 0 is accepted here, unlike in a state.
const TIMEOUT_SECONDS_MAX: u64 = 99_999_999;

/// Reads a definition.
///
/// # Errors
/// Every error in it, in AWS's codes and words.
pub fn parse(text: &str, options: &Options) -> Result<Parsed, Vec<Diagnostic>> {
    let Findings { definition, mut errors, warnings } = read(text, options);
    match definition {
        Some(definition) if errors.is_empty() => Ok(Parsed { definition, warnings }),
        Some(_) => Err(errors),
        None => {
            if errors.is_empty() {
                errors.push(error(Code::SchemaValidationFailed, NO_OBJECT, None));
            }
            Err(errors)
        }
    }
}

/// Everything there is to say about a definition: all errors, then all warnings.
pub fn diagnose(text: &str, options: &Options) -> Vec<Diagnostic> {
    let Findings { mut errors, warnings, .. } = read(text, options);
    errors.extend(warnings);
    errors
}

const NO_OBJECT: &str = "Definition must be a valid JSON object";

/// What one reading found.
struct Findings {
    definition: Option<Definition>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Findings {
    /// Nothing else can be said of the text.
    fn only(finding: Diagnostic) -> Self {
        Self { definition: None, errors: vec![finding], warnings: Vec::new() }
    }
}

fn read(text: &str, options: &Options) -> Findings {
    let document = match document(text) {
        Ok(document) => document,
        Err(finding) => return Findings::only(finding),
    };
    let Value::Object(members) = document.value() else {
        return Findings::only(error(Code::SchemaValidationFailed, NO_OBJECT, None));
    };
    let mut reader = Reader::new(options.machine_type);
    let root = Fields::root(members);
    reader.set_root_language(&root);
    root.check_known(&mut reader, &["Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage"]);
    root.text(&mut reader, "Comment");
    root.one_of(&mut reader, "Version", &["1.0"]);
    let timeout_seconds = root.integer(&mut reader, "TimeoutSeconds", 0..=TIMEOUT_SECONDS_MAX);
    let start_at = block::read(&root, Runs::Within, &mut reader).map(|block| block.start_at);
    let outcome = reader.finish();
    let states = outcome.states.map(|states| (states, outcome.references));
    let definition =
        start_at.zip(states).map(|(start_at, (states, references))| Definition::new(start_at, timeout_seconds, states, references));
    Findings { definition, errors: outcome.errors, warnings: outcome.warnings }
}

fn document(text: &str) -> Result<Payload, Diagnostic> {
    if text.trim().is_empty() {
        return Err(error(Code::SchemaValidationFailed, NO_OBJECT, None));
    }
    Payload::parse(text).map_err(|syntax| match syntax {
        SyntaxError::NotJson { message, line, column } => {
            let (message, location) = syntax::jackson(text, &message, line, column);
            error(Code::InvalidJsonDescription, message, Some(location))
        }
        SyntaxError::TooDeep => error(Code::TooDeeplyNested, syntax.to_string(), None),
    })
}

fn error(code: Code, message: impl Into<String>, location: Option<String>) -> Diagnostic {
    Diagnostic { severity: Severity::Error, code, message: message.into(), location }
}
