//! What reading a definition gathers: the states, their names, their variables, and the findings.

use std::collections::BTreeSet;

use skald_query::Value;
use skald_query::intrinsic::{self, Call};
use skald_query::jsonata::{Expression, ParseError};
use skald_query::jsonpath::{self, Path, Root};

use super::MachineType;
use super::fields::Fields;
use super::location::Location;
use super::scope::{self, Scope};
use crate::definition::{State, StateId, StateKind};
use crate::diagnostic::{Code, Diagnostic, Severity};

/// Which expressions the fields of a state hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    JsonPath,
    Jsonata,
}

/// What an expression sees of `$states` beside `input` and `context`, which all see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sees {
    Input,
    /// `$states.result`: `Output` and `Assign` of a Task, Parallel or Map.
    Result,
    /// `$states.errorOutput`: `Output` and `Assign` of a catcher.
    ErrorOutput,
}

/// One reading of one definition.
pub(crate) struct Reader {
    pub(crate) machine_type: MachineType,
    root_language: Language,
    errors: Findings,
    warnings: Findings,
    /// A place for each state, empty until it could be read.
    states: Vec<Option<State>>,
    names: BTreeSet<String>,
    labels: BTreeSet<String>,
    /// The variables each state refers to, in the order of `states`.
    pub(super) references: Vec<BTreeSet<String>>,
    /// The states whose fields are being read, the innermost last.
    pub(super) open_states: Vec<StateId>,
    /// The blocks that are being read, the innermost last.
    pub(super) scopes: Vec<Scope>,
}

/// How many blocks may lie in each other. SOURCE: ours; AWS publishes no number.
const BLOCK_DEPTH_MAX: usize = 100;

/// Findings of one severity, as many as anyone reads.
#[derive(Default)]
struct Findings {
    list: Vec<Diagnostic>,
    bytes: usize,
}

/// SOURCE: ours. A definition of 1 MiB can be wrong in 500,000 places, each with a location of 500,000 bytes.
const FINDINGS_MAX: usize = 1_000;
const FINDINGS_BYTES_MAX: usize = 4 << 20;

/// What reading came to.
pub(super) struct Outcome {
    /// All states, if each could be read.
    pub(super) states: Option<Vec<State>>,
    pub(super) references: Vec<BTreeSet<String>>,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Reader {
    pub(super) fn new(machine_type: MachineType) -> Self {
        Self {
            machine_type,
            root_language: Language::JsonPath,
            errors: Findings::default(),
            warnings: Findings::default(),
            states: Vec::new(),
            names: BTreeSet::new(),
            labels: BTreeSet::new(),
            references: Vec::new(),
            open_states: Vec::new(),
            scopes: Vec::new(),
        }
    }

    pub(super) fn set_root_language(&mut self, root: &Fields<'_>) {
        if let Some(language) = Language::declared(root) {
            self.root_language = language;
        }
        self.check_query_language(root);
    }

    /// The language of a state: its own, or the machine's; never that of the state around it.
    pub(super) fn state_language(&mut self, state: &Fields<'_>) -> Language {
        match (Language::declared(state), self.root_language) {
            (Some(Language::JsonPath), Language::Jsonata) => {
                let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
                self.schema(message, state.location());
                Language::JsonPath
            }
            (Some(language), Language::JsonPath | Language::Jsonata) => language,
            (None, language) => language,
        }
    }

    /// Whether a state asks for a language that its machine does not allow. What else its fields would be refused for
    /// is then not said. SOURCE: measured on AWS by floci.
    pub(super) fn is_downgraded(&self, language: Language) -> bool {
        (self.root_language, language) == (Language::Jsonata, Language::JsonPath)
    }

    /// SOURCE: measured on AWS by floci, words and place.
    pub(super) fn check_query_language(&mut self, fields: &Fields<'_>) {
        let field = "QueryLanguage";
        match fields.get(field) {
            Some(Value::String(_)) => {
                fields.one_of(self, field, &["JSONPath", "JSONata"]);
            }
            Some(_) => self.schema("Expected value of type [STRING]", &fields.at(field)),
            None => {}
        }
    }

    /// Goes one block deeper; false, and reported, at the limit. [`Reader::leave_block`] comes back.
    pub(super) fn enter_block(&mut self, scope: Scope, location: &Location<'_>) -> bool {
        if self.scopes.len() == BLOCK_DEPTH_MAX {
            self.error(Code::TooDeeplyNested, format!("Blocks nest deeper than {BLOCK_DEPTH_MAX} levels"), Some(location));
            return false;
        }
        self.scopes.push(scope);
        true
    }

    pub(super) fn leave_block(&mut self) {
        self.scopes.pop();
    }

    /// Whether the block being read is that of the machine itself.
    pub(crate) fn is_outermost_block(&self) -> bool {
        self.scopes.len() == 1
    }

    /// Places for `count` states of one block; the first one's id.
    pub(super) fn reserve_states(&mut self, count: usize) -> u32 {
        let first = self.states.len();
        self.states.resize_with(first + count, || None);
        self.references.resize_with(first + count, BTreeSet::new);
        u32::try_from(first).expect("a definition has fewer than 2^32 states, each takes bytes")
    }

    /// What is read until [`Reader::leave_state`] belongs to this state.
    pub(super) fn enter_state(&mut self, id: StateId, name: &str) {
        self.open_states.push(id);
        if let Some(scope) = self.scopes.last_mut() {
            scope.set_state(name);
        }
    }

    pub(super) fn leave_state(&mut self) {
        self.open_states.pop();
    }

    pub(super) fn place_state(&mut self, id: StateId, name: &str, kind: StateKind) {
        self.states[id.0 as usize] = Some(State { name: name.into(), kind });
    }

    /// Whether the name is new in the document.
    pub(super) fn take_name(&mut self, name: &str) -> bool {
        self.names.insert(name.to_owned())
    }

    /// Whether the label is new in the document.
    pub(crate) fn take_label(&mut self, label: &str) -> bool {
        self.labels.insert(label.to_owned())
    }

    pub(super) fn finish(self) -> Outcome {
        Outcome {
            states: self.states.into_iter().collect(),
            references: self.references,
            errors: self.errors.list,
            warnings: self.warnings.list,
        }
    }

    pub(crate) fn schema(&mut self, message: impl Into<String>, location: &Location<'_>) {
        self.error(Code::SchemaValidationFailed, message, Some(location));
    }

    pub(crate) fn error(&mut self, code: Code, message: impl Into<String>, location: Option<&Location<'_>>) {
        self.errors.push(Severity::Error, code, message.into(), location);
    }

    pub(crate) fn warn(&mut self, code: Code, message: impl Into<String>, location: &Location<'_>) {
        self.warnings.push(Severity::Warning, code, message.into(), Some(location));
    }

    /// Compiles a path that stands at `location`.
    pub(crate) fn path(&mut self, text: &str, location: &Location<'_>) -> Result<Path, jsonpath::ParseError> {
        let path = Path::parse(text)?;
        self.refer(&path, location);
        Ok(path)
    }

    /// Compiles a call of an intrinsic function that stands at `location`.
    pub(crate) fn call(&mut self, text: &str, location: &Location<'_>) -> Result<Call, intrinsic::ParseError> {
        let call = Call::parse(text)?;
        for path in call.paths() {
            self.refer(path, location);
        }
        Ok(call)
    }

    fn refer(&mut self, path: &Path, location: &Location<'_>) {
        match path.root() {
            Root::Variable(name) => scope::refer(name, location, self),
            Root::Input | Root::Context => {}
        }
    }

    /// What `text` between `{%` and `%}` compiles to: nothing for plain text, `Some(None)` for what is wrong and reported.
    pub(crate) fn expression(&mut self, text: &str, sees: Sees, location: &Location<'_>) -> Option<Option<Expression>> {
        let (starts, ends) = (text.starts_with("{%"), text.ends_with("%}"));
        if !starts && !ends {
            return None;
        }
        let Some(inner) = text.strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}")) else {
            self.schema("JSONata string must start with {% and end with %}", location);
            return Some(None);
        };
        match Expression::parse(inner) {
            Ok(expression) => {
                self.check_states_members(&expression, sees, location);
                for name in expression.variables().iter().filter(|name| *name != "states") {
                    scope::refer(name, location, self);
                }
                Some(Some(expression))
            }
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

    /// SOURCE: the words for `errorOutput` are AWS's, reported by users of Terraform; so are those for unknown members.
    fn check_states_members(&mut self, expression: &Expression, sees: Sees, location: &Location<'_>) {
        for member in &expression.states_members().names {
            let exists = match member.as_str() {
                "input" | "context" => true,
                "result" => sees == Sees::Result,
                "errorOutput" => sees == Sees::ErrorOutput,
                _ => false,
            };
            if !exists {
                let message = format!("Field '$states.{member}' does not exist.");
                self.error(Code::UnsupportedJsonataExpression, message, Some(location));
            }
        }
    }

    /// Warns of text that reads like a path where a plain value is meant.
    pub(crate) fn warn_of_path(&mut self, text: &str, location: &Location<'_>) {
        if looks_like_path(text) {
            self.warn(Code::NoPath, "Field value looks like a path, but field name does not end with 'Path'", location);
        }
    }
}

impl Language {
    /// What `QueryLanguage` asks for. SOURCE: measured on AWS by floci: anything but `JSONPath` counts as JSONata.
    fn declared(fields: &Fields<'_>) -> Option<Self> {
        match fields.get("QueryLanguage")?.as_str() {
            Some("JSONPath") => Some(Self::JsonPath),
            Some(_) | None => Some(Self::Jsonata),
        }
    }

    /// As `QueryLanguage` spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::JsonPath => "JSONPath",
            Self::Jsonata => "JSONata",
        }
    }
}

impl Findings {
    fn push(&mut self, severity: Severity, code: Code, message: String, location: Option<&Location<'_>>) {
        if self.list.len() == FINDINGS_MAX || self.bytes >= FINDINGS_BYTES_MAX {
            return;
        }
        let finding = Diagnostic { severity, code, message, location: location.map(Location::to_string) };
        self.bytes += finding.message.len() + finding.location.as_ref().map_or(0, String::len);
        self.list.push(finding);
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
