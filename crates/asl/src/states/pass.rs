//! Pass: hands its input on, reshaped or replaced.

use skald_query::{Payload, Value};

use crate::data_flow::{DataFlow, Reshapes, read_assign};
use crate::definition::Transition;
use crate::diagnostic::Code;
use crate::parse::block::Targets;
use crate::parse::fields::Fields;
use crate::parse::reader::{Reader, looks_like_path};
use crate::template::Field;

#[derive(Debug)]
pub struct Pass {
    pub flow: DataFlow,
    /// Static: nothing in it is evaluated.
    pub result: Option<Payload>,
    pub assign: Vec<Field>,
    pub transition: Transition,
}

const FIELDS: &[&str] = &[
    "Type",
    "Comment",
    "QueryLanguage",
    "InputPath",
    "Parameters",
    "Result",
    "ResultPath",
    "OutputPath",
    "Output",
    "Assign",
    "Next",
    "End",
];

impl Pass {
    pub(crate) fn read(state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        state.check_known_to_state(reader, FIELDS);
        let flow = DataFlow::read(state, Reshapes::Parameters, reader);
        let result = state.get("Result");
        if result.is_some_and(wants_evaluation) {
            let message = "Attempt to use a path in the result of a pass state";
            reader.warn(Code::PassResultIsStatic, message, &state.at("Result"));
        }
        let assign = read_assign(state, reader);
        let transition = Transition::read(state, targets, reader)?;
        let result = result.cloned().map(Payload::from_value);
        Some(Self { flow, result, assign, transition })
    }
}

/// Whether something inside is written like a path or a template's key.
fn wants_evaluation(value: &Value) -> bool {
    match value {
        Value::String(text) => looks_like_path(text),
        Value::Array(items) => items.iter().any(wants_evaluation),
        Value::Object(members) => members.iter().any(|(key, value)| key.ends_with(".$") || wants_evaluation(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
