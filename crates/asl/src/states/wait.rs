//! Wait: holds the execution until an instant.

use skald_query::jsonpath::Path;

use crate::data_flow::DataPath;
use crate::definition::Transition;
use crate::parse::block::Targets;
use crate::parse::fields::Fields;
use crate::parse::reader::Reader;
use crate::time::Timestamp;

#[derive(Debug)]
pub struct Wait {
    pub input_path: DataPath,
    pub output_path: DataPath,
    pub until: Until,
    pub transition: Transition,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Until {
    Seconds(u64),
    SecondsPath(Path),
    Timestamp(Timestamp),
    TimestampPath(Path),
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
        let input_path = DataPath::read(state, "InputPath", reader);
        let output_path = DataPath::read(state, "OutputPath", reader);
        if UNTIL_FIELDS.iter().filter(|field| state.has(field)).count() != 1 {
            let message = format!("There should only be one of the following fields: [{}]", UNTIL_FIELDS.join(", "));
            reader.schema(message, state.location());
        }
        let seconds = state.integer(reader, "Seconds", 0..=SECONDS_MAX).map(Until::Seconds);
        let seconds_path = state.reference(reader, "SecondsPath").map(Until::SecondsPath);
        let timestamp = state.timestamp(reader, "Timestamp").map(Until::Timestamp);
        let timestamp_path = state.reference(reader, "TimestampPath").map(Until::TimestampPath);
        let transition = Transition::read(state, targets, reader)?;
        let until = seconds.or(seconds_path).or(timestamp).or(timestamp_path)?;
        Some(Self { input_path, output_path, until, transition })
    }
}
