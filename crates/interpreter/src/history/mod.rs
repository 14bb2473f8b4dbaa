//! Events as AWS shows them: their names, and their details member by member.
//!
//! [`render`] gives the `HistoryEvent` object of `GetExecutionHistory`, [`log`] what goes to a log; [`line`] gives one line
//! of text for tests.
//! What an [`Event`] carries beyond AWS's members (frames, due times, nonces) stays out.
//!
//! Not here, on purpose: clipping of long errors and causes, which is done before an event is recorded; paging and
//! order, which are the request's.

mod details;
pub mod log;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::event::{Event, EventKind, StateType};

/// Whether inputs and outputs are shown. `includeExecutionData` of `GetExecutionHistory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    Data,
    /// Inputs, outputs and parameters are left out; that they were not truncated is still said.
    NoData,
}

/// The event as AWS's `HistoryEvent`; `timestamp` in seconds since 1970, with milliseconds after the point.
///
/// # Source
/// history.md §1 and §2; recorded events.
pub fn render(event: &Event, include: Include) -> Value {
    let mut members = Map::new();
    members.insert("timestamp".to_owned(), Value::from(event.at.millis as f64 / 1_000.0));
    members.insert("type".to_owned(), Value::from(type_name(event)));
    members.insert("id".to_owned(), Value::from(event.id));
    members.insert("previousEventId".to_owned(), Value::from(event.previous));
    if let Some((member, details)) = details::of(&event.kind, include) {
        members.insert(member.to_owned(), Value::Object(details));
    }
    Value::Object(members)
}

/// `3<-2 LambdaFunctionScheduled`; Entered, Exited and EvaluationFailed events with the state's name: `2<-0 PassStateEntered Hold`.
pub fn line(event: &Event) -> String {
    let (id, previous, type_name) = (event.id, event.previous, type_name(event));
    match &event.kind {
        EventKind::StateEntered { name, .. } | EventKind::StateExited { name, .. } | EventKind::EvaluationFailed { state: name, .. } => {
            format!("{id}<-{previous} {type_name} {name}")
        }
        EventKind::ExecutionStarted { .. }
        | EventKind::ExecutionSucceeded { .. }
        | EventKind::ExecutionFailed(_)
        | EventKind::ExecutionTimedOut(_)
        | EventKind::ExecutionAborted(_)
        | EventKind::LambdaFunctionScheduled { .. }
        | EventKind::LambdaFunctionStarted
        | EventKind::LambdaFunctionSucceeded { .. }
        | EventKind::LambdaFunctionFailed(_)
        | EventKind::LambdaFunctionTimedOut(_)
        | EventKind::LambdaFunctionScheduleFailed(_)
        | EventKind::LambdaFunctionStartFailed(_)
        | EventKind::TaskScheduled { .. }
        | EventKind::TaskStarted { .. }
        | EventKind::TaskSubmitted { .. }
        | EventKind::TaskSucceeded { .. }
        | EventKind::TaskFailed { .. }
        | EventKind::TaskTimedOut { .. }
        | EventKind::TaskStartFailed { .. }
        | EventKind::TaskSubmitFailed { .. }
        | EventKind::ActivityScheduled { .. }
        | EventKind::ActivityStarted { .. }
        | EventKind::ActivitySucceeded { .. }
        | EventKind::ActivityFailed(_)
        | EventKind::ActivityTimedOut(_)
        | EventKind::ActivityScheduleFailed(_)
        | EventKind::ParallelStateStarted { .. }
        | EventKind::ParallelStateSucceeded
        | EventKind::ParallelStateFailed
        | EventKind::ParallelStateAborted
        | EventKind::MapStateStarted { .. }
        | EventKind::MapIterationStarted { .. }
        | EventKind::MapIterationSucceeded { .. }
        | EventKind::MapIterationFailed { .. }
        | EventKind::MapIterationAborted { .. }
        | EventKind::MapStateSucceeded
        | EventKind::MapStateFailed
        | EventKind::MapStateAborted
        | EventKind::TaskStateAborted
        | EventKind::WaitStateAborted => format!("{id}<-{previous} {type_name}"),
    }
}

/// AWS's `type`.
pub fn type_name(event: &Event) -> &'static str {
    match &event.kind {
        EventKind::ExecutionStarted { .. } => "ExecutionStarted",
        EventKind::ExecutionSucceeded { .. } => "ExecutionSucceeded",
        EventKind::ExecutionFailed(_) => "ExecutionFailed",
        EventKind::ExecutionTimedOut(_) => "ExecutionTimedOut",
        EventKind::ExecutionAborted(_) => "ExecutionAborted",
        EventKind::StateEntered { state_type, .. } => entered_name(*state_type),
        EventKind::StateExited { state_type, .. } => exited_name(*state_type),
        EventKind::EvaluationFailed { .. } => "EvaluationFailed",
        EventKind::LambdaFunctionScheduled { .. } => "LambdaFunctionScheduled",
        EventKind::LambdaFunctionStarted => "LambdaFunctionStarted",
        EventKind::LambdaFunctionSucceeded { .. } => "LambdaFunctionSucceeded",
        EventKind::LambdaFunctionFailed(_) => "LambdaFunctionFailed",
        EventKind::LambdaFunctionTimedOut(_) => "LambdaFunctionTimedOut",
        EventKind::LambdaFunctionScheduleFailed(_) => "LambdaFunctionScheduleFailed",
        EventKind::LambdaFunctionStartFailed(_) => "LambdaFunctionStartFailed",
        EventKind::TaskScheduled { .. } => "TaskScheduled",
        EventKind::TaskStarted { .. } => "TaskStarted",
        EventKind::TaskSubmitted { .. } => "TaskSubmitted",
        EventKind::TaskSucceeded { .. } => "TaskSucceeded",
        EventKind::TaskFailed { .. } => "TaskFailed",
        EventKind::TaskTimedOut { .. } => "TaskTimedOut",
        EventKind::TaskStartFailed { .. } => "TaskStartFailed",
        EventKind::TaskSubmitFailed { .. } => "TaskSubmitFailed",
        EventKind::ActivityScheduled { .. } => "ActivityScheduled",
        EventKind::ActivityStarted { .. } => "ActivityStarted",
        EventKind::ActivitySucceeded { .. } => "ActivitySucceeded",
        EventKind::ActivityFailed(_) => "ActivityFailed",
        EventKind::ActivityTimedOut(_) => "ActivityTimedOut",
        EventKind::ActivityScheduleFailed(_) => "ActivityScheduleFailed",
        EventKind::ParallelStateStarted { .. } => "ParallelStateStarted",
        EventKind::ParallelStateSucceeded => "ParallelStateSucceeded",
        EventKind::ParallelStateFailed => "ParallelStateFailed",
        EventKind::ParallelStateAborted => "ParallelStateAborted",
        EventKind::MapStateStarted { .. } => "MapStateStarted",
        EventKind::MapIterationStarted { .. } => "MapIterationStarted",
        EventKind::MapIterationSucceeded { .. } => "MapIterationSucceeded",
        EventKind::MapIterationFailed { .. } => "MapIterationFailed",
        EventKind::MapIterationAborted { .. } => "MapIterationAborted",
        EventKind::MapStateSucceeded => "MapStateSucceeded",
        EventKind::MapStateFailed => "MapStateFailed",
        EventKind::MapStateAborted => "MapStateAborted",
        EventKind::TaskStateAborted => "TaskStateAborted",
        EventKind::WaitStateAborted => "WaitStateAborted",
    }
}

fn entered_name(state_type: StateType) -> &'static str {
    match state_type {
        StateType::Pass => "PassStateEntered",
        StateType::Task => "TaskStateEntered",
        StateType::Choice => "ChoiceStateEntered",
        StateType::Wait => "WaitStateEntered",
        StateType::Succeed => "SucceedStateEntered",
        StateType::Fail => "FailStateEntered",
        StateType::Parallel => "ParallelStateEntered",
        StateType::Map => "MapStateEntered",
    }
}

fn exited_name(state_type: StateType) -> &'static str {
    match state_type {
        StateType::Pass => "PassStateExited",
        StateType::Task => "TaskStateExited",
        StateType::Choice => "ChoiceStateExited",
        StateType::Wait => "WaitStateExited",
        StateType::Succeed => "SucceedStateExited",
        // AWS has no such event, and none is recorded: a Fail state is never left.
        StateType::Fail => "FailStateExited",
        StateType::Parallel => "ParallelStateExited",
        StateType::Map => "MapStateExited",
    }
}
