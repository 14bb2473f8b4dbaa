//! Frames: the threads of an execution. The top level is one, each branch and each iteration has its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use skald_asl::Timestamp;
use skald_query::Payload;

use crate::event::{Completion, EventId, FrameId, ServiceResource, StateType, TaskPlan};

/// One thread and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The frame whose Parallel or Map runs this one; none at the top.
    pub parent: Option<FrameId>,
    /// Which branch or iteration of the parent's state this is.
    pub index: u32,
    /// The last advancing event of the thread: the `previousEventId` of the next.
    pub last: EventId,
    pub step: Step,
    /// The variables of this scope. Those of the frames around it are seen, and never set, from here.
    pub variables: BTreeMap<Arc<str>, Payload>,
}

/// What a frame does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The next state is known and not entered: here a slice may end.
    Entering {
        state: Arc<str>,
        input: Payload,
    },
    Inside(Box<Visit>),
    /// The block ended. Only the top frame stays in this step: others are joined at once.
    Ended {
        output: Payload,
    },
}

/// A state that was entered and not exited.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    pub state: Arc<str>,
    pub state_type: StateType,
    /// The thread's last event before it came here.
    pub before: EventId,
    pub entered: EventId,
    pub entered_at: Timestamp,
    /// The raw input, before `InputPath`.
    pub input: Payload,
    /// Retries so far, by retrier; shorter than the list when later ones were never used.
    pub attempts: Vec<u64>,
    pub doing: Doing,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Doing {
    /// Nothing outside: only between two records of one decision.
    Working,
    Waiting {
        due: Timestamp,
    },
    /// Between a failure and the next attempt.
    BackingOff {
        due: Timestamp,
    },
    Task(Box<RunningTask>),
    FannedOut(Box<FanOut>),
}

/// An attempt of a Task that was scheduled and not answered.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningTask {
    pub scheduled: EventId,
    pub scheduled_at: Timestamp,
    pub target: Target,
    /// The effective input or parameters.
    pub parameters: Payload,
    pub credentials_role_arn: Option<String>,
    pub plan: TaskPlan,
    pub phase: Phase,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    Lambda { arn: String },
    Service { resource: ServiceResource, completion: Completion },
    Activity { arn: String },
}

/// How far an attempt has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    Scheduled,
    Started,
    /// The call was answered; the end comes by token, or is the job's.
    Submitted {
        output: Payload,
    },
    /// An activity's worker has it.
    Delivered,
}

/// A Parallel or Map that runs.
#[derive(Debug, Clone, PartialEq)]
pub struct FanOut {
    /// Results by branch or item.
    pub outputs: Vec<Option<Payload>>,
    pub unfinished: u32,
    /// The frames that run now.
    pub children: Vec<FrameId>,
    pub iterations: Option<Iterations>,
}

/// What only a Map keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Iterations {
    pub items: Payload,
    pub concurrency: u32,
    /// The next item to begin …
    pub next_index: u32,
    /// … and where it stands in `items`, in bytes.
    pub next_offset: u64,
}

impl Iterations {
    /// The text of the next item, and where the one behind it begins.
    pub(crate) fn next_item(&self) -> Option<(&str, usize)> {
        self.items.item_at(usize::try_from(self.next_offset).ok()?)
    }
}

impl Frame {
    /// The visit, when inside a state.
    pub fn visit(&self) -> Option<&Visit> {
        match &self.step {
            Step::Inside(visit) => Some(visit),
            Step::Entering { .. } | Step::Ended { .. } => None,
        }
    }

    /// What it holds and expressions may look into.
    pub(crate) fn payloads_mut(&mut self) -> impl Iterator<Item = &mut Payload> {
        let step = match &mut self.step {
            Step::Entering { input: payload, .. } | Step::Ended { output: payload } => [Some(payload), None],
            Step::Inside(visit) => {
                let items = match &mut visit.doing {
                    Doing::FannedOut(fan_out) => fan_out.iterations.as_mut().map(|iterations| &mut iterations.items),
                    Doing::Working | Doing::Waiting { .. } | Doing::BackingOff { .. } | Doing::Task(_) => None,
                };
                [Some(&mut visit.input), items]
            }
        };
        step.into_iter().flatten().chain(self.variables.values_mut())
    }

    /// The attempt that runs, when there is one.
    pub fn task(&self) -> Option<&RunningTask> {
        match &self.visit()?.doing {
            Doing::Task(task) => Some(task),
            Doing::Working | Doing::Waiting { .. } | Doing::BackingOff { .. } | Doing::FannedOut(_) => None,
        }
    }

    /// When something happens by itself: a wait or back-off ends, a task times out.
    pub fn due(&self) -> Option<Timestamp> {
        match &self.visit()?.doing {
            Doing::Waiting { due } | Doing::BackingOff { due } => Some(*due),
            Doing::Task(task) => task.plan.deadline,
            Doing::Working | Doing::FannedOut(_) => None,
        }
    }
}
