//! What the shell must do because of what is recorded.
//!
//! Effects are computed from the folded state, never stored: running and resuming are one loop.

use std::sync::Arc;

use skald_asl::Timestamp;
use skald_asl::states::Resource;
use skald_query::Payload;

use crate::event::EventId;
use crate::note::Parent;

/// One thing to do, named by the event that scheduled it; the same effect is asked for until a record settles it.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Call a function or service, and bring the answer as `CallAnswered`.
    Call { scheduled: EventId, state: Arc<str>, resource: Resource, parameters: Payload, credentials_role_arn: Option<String>, nonce: u64 },
    /// Offer a task to an activity's workers; `started` ones were polled, and did not reach their worker.
    Offer { scheduled: EventId, scheduled_at: Timestamp, activity_arn: String, input: Payload, nonce: u64, started: bool },
    /// Wait for the end of the job that a call started, and bring it as `JobEnded`; `submitted` is what the call answered.
    Follow { scheduled: EventId, state: Arc<str>, resource: Resource, submitted: Payload, credentials_role_arn: Option<String>, nonce: u64 },
    /// Cancel a job that nobody waits for any more, then say `Settled`. Also owed by an ended execution.
    Cancel { scheduled: EventId, state: Arc<str>, resource: Resource, submitted: Payload, credentials_role_arn: Option<String> },
    /// Tell the task that waits for the end of this execution what became of it, then say `Settled`.
    Report { ended: EventId, parent: Parent },
}

impl Effect {
    /// The event that asks for it: the scheduled one, or the terminal one of a report.
    pub fn scheduled(&self) -> EventId {
        match self {
            Self::Call { scheduled, .. }
            | Self::Offer { scheduled, .. }
            | Self::Follow { scheduled, .. }
            | Self::Cancel { scheduled, .. }
            | Self::Report { ended: scheduled, .. } => *scheduled,
        }
    }
}
