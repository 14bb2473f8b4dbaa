//! Text to [`Definition`]: every error of a definition is found, not only the first.
//!
//! The pieces are read beside their types (`states/*.rs`, `retry.rs`, `template.rs`, …) through [`fields::Fields`], which
//! reports what is wrong as it goes; [`block`] puts states and transitions together.

pub(crate) mod reader;
pub(crate) mod fields;
pub(crate) mod block;
mod syntax;

use skald_query::Value;
use skald_query::payload::{Payload, SyntaxError};

use crate::definition::Definition;
use crate::diagnostic::{Code, Diagnostic, Severity};
use fields::Fields;
use reader::{Language, Reader};

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
/// Every error in it, in AWS's codes and words. What AWS takes and Skald has not built yet is named
/// ([`Code::NotSupportedYet`]) only when AWS would take the whole definition.
pub fn parse(text: &str, options: &Options) -> Result<Parsed, Vec<Diagnostic>> {
    let (definition, findings) = read(text, options);
    let (mut errors, warnings) = split(findings);
    match definition {
        Some(definition) if errors.is_empty() => Ok(Parsed { definition, warnings }),
        Some(_) => Err(errors),
        None => {
            if errors.is_empty() {
                errors.push(error(Code::SchemaValidationFailed, "Definition must be a valid JSON object", None));
            }
            Err(errors)
        }
    }
}

/// Everything there is to say about a definition: all errors, then all warnings.
pub fn diagnose(text: &str, options: &Options) -> Vec<Diagnostic> {
    let (mut errors, warnings) = split(read(text, options).1);
    errors.extend(warnings);
    errors
}

fn read(text: &str, options: &Options) -> (Option<Definition>, Vec<Diagnostic>) {
    let document = match document(text) {
        Ok(document) => document,
        Err(finding) => return (None, vec![finding]),
    };
    let Value::Object(members) = document.value() else {
        return (None, vec![error(Code::SchemaValidationFailed, "Definition must be a valid JSON object", None)]);
    };
    let mut reader = Reader::new(options.machine_type);
    let root = Fields::root(members);
    reader.set_root_language(&root);
    root.check_known(&mut reader, &["Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage"]);
    root.text(&mut reader, "Comment");
    root.one_of(&mut reader, "Version", &["1.0"]);
    let timeout_seconds = root.integer(&mut reader, "TimeoutSeconds", 0..=TIMEOUT_SECONDS_MAX);
    let start_at = block::read(&root, &mut reader).map(|block| block.start_at);
    let (states, findings) = reader.finish();
    let definition = start_at.zip(states).map(|(start_at, states)| Definition::new(start_at, timeout_seconds, states));
    (definition, findings)
}

fn document(text: &str) -> Result<Payload, Diagnostic> {
    if text.trim().is_empty() {
        return Err(error(Code::SchemaValidationFailed, "Definition must be a valid JSON object", None));
    }
    Payload::parse(text).map_err(|syntax| match syntax {
        SyntaxError::NotJson { message, line, column } => {
            let (message, location) = syntax::jackson(text, &message, line, column);
            error(Code::InvalidJsonDescription, message, Some(location))
        }
        SyntaxError::TooDeep => error(Code::TooDeeplyNested, syntax.to_string(), None),
    })
}

/// Errors and warnings apart, each in the order found. While AWS itself refuses the definition, what is missing here is
/// left out: the answer is AWS's.
fn split(findings: Vec<Diagnostic>) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let is_error = |finding: &Diagnostic| finding.severity == Severity::Error;
    let aws_refuses = findings.iter().any(|finding| is_error(finding) && finding.code != Code::NotSupportedYet);
    findings.into_iter().filter(|finding| !(aws_refuses && finding.code == Code::NotSupportedYet)).partition(is_error)
}

fn error(code: Code, message: impl Into<String>, location: Option<String>) -> Diagnostic {
    Diagnostic { severity: Severity::Error, code, message: message.into(), location }
}

impl Language {
    /// As `QueryLanguage` spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::JsonPath => "JSONPath",
            Self::Jsonata => "JSONata",
        }
    }
}
