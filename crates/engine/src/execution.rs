//! Executions as callers see them.

use skald_asl::Timestamp;
use skald_interpreter::note::Parent;
use skald_query::Payload;

/// AWS's execution status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExecutionStatus {
    Running = 1,
    Succeeded = 2,
    Failed = 3,
    TimedOut = 4,
    Aborted = 5,
}

impl ExecutionStatus {
    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }

    /// Whether it can be redriven, and if not, why. SOURCE: api.md, `DescribeExecution`.
    pub fn redrive(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Running => ("NOT_REDRIVABLE", Some("Execution is RUNNING and cannot be redriven")),
            Self::Succeeded => ("NOT_REDRIVABLE", Some("Execution is SUCCEEDED and cannot be redriven")),
            Self::Failed | Self::TimedOut | Self::Aborted => ("REDRIVABLE", None),
        }
    }
}

/// What a list shows of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub execution_arn: String,
    pub machine_arn: String,
    pub name: String,
    pub status: ExecutionStatus,
    pub started_at: Timestamp,
    pub stopped_at: Option<Timestamp>,
}

/// What `DescribeExecution` shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    pub listed: Listed,
    pub role_arn: String,
    pub input: Payload,
    pub output: Option<Payload>,
    /// Of FAILED and ABORTED; a timed-out execution has neither.
    pub error: Option<String>,
    pub cause: Option<String>,
    pub trace_header: Option<String>,
}

/// What is to be started.
#[derive(Debug, Clone)]
pub struct StartExecution {
    pub machine_arn: String,
    /// None: a generated one, derived from the starter key if there is one.
    pub name: Option<String>,
    pub input: Payload,
    pub trace_header: Option<String>,
    /// The SDK's invocation id, scoped by access key; or the task that starts it.
    pub starter_key: Option<String>,
    /// The task that waits for its end.
    pub parent: Option<Parent>,
}

/// What was started, now or by an equal request before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub execution_arn: String,
    pub started_at: Timestamp,
}

/// Where a page of history begins.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    pub execution_arn: String,
    pub newest_first: NewestFirst,
    /// What the page before ended with.
    pub cursor: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewestFirst {
    Yes,
    No,
}
