//! What is asked of an execution.

use std::sync::Arc;

use skald_query::Payload;

use crate::event::EventId;
use crate::note::Origin;

/// A command. Whatever does not fit the state it meets (late, repeated, forged) causes no record.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Begin. Only the first command of an execution may be this.
    Start { origin: Arc<Origin>, input: Payload },
    /// Go on where a slice ended.
    Continue,
    /// The clock moved: whatever is due by [`crate::Context::now`] happens.
    Tick,
    /// The call of a task was answered.
    CallAnswered { scheduled: EventId, answer: TaskAnswer },
    /// The job that a task's call started came to its end.
    JobEnded { scheduled: EventId, answer: TaskAnswer },
    /// Someone answered by a task's token.
    TokenAnswered { scheduled: EventId, nonce: u64, answer: TaskAnswer },
    /// No heartbeat came in time.
    HeartbeatMissed { scheduled: EventId },
    /// A worker polled this activity task.
    ActivityStarted { scheduled: EventId, worker_name: Option<String> },
    /// The polled task reached its worker.
    Delivered { scheduled: EventId },
    /// An owed cancellation was done or given up.
    Settled { scheduled: EventId },
    /// `StopExecution`.
    Stop { error: Option<String>, cause: Option<String> },
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskAnswer {
    Succeeded { output: Payload },
    Failed { error: Option<String>, cause: Option<String> },
}
