//! How data comes into a state and leaves it: by paths, or by expressions.

use std::ops::RangeInclusive;

use skald_query::Value;
use skald_query::intrinsic::Call;
use skald_query::jsonata::Expression;
use skald_query::jsonpath::{Path, ReferencePath};

use crate::parse::fields::Fields;
use crate::parse::reader::{Language, Reader};
use crate::parse::scope;
use crate::template::{Field, Template};

/// The fields that reshape a state's data, in the language the state speaks. What a state type lacks is absent.
#[derive(Debug, Clone, PartialEq)]
pub enum DataFlow {
    JsonPath(PathFlow),
    Jsonata(ExpressionFlow),
}

/// `InputPath` → `Parameters` → work → `ResultSelector` → `ResultPath` → `OutputPath`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PathFlow {
    pub input_path: DataPath,
    /// Not the `Parameters` of a Map: that is its item selector.
    pub parameters: Option<Template>,
    pub result_selector: Option<Template>,
    pub result_path: ResultPath,
    pub output_path: DataPath,
}

/// `Arguments` → work → `Output`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpressionFlow {
    pub arguments: Option<Template>,
    pub output: Option<Template>,
}

/// `InputPath`, `OutputPath`: a path, or `null` for an empty object. Absent means `$`.
#[derive(Debug, Clone, PartialEq)]
pub enum DataPath {
    Path(Path),
    Null,
}

/// `ResultPath`: where in the raw input the result is put; `null` drops the result. Absent means `$`.
#[derive(Debug, Clone, PartialEq)]
pub enum ResultPath {
    Reference(ReferencePath),
    Discard,
}

/// A whole number that stands in the definition or is found at run time.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    Literal(u64),
    Path(Path),
    Expression(Expression),
}

/// A text that stands in the definition or is found at run time.
#[derive(Debug, Clone, PartialEq)]
pub enum Text {
    Literal(String),
    Path(Path),
    Call(Call),
    Expression(Expression),
}

/// Which of the fields of [`PathFlow`] and [`ExpressionFlow`] a state type has beside input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reshapes {
    /// Choice, Wait, Succeed.
    Nothing,
    /// Pass: `Parameters`, `ResultPath`.
    Parameters,
    /// Task and Parallel: `Parameters` or `Arguments`, `ResultSelector`, `ResultPath`.
    Call,
    /// Map: `ResultSelector`, `ResultPath`.
    Result,
}

impl DataFlow {
    pub(crate) fn read(state: &Fields<'_>, reshapes: Reshapes, reader: &mut Reader) -> Self {
        let takes = |field: &str| match reshapes {
            Reshapes::Nothing => false,
            Reshapes::Parameters => matches!(field, "Parameters" | "ResultPath"),
            Reshapes::Call => true,
            Reshapes::Result => matches!(field, "ResultSelector" | "ResultPath"),
        };
        match state.language {
            Language::JsonPath => {
                let mut flow = PathFlow { input_path: DataPath::read(state, "InputPath", reader), ..PathFlow::default() };
                if takes("Parameters") {
                    flow.parameters = Template::read(state, "Parameters", reader);
                }
                if takes("ResultSelector") {
                    flow.result_selector = Template::read(state, "ResultSelector", reader);
                }
                if takes("ResultPath") {
                    flow.result_path = ResultPath::read(state, reader);
                }
                flow.output_path = DataPath::read(state, "OutputPath", reader);
                Self::JsonPath(flow)
            }
            Language::Jsonata => {
                let arguments = takes("Arguments").then(|| Template::read(state, "Arguments", reader)).flatten();
                let output = Template::read(state, "Output", reader);
                Self::Jsonata(ExpressionFlow { arguments, output })
            }
        }
    }

    /// The fields of a state that speaks JSONPath.
    pub fn paths(&self) -> Option<&PathFlow> {
        match self {
            Self::JsonPath(flow) => Some(flow),
            Self::Jsonata(_) => None,
        }
    }
}

/// JSONPath, and nothing reshaped.
impl Default for DataFlow {
    fn default() -> Self {
        Self::JsonPath(PathFlow::default())
    }
}

impl DataPath {
    fn read(state: &Fields<'_>, field: &str, reader: &mut Reader) -> Self {
        match state.get(field) {
            Some(Value::Null) => Self::Null,
            Some(_) | None => Self::Path(state.path(reader, field).unwrap_or_default()),
        }
    }
}

/// `$`.
impl Default for DataPath {
    fn default() -> Self {
        Self::Path(Path::default())
    }
}

impl ResultPath {
    pub(crate) fn read(fields: &Fields<'_>, reader: &mut Reader) -> Self {
        let field = "ResultPath";
        let text = match fields.get(field) {
            Some(Value::Null) => return Self::Discard,
            Some(_) | None => fields.text(reader, field),
        };
        match text.map(ReferencePath::parse) {
            Some(Ok(path)) => Self::Reference(path),
            Some(Err(error)) => {
                reader.schema(format!("Value is not a Reference Path: {error}"), &fields.at(field));
                Self::default()
            }
            None => Self::default(),
        }
    }
}

/// `$`: the result replaces everything.
impl Default for ResultPath {
    fn default() -> Self {
        Self::Reference(ReferencePath::default())
    }
}

impl Number {
    /// `field`, or the path in `fieldPath`, or an expression in `field`.
    pub(crate) fn read(state: &Fields<'_>, field: &str, range: RangeInclusive<u64>, reader: &mut Reader) -> Option<Self> {
        if let Some(expression) = state.expression(reader, field) {
            return expression.map(Self::Expression);
        }
        let literal = state.integer(reader, field, range).map(Self::Literal);
        literal.or(read_path_form(state, field, reader).map(Self::Path))
    }
}

impl Text {
    /// `field`, or the path or intrinsic function in `fieldPath`, or an expression in `field`.
    pub(crate) fn read(state: &Fields<'_>, field: &str, reader: &mut Reader) -> Option<Self> {
        let text = state.text(reader, field);
        match (state.language, text) {
            (Language::Jsonata, _) => match state.expression(reader, field) {
                Some(expression) => expression.map(Self::Expression),
                None => text.map(|text| Self::Literal(text.to_owned())),
            },
            (Language::JsonPath, text) => {
                let path_field = format!("{field}Path");
                state.check_exclusive(reader, &[field, &path_field]);
                if let Some(text) = text {
                    reader.warn_of_path(text, &state.at(field));
                }
                text.map(|text| Self::Literal(text.to_owned())).or(Self::read_path_or_call(state, &path_field, reader))
            }
        }
    }

    fn read_path_or_call(state: &Fields<'_>, field: &str, reader: &mut Reader) -> Option<Self> {
        let location = state.at(field);
        let text = state.text(reader, field)?;
        if !text.starts_with("States.") {
            return state.reference(reader, field).map(Self::Path);
        }
        match reader.call(text, &location) {
            Ok(call) if TEXT_FUNCTIONS.contains(&call.name()) => Some(Self::Call(call)),
            Ok(_) | Err(_) => {
                reader.schema("Value must be a valid JSONPath or a valid intrinsic function call", &location);
                None
            }
        }
    }
}

/// The functions that make the text of `ErrorPath` and `CausePath`. SOURCE: asl.md §4, Fail.
const TEXT_FUNCTIONS: &[&str] = &[
    "States.Format",
    "States.JsonToString",
    "States.ArrayGetItem",
    "States.Base64Encode",
    "States.Base64Decode",
    "States.Hash",
    "States.UUID",
];

/// The path in `fieldPath`, which excludes `field`.
pub(crate) fn read_path_form(state: &Fields<'_>, field: &str, reader: &mut Reader) -> Option<Path> {
    let path_field = format!("{field}Path");
    state.check_exclusive(reader, &[field, &path_field]);
    match state.language {
        Language::JsonPath => state.reference(reader, &path_field),
        Language::Jsonata => None,
    }
}

/// `Assign`: the variables a state sets when it is left, none when absent.
pub(crate) fn read_assign(fields: &Fields<'_>, reader: &mut Reader) -> Vec<Field> {
    let field = "Assign";
    if let Some(Value::Object(members)) = fields.get(field) {
        let location = fields.at(field);
        for key in members.keys() {
            let name = match fields.language {
                Language::JsonPath => key.strip_suffix(".$").unwrap_or(key),
                Language::Jsonata => key,
            };
            scope::check_assigned(name, &location.clone().field(key), reader);
        }
    }
    Template::read_members(fields, field, reader).unwrap_or_default()
}
