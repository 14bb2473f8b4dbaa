//! What an owner is told, and what it answers.

use std::sync::Arc;

use skald_asl::Timestamp;
use skald_integrations::Outcome;
use skald_interpreter::note::Parent;
use skald_interpreter::{EventId, TaskAnswer};
use skald_query::Payload;
use skald_store::EntityId;
use tokio::sync::{mpsc, oneshot};

use crate::catalog::Machined;
use crate::error::{Fault, StartExecutionError};
use crate::execution::Started;

/// The way to an owner: one channel for requests from outside, bounded; one for what the engine owes itself.
pub(crate) struct Inbox {
    pub(crate) requests: mpsc::Sender<Request>,
    /// Bounded by what it answers: one message a running call, timer or delivery.
    pub(crate) answers: mpsc::UnboundedSender<Answer>,
}

impl Inbox {
    /// Waits for the answer to a message, or for the end of the owner. What is sent while that goes away may be left in the
    /// channel, unread, for as long as there are senders: its answer would be waited for in vain.
    pub(crate) async fn heard(&self, answered: oneshot::Receiver<()>) {
        tokio::select! {
            _ = answered => {}
            () = self.answers.closed() => {}
        }
    }
}

/// From callers. May be refused when the inbox is full.
pub(crate) enum Request {
    Start(Box<Start>),
    Ask(Ask),
}

/// A start whose machine is known.
pub(crate) struct Start {
    pub(crate) machine: Arc<Machined>,
    pub(crate) name: String,
    pub(crate) input: Payload,
    pub(crate) trace_header: Option<String>,
    pub(crate) parent: Option<Parent>,
    /// SHA-256 of the input's text.
    pub(crate) input_hash: [u8; 32],
    /// SHA-256 of the starter key; zeros without one.
    pub(crate) starter_hash: [u8; 32],
    pub(crate) reply: oneshot::Sender<Result<Started, StartExecutionError>>,
}

/// A question to one execution.
pub(crate) struct Ask {
    pub(crate) entity: EntityId,
    pub(crate) question: Question,
    pub(crate) reply: oneshot::Sender<Result<Reply, Fault>>,
}

pub(crate) enum Question {
    /// Answer the task of a token.
    Token {
        scheduled: EventId,
        nonce: u64,
        answer: TaskAnswer,
    },
    /// The child that a task waits for has ended.
    JobEnded {
        scheduled: EventId,
        nonce: u64,
        answer: TaskAnswer,
    },
    Heartbeat {
        scheduled: EventId,
        nonce: u64,
        /// When it came: its execution may be busy for a while.
        at: Timestamp,
    },
    Stop {
        error: Option<String>,
        cause: Option<String>,
    },
    /// Hand an activity's task to a worker.
    Poll {
        scheduled: EventId,
        worker_name: Option<String>,
    },
}

/// What came of a question; the records it caused are durable.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Done,
    /// The task is answered, timed out, or its execution is over.
    TaskClosed,
    Stopped {
        at: Timestamp,
    },
    /// The task to hand over; none when it does not wait for a worker any more.
    Task(Option<(String, Payload)>),
    /// There is no such execution.
    Missing,
}

/// From the engine itself: never refused.
pub(crate) enum Answer {
    Called {
        entity: EntityId,
        scheduled: EventId,
        outcome: Outcome,
    },
    /// A followed job came to its end.
    Followed {
        entity: EntityId,
        scheduled: EventId,
        outcome: Outcome,
    },
    /// What was owed is done: a job is cancelled, a parent told.
    Settled {
        entity: EntityId,
        scheduled: EventId,
    },
    Delivered {
        entity: EntityId,
        scheduled: EventId,
    },
    /// Bring this entity in: it was awake when the engine stopped, or its timer is due.
    Wake {
        entity: EntityId,
    },
    /// Say when nothing is being read.
    WhenLoaded {
        done: oneshot::Sender<()>,
    },
    /// Stop when nothing is in flight.
    Close {
        done: oneshot::Sender<()>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_an_owner_that_is_gone() {
        let (requests, _) = mpsc::channel(1);
        let (answers, received) = mpsc::unbounded_channel();
        let inbox = Inbox { requests, answers };
        // As what was left unread would keep it.
        let (_done, when) = oneshot::channel();
        drop(received);
        inbox.heard(when).await;
    }
}
