//! AWS's history events, one to one, with the private fields that rebuilding needs.
//!
//! A field marked *private* is never shown: [`crate::history`] leaves it out.

use std::sync::Arc;

use skald_asl::Timestamp;
use skald_query::Payload;

/// 1, 2, 3, … within an execution; 0 stands for "none".
pub type EventId = u64;

/// A thread of an execution: 0 is the top level, each branch and iteration has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u32);

impl FrameId {
    pub const TOP: Self = Self(0);
}

/// One event of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: EventId,
    /// AWS's `previousEventId`.
    pub previous: EventId,
    pub at: Timestamp,
    /// Private: the frame in which it happened.
    pub frame: FrameId,
    pub kind: EventKind,
}

/// The eight state types, as they begin the names of Entered and Exited events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StateType {
    Pass = 1,
    Task = 2,
    Choice = 3,
    Wait = 4,
    Succeed = 5,
    Fail = 6,
    Parallel = 7,
    Map = 8,
}

/// What an error event carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorDetails {
    pub error: Option<String>,
    pub cause: Option<String>,
}

/// Private: what a scheduled event fixes for as long as its task runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPlan {
    /// Random; the task's token carries it.
    pub nonce: u64,
    /// When the task times out; none without `TimeoutSeconds`.
    pub deadline: Option<Timestamp>,
    /// Milliseconds between heartbeats; none without `HeartbeatSeconds`.
    pub heartbeat_ms: Option<u64>,
}

/// Private: when a service task is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Completion {
    /// With the answer to the call.
    Response = 1,
    /// With an answer by its token, after the call was answered: `.waitForTaskToken`.
    Token = 2,
    /// With the end of the job that the call started: `.sync`. A job that nobody waits for any more is cancelled.
    Job = 3,
}

/// `resourceType` and `resource` of a service task's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceResource {
    /// `lambda`, `aws-sdk:s3`, …
    pub resource_type: Arc<str>,
    /// The action with its pattern: `invoke.waitForTaskToken`.
    pub resource: Arc<str>,
}

impl EventKind {
    /// Whether it ends the execution.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::ExecutionSucceeded { .. } | Self::ExecutionFailed(_) | Self::ExecutionTimedOut(_) | Self::ExecutionAborted(_))
    }
}

/// What happened. Named as AWS names it; the state's type is part of the Entered and Exited names.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    ExecutionStarted {
        input: Payload,
        role_arn: String,
        /// Private: when the whole execution times out.
        deadline: Option<Timestamp>,
        /// Private: the state to enter first.
        start_at: Arc<str>,
    },
    ExecutionSucceeded {
        output: Payload,
    },
    ExecutionFailed(ErrorDetails),
    ExecutionTimedOut(ErrorDetails),
    ExecutionAborted(ErrorDetails),

    StateEntered {
        state_type: StateType,
        name: Arc<str>,
        input: Payload,
        /// Private: when a Wait is over.
        due: Option<Timestamp>,
    },
    StateExited {
        state_type: StateType,
        name: Arc<str>,
        output: Payload,
        /// The variables set on leaving, in the order of `Assign`; shown only when there are some.
        assigned: Vec<(Arc<str>, Payload)>,
        /// Private: the state that follows; none ends the block.
        next: Option<Arc<str>>,
    },
    /// A JSONata expression of the state failed, or yielded what cannot stand in its field.
    EvaluationFailed {
        details: ErrorDetails,
        /// `Output/x`, `Choices[0]/Condition`.
        location: Option<String>,
        state: Arc<str>,
    },

    LambdaFunctionScheduled {
        resource: String,
        input: Payload,
        timeout_seconds: Option<u64>,
        credentials_role_arn: Option<String>,
        plan: TaskPlan,
    },
    LambdaFunctionStarted,
    LambdaFunctionSucceeded {
        output: Payload,
    },
    LambdaFunctionFailed(ErrorDetails),
    LambdaFunctionTimedOut(ErrorDetails),
    LambdaFunctionScheduleFailed(ErrorDetails),
    LambdaFunctionStartFailed(ErrorDetails),

    TaskScheduled {
        resource: ServiceResource,
        region: String,
        parameters: Payload,
        timeout_seconds: Option<u64>,
        heartbeat_seconds: Option<u64>,
        credentials_role_arn: Option<String>,
        /// Private: what follows the answer to the call.
        completion: Completion,
        plan: TaskPlan,
    },
    TaskStarted {
        resource: ServiceResource,
    },
    TaskSubmitted {
        resource: ServiceResource,
        output: Payload,
    },
    TaskSucceeded {
        resource: ServiceResource,
        output: Payload,
    },
    TaskFailed {
        resource: ServiceResource,
        details: ErrorDetails,
    },
    TaskTimedOut {
        resource: ServiceResource,
        details: ErrorDetails,
    },
    TaskStartFailed {
        resource: ServiceResource,
        details: ErrorDetails,
    },
    TaskSubmitFailed {
        resource: ServiceResource,
        details: ErrorDetails,
    },

    ActivityScheduled {
        resource: String,
        input: Payload,
        timeout_seconds: Option<u64>,
        heartbeat_seconds: Option<u64>,
        plan: TaskPlan,
    },
    ActivityStarted {
        worker_name: Option<String>,
    },
    ActivitySucceeded {
        output: Payload,
    },
    ActivityFailed(ErrorDetails),
    ActivityTimedOut(ErrorDetails),
    ActivityScheduleFailed(ErrorDetails),

    ParallelStateStarted {
        /// Private: the frames of the branches are `first_frame`, `first_frame + 1`, …; one an entry, the state it starts at.
        first_frame: FrameId,
        branches: Vec<Arc<str>>,
        /// Private: each branch's input.
        input: Payload,
    },
    ParallelStateSucceeded,
    ParallelStateFailed,
    ParallelStateAborted,

    MapStateStarted {
        length: u32,
        /// Private: the list that is mapped over.
        items: Payload,
        /// Private: how many iterations may run at once.
        concurrency: u32,
    },
    MapIterationStarted {
        /// The Map state's name.
        name: Arc<str>,
        index: u32,
        /// Private: the iteration's frame, what it starts with and where. `frame` of the event is the Map's own.
        iteration: FrameId,
        input: Payload,
        start_at: Arc<str>,
    },
    MapIterationSucceeded {
        name: Arc<str>,
        index: u32,
    },
    MapIterationFailed {
        name: Arc<str>,
        index: u32,
    },
    MapIterationAborted {
        name: Arc<str>,
        index: u32,
    },
    MapStateSucceeded,
    MapStateFailed,
    MapStateAborted,

    TaskStateAborted,
    WaitStateAborted,
}
