//! What reading a definition gathers: the states, their names, and the findings.

use std::collections::BTreeSet;

use skald_query::Value;
use skald_query::jsonata::{Expression, ParseError};

use super::MachineType;
use super::fields::Fields;
use crate::definition::{State, StateId, StateKind};
use crate::diagnostic::{Code, Diagnostic, Severity};

/// Which expressions the fields of a state hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    JsonPath,
    Jsonata,
}

/// One reading of one definition.
pub(crate) struct Reader {
    pub(crate) machine_type: MachineType,
    root_language: Language,
    findings: Vec<Diagnostic>,
    /// A place for each state, empty until it could be read.
    states: Vec<Option<State>>,
    names: BTreeSet<String>,
    depth: usize,
}

/// How many blocks may lie in each other. SOURCE: ours; AWS publishes no number.
const BLOCK_DEPTH_MAX: usize = 100;

impl Reader {
    pub(super) fn new(machine_type: MachineType) -> Self {
        Self { machine_type, root_language: Language::JsonPath, findings: Vec::new(), states: Vec::new(), names: BTreeSet::new(), depth: 0 }
    }

    pub(super) fn set_root_language(&mut self, root: &Fields<'_>) {
        if let Some(language) = self.declared_language(root) {
            self.root_language = language;
        }
    }

    /// The language of a state: its own, or the machine's; never that of the state around it.
    pub(super) fn state_language(&mut self, state: &Fields<'_>) -> Language {
        match (self.declared_language(state), self.root_language) {
            (Some(Language::JsonPath), Language::Jsonata) => {
                let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
                self.schema(message, state.location());
                Language::JsonPath
            }
            (Some(language), Language::JsonPath | Language::Jsonata) => language,
            (None, language) => language,
        }
    }

    fn declared_language(&mut self, fields: &Fields<'_>) -> Option<Language> {
        let name = fields.one_of(self, "QueryLanguage", &["JSONPath", "JSONata"])?;
        if name == Language::JsonPath.as_str() {
            return Some(Language::JsonPath);
        }
        Some(Language::Jsonata)
    }

    /// Goes one block deeper; false, and reported, at the limit. [`Reader::leave_block`] comes back.
    pub(super) fn enter_block(&mut self, location: &str) -> bool {
        if self.depth == BLOCK_DEPTH_MAX {
            self.error(Code::TooDeeplyNested, format!("Blocks nest deeper than {BLOCK_DEPTH_MAX} levels"), Some(location));
            return false;
        }
        self.depth += 1;
        true
    }

    pub(super) fn leave_block(&mut self) {
        self.depth -= 1;
    }

    /// Places for `count` states of one block; the first one's id.
    pub(super) fn reserve_states(&mut self, count: usize) -> u32 {
        let first = self.states.len();
        self.states.resize_with(first + count, || None);
        u32::try_from(first).expect("a definition has fewer than 2^32 states, each takes bytes")
    }

    pub(super) fn place_state(&mut self, id: StateId, name: &str, kind: StateKind) {
        self.states[id.0 as usize] = Some(State { name: name.into(), kind });
    }

    /// Whether the name is new in the document.
    pub(super) fn take_name(&mut self, name: &str) -> bool {
        self.names.insert(name.to_owned())
    }

    /// All states, if each could be read, and the findings.
    pub(super) fn finish(self) -> (Option<Vec<State>>, Vec<Diagnostic>) {
        (self.states.into_iter().collect(), self.findings)
    }

    pub(crate) fn schema(&mut self, message: impl Into<String>, location: &str) {
        self.error(Code::SchemaValidationFailed, message, Some(location));
    }

    pub(crate) fn error(&mut self, code: Code, message: impl Into<String>, location: Option<&str>) {
        self.push(Severity::Error, code, message.into(), location);
    }

    pub(crate) fn warn(&mut self, code: Code, message: impl Into<String>, location: &str) {
        self.push(Severity::Warning, code, message.into(), Some(location));
    }

    /// What `text` between `{%` and `%}` compiles to: nothing for plain text, `Some(None)` for what is wrong and reported.
    pub(crate) fn expression(&mut self, text: &str, location: &str) -> Option<Option<Expression>> {
        let (starts, ends) = (text.starts_with("{%"), text.ends_with("%}"));
        if !starts && !ends {
            return None;
        }
        let Some(inner) = text.strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}")) else {
            self.schema("JSONata string must start with {% and end with %}", location);
            return Some(None);
        };
        match Expression::parse(inner) {
            Ok(expression) => Some(Some(expression)),
            Err(ParseError::Syntax { message }) => {
                self.error(Code::InvalidJsonataExpression, message, Some(location));
                Some(None)
            }
            Err(ParseError::Unsupported { message }) => {
                self.error(Code::UnsupportedJsonataExpression, message, Some(location));
                Some(None)
            }
        }
    }

    /// Refuses by name what AWS takes; `feature` ends in `is` or `are`.
    pub(crate) fn not_supported_yet(&mut self, feature: &str, location: &str) {
        self.error(Code::NotSupportedYet, format!("{feature} not supported yet"), Some(location));
    }

    /// Warns of text that reads like a path where a plain value is meant.
    pub(crate) fn warn_of_path(&mut self, text: &str, location: &str) {
        if looks_like_path(text) {
            self.warn(Code::NoPath, "Field value looks like a path, but field name does not end with 'Path'", location);
        }
    }

    fn push(&mut self, severity: Severity, code: Code, message: String, location: Option<&str>) {
        let finding = Diagnostic { severity, code, message, location: location.map(str::to_owned) };
        // Blocks share findings without a place.
        if finding.location.is_some() || !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// `$`, `$.a`, `$$.a`, `$['a']`, `States.Format(…)`.
pub(crate) fn looks_like_path(text: &str) -> bool {
    let is_path = text == "$" || ["$.", "$[", "$$.", "$$["].iter().any(|start| text.starts_with(start));
    is_path || (text.starts_with("States.") && text.ends_with(')'))
}

/// Whether a text, list or object holds nothing.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
