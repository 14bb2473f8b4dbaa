//! Events as AWS writes them to a log: one JSON object an event, and which level asks for which.
//!
//! The details are those of the history without the member around them. Numbers are texts here.
//!
//! # Source
//! limits.md §4; recorded log records.

use serde_json::{Map, Value, json};

use super::{Include, details, type_name};
use crate::event::{Event, EventKind, StateType};

/// The largest record. SOURCE: limits.md §4.
const RECORD_BYTES_MAX: usize = 262_144;
/// What a queued event takes beside its payload, about.
const EVENT_BYTES_USUAL: usize = 256;

/// `loggingConfiguration.level`, without OFF: each level has the events of those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    All,
    Error,
    Fatal,
}

/// The highest level that still has this event.
pub fn level(kind: &EventKind) -> Level {
    match kind {
        EventKind::ExecutionFailed(_) | EventKind::ExecutionTimedOut(_) | EventKind::ExecutionAborted(_) => Level::Fatal,
        EventKind::StateEntered { state_type: StateType::Fail, .. }
        | EventKind::EvaluationFailed { .. }
        | EventKind::LambdaFunctionFailed(_)
        | EventKind::LambdaFunctionTimedOut(_)
        | EventKind::LambdaFunctionScheduleFailed(_)
        | EventKind::LambdaFunctionStartFailed(_)
        | EventKind::TaskFailed { .. }
        | EventKind::TaskTimedOut { .. }
        | EventKind::TaskStartFailed { .. }
        | EventKind::TaskSubmitFailed { .. }
        | EventKind::ActivityFailed(_)
        | EventKind::ActivityTimedOut(_)
        | EventKind::ActivityScheduleFailed(_)
        | EventKind::ParallelStateFailed
        | EventKind::ParallelStateAborted
        | EventKind::MapIterationFailed { .. }
        | EventKind::MapIterationAborted { .. }
        | EventKind::MapStateFailed
        | EventKind::MapStateAborted
        | EventKind::TaskStateAborted
        | EventKind::WaitStateAborted => Level::Error,
        EventKind::ExecutionStarted { .. }
        | EventKind::ExecutionSucceeded { .. }
        | EventKind::StateEntered { .. }
        | EventKind::StateExited { .. }
        | EventKind::LambdaFunctionScheduled { .. }
        | EventKind::LambdaFunctionStarted
        | EventKind::LambdaFunctionSucceeded { .. }
        | EventKind::TaskScheduled { .. }
        | EventKind::TaskStarted { .. }
        | EventKind::TaskSubmitted { .. }
        | EventKind::TaskSucceeded { .. }
        | EventKind::ActivityScheduled { .. }
        | EventKind::ActivityStarted { .. }
        | EventKind::ActivitySucceeded { .. }
        | EventKind::ParallelStateStarted { .. }
        | EventKind::ParallelStateSucceeded
        | EventKind::MapStateStarted { .. }
        | EventKind::MapIterationStarted { .. }
        | EventKind::MapIterationSucceeded { .. }
        | EventKind::MapStateSucceeded => Level::All,
    }
}

/// About how many bytes an event keeps in memory while it waits for its turn in the log.
pub fn kept_bytes(event: &Event) -> usize {
    EVENT_BYTES_USUAL + crate::decide::payload_bytes(&event.kind)
}

/// The event as a log's record.
pub fn record(event: &Event, execution_arn: &str, include: Include) -> Map<String, Value> {
    let mut details = details::of(&event.kind, include).map_or_else(Map::new, |(_, details)| details);
    match include {
        Include::Data => {}
        // SOURCE: recorded: that nothing was cut is said only of what is shown.
        Include::NoData => details.retain(|member, _| !is_about_data(member)),
    }
    for value in details.values_mut().filter(|value| value.is_number()) {
        *value = Value::from(value.to_string());
    }
    let mut record = Map::new();
    record.insert("id".to_owned(), Value::from(event.id.to_string()));
    record.insert("type".to_owned(), Value::from(type_name(event)));
    record.insert("details".to_owned(), Value::Object(details));
    record.insert("previous_event_id".to_owned(), Value::from(event.previous.to_string()));
    record.insert("event_timestamp".to_owned(), Value::from(event.at.millis.to_string()));
    record.insert("execution_arn".to_owned(), Value::from(execution_arn));
    record.insert("redrive_count".to_owned(), Value::from("0"));
    cut(&mut record);
    record
}

fn is_about_data(member: &str) -> bool {
    matches!(member, "inputDetails" | "outputDetails" | "assignedVariablesDetails")
}

/// Shortens the data of a record that is too large, and says so.
fn cut(record: &mut Map<String, Value>) {
    for member in ["input", "output", "parameters"] {
        let mut is_cut = false;
        while printed_bytes(record) > RECORD_BYTES_MAX {
            let Some(Value::Object(details)) = record.get_mut("details") else { return };
            let Some(Value::String(text)) = details.get_mut(member).filter(|text| text.as_str() != Some("")) else { break };
            text.truncate(text.floor_char_boundary(text.len() * 3 / 4));
            is_cut = true;
        }
        if is_cut && let Some(Value::Object(details)) = record.get_mut("details") {
            details.insert(format!("{member}Details"), json!({ "truncated": true }));
        }
    }
}

fn printed_bytes(record: &Map<String, Value>) -> usize {
    serde_json::to_string(record).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests;
