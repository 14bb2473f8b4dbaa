//! Failures: errors of a workflow, which it may retry or catch. Faults of Skald's own never become one.

/// An error, as a workflow sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub error: Option<String>,
    pub cause: Option<String>,
    pub kind: FailureKind,
    /// The field whose expression failed: `Output/x`. Only of [`FailureKind::Query`], and not of all of these.
    pub location: Option<String>,
}

/// Where a failure came from: decides which names match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A task's own error: `States.TaskFailed` matches it.
    Task,
    /// `TimeoutSeconds` ran out.
    Timeout,
    /// `HeartbeatSeconds` ran out: AWS records `States.Timeout`, and both names match.
    Heartbeat,
    /// A Fail state, or too much data.
    State,
    /// `States.QueryEvaluationError`: recorded as `EvaluationFailed` before anything handles it.
    Query,
    /// `States.Runtime`: ends the execution at once; nothing catches it.
    Runtime,
}

/// SOURCE: asl.md §6; ends a task, a state or an execution that ran too long.
pub const TIMEOUT: &str = "States.Timeout";
pub const RUNTIME: &str = "States.Runtime";
pub const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";
pub const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";

impl Failure {
    /// A `States.Runtime` raised in a state; AWS begins its cause with where it was.
    pub fn runtime(state: &str, entered: u64, reason: &str) -> Self {
        let cause = Some(cause_in_state(state, entered, reason));
        Self { error: Some(RUNTIME.to_owned()), cause, kind: FailureKind::Runtime, location: None }
    }

    /// A `States.QueryEvaluationError` of the expression at `location`.
    pub fn query(state: &str, entered: u64, location: Option<String>, reason: &str) -> Self {
        let cause = Some(cause_in_state(state, entered, reason));
        Self { error: Some(QUERY_EVALUATION_ERROR.to_owned()), cause, kind: FailureKind::Query, location }
    }

    /// A payload over 262,144 bytes. SOURCE: recorded, `history.md` §3.
    pub fn data_limit(state_or_resource: &str) -> Self {
        Self {
            error: Some(DATA_LIMIT_EXCEEDED.to_owned()),
            cause: Some(format!(
                "The state/task '{state_or_resource}' returned a result with a size exceeding the maximum number of bytes service limit."
            )),
            kind: FailureKind::State,
            location: None,
        }
    }

    pub fn timeout(kind: FailureKind) -> Self {
        Self { error: Some(TIMEOUT.to_owned()), cause: None, kind, location: None }
    }
}

fn cause_in_state(state: &str, entered: u64, reason: &str) -> String {
    format!("An error occurred while executing the state '{state}' (entered at the event id #{entered}). {reason}")
}
