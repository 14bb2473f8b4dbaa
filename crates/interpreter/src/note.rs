//! Notes: what only Skald needs to remember. Never shown in a history.

use std::sync::Arc;

use skald_asl::Timestamp;

use crate::event::{EventId, FrameId};

#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// The first record of every execution: who it is. Never changes.
    Created(Arc<Origin>),
    /// A failed state is tried again. Child frames of the state are cut; the thread goes on from `after`.
    RetryScheduled { frame: FrameId, retrier: u32, due: Timestamp, after: EventId },
    /// A polled activity task was written to the worker's socket: it is not offered again.
    Delivered { scheduled: EventId },
    /// The job of a task that nobody waits for any more was cancelled, or given up on.
    Settled { scheduled: EventId },
}

/// What an execution is and where it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// `aws`, `aws-cn`, …
    pub partition: String,
    pub region: String,
    pub account: String,
    pub machine_name: String,
    /// Distinguishes machines that were deleted and created again under one name.
    pub machine_incarnation: u64,
    /// The definition and role it started with, for ever.
    pub revision: u64,
    pub execution_name: String,
    pub role_arn: String,
    pub trace_header: Option<String>,
    /// The last part of an Express execution's ARN; none of a Standard one. Not journaled: an Express execution has no journal.
    pub express_id: Option<String>,
    /// The task that waits for its end.
    pub parent: Option<Parent>,
}

/// A task of another execution that started this one and waits for its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The task's token: it says where the task is, and fits no other.
    pub token: String,
    pub form: ReportForm,
}

/// How input and output stand in what a parent is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportForm {
    /// As JSON text in a string: `.sync`.
    Text,
    /// As they are: `.sync:2`.
    Json,
}

impl Origin {
    pub fn is_express(&self) -> bool {
        self.express_id.is_some()
    }

    /// `arn:…:states:…:execution:machine:name`, or `arn:…:states:…:express:machine:name:id`
    pub fn execution_arn(&self) -> String {
        let Self { partition, region, account, machine_name, execution_name, .. } = self;
        match &self.express_id {
            None => format!("arn:{partition}:states:{region}:{account}:execution:{machine_name}:{execution_name}"),
            Some(id) => format!("arn:{partition}:states:{region}:{account}:express:{machine_name}:{execution_name}:{id}"),
        }
    }

    /// `arn:…:states:…:stateMachine:machine`
    pub fn machine_arn(&self) -> String {
        format!("arn:{}:states:{}:{}:stateMachine:{}", self.partition, self.region, self.account, self.machine_name)
    }
}
