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

use crate::definition::{Definition, StateId};
use crate::diagnostic::{Code, Diagnostic, Severity};
use block::Runs;
use fields::Fields;
use location::Location;
use reader::{Language, Outcome, Reader};

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
    read(text, options).accepted()
}

/// Reads a single state, as TestState takes it: what it leads to need not be there. In the definition it is called
/// `StateName`, and whatever it leads to is a state that does nothing.
///
/// # Errors
/// Every error in it, in AWS's codes and words.
pub fn parse_state(text: &str, options: &Options) -> Result<Parsed, Vec<Diagnostic>> {
    read_document(text, |value| read_single(value, options)).accepted()
}

/// Everything there is to say about a definition: all errors, then all warnings.
pub fn diagnose(text: &str, options: &Options) -> Vec<Diagnostic> {
    let Findings { mut errors, warnings, .. } = read(text, options);
    errors.extend(warnings);
    errors
}

const NO_OBJECT: &str = "Definition must be a valid JSON object";

/// SOURCE: recorded on AWS: the location of a finding in a state that stands alone.
const SINGLE_STATE_NAME: &str = "StateName";

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

    fn of(reader: Reader, start_at: Option<StateId>, timeout_seconds: Option<u64>) -> Self {
        let Outcome { states, references, errors, warnings } = reader.finish();
        let whole = start_at.zip(states);
        let definition = whole.map(|(start_at, states)| Definition::new(start_at, timeout_seconds, states, references));
        Self { definition, errors, warnings }
    }

    fn accepted(mut self) -> Result<Parsed, Vec<Diagnostic>> {
        match self.definition {
            Some(definition) if self.errors.is_empty() => Ok(Parsed { definition, warnings: self.warnings }),
            Some(_) => Err(self.errors),
            None => {
                if self.errors.is_empty() {
                    self.errors.push(error(Code::SchemaValidationFailed, NO_OBJECT, None));
                }
                Err(self.errors)
            }
        }
    }
}

fn read(text: &str, options: &Options) -> Findings {
    read_document(text, |root| {
        let Value::Object(members) = root else {
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
        Findings::of(reader, start_at, timeout_seconds)
    })
}

fn read_single(value: &Value, options: &Options) -> Findings {
    let mut reader = Reader::new(options.machine_type);
    let location = Location::default().field("States").field(SINGLE_STATE_NAME);
    let state = Fields::of(value, location, Language::JsonPath, &mut reader);
    let block = state.and_then(|state| block::read_alone(SINGLE_STATE_NAME, state, value, &mut reader));
    Findings::of(reader, block.map(|block| block.start_at), None)
}

fn read_document(text: &str, read: impl FnOnce(&Value) -> Findings) -> Findings {
    match document(text) {
        Ok(document) => read(document.value()),
        Err(finding) => Findings::only(finding),
    }
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
