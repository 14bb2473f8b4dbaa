//! Wait: holds the execution until an instant.

use skald_query::jsonata::Expression;
use skald_query::jsonpath::Path;

use crate::data_flow::{DataFlow, Reshapes, read_assign};
use crate::definition::Transition;
use crate::parse::block::Targets;
use crate::parse::fields::Fields;
use crate::parse::reader::Reader;
use crate::template::Field;
use crate::time::Timestamp;

#[derive(Debug)]
pub struct Wait {
    pub flow: DataFlow,
    pub until: Until,
    pub assign: Vec<Field>,
    pub transition: Transition,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Until {
    Seconds(u64),
    SecondsPath(Path),
    Timestamp(Timestamp),
    TimestampPath(Path),
    /// Yields whole seconds.
    SecondsExpression(Expression),
    /// Yields an instant's text.
    TimestampExpression(Expression),
}

/// SOURCE: validation.md §4, "Types and ranges".
const SECONDS_MAX: u64 = 99_999_999;

/// Exactly one of these says until when; in AWS's order.
const UNTIL_FIELDS: &[&str] = &["SecondsPath", "Seconds", "TimestampPath", "Timestamp"];

const FIELDS: &[&str] = &[
    "Type",
    "Comment",
    "QueryLanguage",
    "InputPath",
    "OutputPath",
    "Seconds",
    "SecondsPath",
    "Timestamp",
    "TimestampPath",
    "Output",
    "Assign",
    "Next",
    "End",
];

impl Wait {
    pub(crate) fn read(state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        state.check_known_to_state(reader, FIELDS);
        let flow = DataFlow::read(state, Reshapes::Nothing, reader);
        let assign = read_assign(state, reader);
        if UNTIL_FIELDS.iter().filter(|field| state.has(field)).count() != 1 {
            let message = format!("There should only be one of the following fields: [{}]", UNTIL_FIELDS.join(", "));
            reader.schema(message, state.location());
        }
        let seconds = match state.expression(reader, "Seconds") {
            Some(expression) => expression.map(Until::SecondsExpression),
            None => state.integer(reader, "Seconds", 0..=SECONDS_MAX).map(Until::Seconds),
        };
        let seconds_path = state.reference(reader, "SecondsPath").map(Until::SecondsPath);
        let timestamp = match state.expression(reader, "Timestamp") {
            Some(expression) => expression.map(Until::TimestampExpression),
            None => state.timestamp(reader, "Timestamp").map(Until::Timestamp),
        };
        let timestamp_path = state.reference(reader, "TimestampPath").map(Until::TimestampPath);
        let transition = Transition::read(state, targets, reader)?;
        let until = seconds.or(seconds_path).or(timestamp).or(timestamp_path)?;
        Some(Self { flow, until, assign, transition })
    }
}
