//! An execution: the fold of its journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use skald_asl::states::{Pattern, Resource};
use skald_asl::{Definition, Timestamp};
use skald_query::Payload;

use crate::effect::Effect;
use crate::event::{Completion, Event, EventId, EventKind, FrameId};
use crate::frame::{Doing, Frame, Phase, RunningTask, Step, Target};
use crate::note::Origin;

/// The most events a history may hold. SOURCE: limits.md §1.
pub const EVENTS_MAX: u64 = 25_000;
/// Bytes of the payloads whose trees an execution keeps, of those that may be large. SOURCE: our own.
const HEAVY_BYTES_MAX: usize = 512 * 1024;

/// One run of a state machine, as its records made it.
#[derive(Debug, Clone)]
pub struct Execution {
    /// What it runs. Deciding looks into it, folding never does.
    pub(crate) definition: Arc<Definition>,
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) status: Status,
    /// How many records were folded.
    pub(crate) position: u64,
    pub(crate) last_event: EventId,
    pub(crate) last_time: Timestamp,
    pub(crate) next_frame: u32,
    pub(crate) frames: BTreeMap<FrameId, Frame>,
    pub(crate) deadline: Option<Timestamp>,
    /// What is to be done yet although nothing waits for it: jobs to cancel, by scheduled event, and by its terminal event
    /// the report to the parent.
    pub(crate) owed: BTreeMap<EventId, Owed>,
}

/// Who an execution is: fixed by its first records.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    pub origin: Arc<Origin>,
    pub execution_arn: String,
    pub machine_arn: String,
    pub input: Payload,
    pub started_at: Timestamp,
}

/// Where an execution stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// No record yet.
    Unborn,
    Running,
    Succeeded {
        output: Payload,
        at: Timestamp,
    },
    Failed {
        error: Option<String>,
        cause: Option<String>,
        at: Timestamp,
    },
    TimedOut {
        at: Timestamp,
    },
    Aborted {
        error: Option<String>,
        cause: Option<String>,
        at: Timestamp,
    },
}

impl Status {
    /// The end that a terminal event brings; none of any other event.
    pub fn ended_by(event: &Event) -> Option<Self> {
        let at = event.at;
        match &event.kind {
            EventKind::ExecutionSucceeded { output } => Some(Self::Succeeded { output: output.clone(), at }),
            EventKind::ExecutionFailed(details) => Some(Self::Failed { error: details.error.clone(), cause: details.cause.clone(), at }),
            EventKind::ExecutionTimedOut(_) => Some(Self::TimedOut { at }),
            EventKind::ExecutionAborted(details) => Some(Self::Aborted { error: details.error.clone(), cause: details.cause.clone(), at }),
            // Everything that is not terminal.
            _ => None,
        }
    }
}

/// What an execution owes to others.
#[derive(Debug, Clone, PartialEq)]
pub enum Owed {
    /// Cancel a job that nobody waits for any more; `state` started it.
    Cancel { state: Arc<str>, resource: crate::event::ServiceResource, submitted: Payload, credentials_role_arn: Option<String> },
    /// Tell the parent what became of it.
    Report,
}

/// Whether a task still waits for an answer by its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    Open,
    /// Answered, timed out, or its execution is over.
    Closed,
}

/// Everything but the definition, which the records name: two equal executions behave alike.
impl PartialEq for Execution {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
            && self.status == other.status
            && self.position == other.position
            && self.last_event == other.last_event
            && self.last_time == other.last_time
            && self.next_frame == other.next_frame
            && self.frames == other.frames
            && self.deadline == other.deadline
            && self.owed == other.owed
    }
}

/// A task whose worker must be heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beats {
    pub scheduled: EventId,
    /// Of its token.
    pub nonce: u64,
    /// Between two heartbeats, at most.
    pub interval_ms: u64,
}

impl Execution {
    /// One without records.
    pub fn unborn(definition: Arc<Definition>) -> Self {
        Self {
            definition,
            identity: None,
            status: Status::Unborn,
            position: 0,
            last_event: 0,
            last_time: Timestamp::default(),
            next_frame: 1,
            frames: BTreeMap::new(),
            deadline: None,
            owed: BTreeMap::new(),
        }
    }

    /// What it runs.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Who it is; none before the first records.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    pub fn status(&self) -> &Status {
        &self.status
    }

    /// How many records it has.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The id of its last event.
    pub fn last_event(&self) -> EventId {
        self.last_event
    }

    /// The time of its last event.
    pub fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// Its threads.
    pub fn frames(&self) -> &BTreeMap<FrameId, Frame> {
        &self.frames
    }

    /// Bytes of the payloads its threads hold now, without those of running fan-outs' results.
    pub fn payload_bytes(&self) -> usize {
        self.frames
            .values()
            .map(|frame| {
                let held = match &frame.step {
                    Step::Entering { input: payload, .. } | Step::Ended { output: payload } => payload.byte_count(),
                    Step::Inside(visit) => visit.input.byte_count(),
                };
                held + frame.variables.values().map(Payload::byte_count).sum::<usize>()
            })
            .sum()
    }

    /// [`Execution::payload_bytes`], and what running fan-outs and tasks hold beside them: about what it takes in memory.
    pub fn held_bytes(&self) -> usize {
        let beside = |frame: &Frame| match &frame.visit()?.doing {
            Doing::FannedOut(fan_out) => {
                let items = fan_out.iterations.as_ref().map_or(0, |iterations| iterations.items.byte_count());
                Some(items + fan_out.outputs.iter().flatten().map(Payload::byte_count).sum::<usize>())
            }
            Doing::Task(task) => Some(task.parameters.byte_count()),
            Doing::Working | Doing::Waiting { .. } | Doing::BackingOff { .. } => None,
        };
        self.payload_bytes() + self.frames.values().filter_map(beside).sum::<usize>()
    }

    /// Lets go of parsed trees when they are many: they are built again where they are needed.
    pub(crate) fn bound_trees(&mut self) {
        let heavy_bytes: usize =
            self.frames.values_mut().flat_map(Frame::payloads_mut).filter(|held| held.is_heavy()).map(|held| held.byte_count()).sum();
        if heavy_bytes > HEAVY_BYTES_MAX {
            self.frames.values_mut().flat_map(Frame::payloads_mut).for_each(|held| *held = held.light());
        }
    }

    /// Whether the terminal event is recorded.
    pub fn is_closed(&self) -> bool {
        match self.status {
            Status::Unborn | Status::Running => false,
            Status::Succeeded { .. } | Status::Failed { .. } | Status::TimedOut { .. } | Status::Aborted { .. } => true,
        }
    }

    /// Whether it is closed and owes nothing.
    pub fn is_settled(&self) -> bool {
        self.is_closed() && self.owed.is_empty()
    }

    /// Whether a slice ended and `Continue` would go on.
    pub fn is_ready(&self) -> bool {
        self.status == Status::Running && self.frames.values().any(|frame| matches!(frame.step, Step::Entering { .. }))
    }

    /// What the shell must do now. Running and resuming ask the same question.
    pub fn outstanding(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.status == Status::Running {
            for frame in self.frames.values() {
                let Some((visit, task)) = frame.visit().zip(frame.task()) else { continue };
                match (&task.target, &task.phase) {
                    (Target::Lambda { arn }, Phase::Scheduled | Phase::Started) => effects.push(Effect::Call {
                        scheduled: task.scheduled,
                        state: Arc::clone(&visit.state),
                        resource: Resource::Lambda { arn: arn.clone() },
                        parameters: task.parameters.clone(),
                        credentials_role_arn: task.credentials_role_arn.clone(),
                        nonce: task.plan.nonce,
                    }),
                    (Target::Service { resource, .. }, Phase::Scheduled | Phase::Started) => effects.push(Effect::Call {
                        scheduled: task.scheduled,
                        state: Arc::clone(&visit.state),
                        resource: service_resource(resource),
                        parameters: task.parameters.clone(),
                        credentials_role_arn: task.credentials_role_arn.clone(),
                        nonce: task.plan.nonce,
                    }),
                    (Target::Activity { arn }, Phase::Scheduled | Phase::Started) => effects.push(Effect::Offer {
                        scheduled: task.scheduled,
                        scheduled_at: task.scheduled_at,
                        activity_arn: arn.clone(),
                        input: task.parameters.clone(),
                        nonce: task.plan.nonce,
                        started: task.phase == Phase::Started,
                    }),
                    (Target::Service { resource, completion: Completion::Job }, Phase::Submitted { output }) => {
                        effects.push(Effect::Follow {
                            scheduled: task.scheduled,
                            state: Arc::clone(&visit.state),
                            resource: service_resource(resource),
                            submitted: output.clone(),
                            credentials_role_arn: task.credentials_role_arn.clone(),
                            nonce: task.plan.nonce,
                        });
                    }
                    (_, Phase::Submitted { .. } | Phase::Delivered) => {}
                }
            }
        }
        effects.extend(self.owed.iter().filter_map(|(id, owed)| match owed {
            Owed::Cancel { state, resource, submitted, credentials_role_arn } => Some(Effect::Cancel {
                scheduled: *id,
                state: Arc::clone(state),
                resource: service_resource(resource),
                submitted: submitted.clone(),
                credentials_role_arn: credentials_role_arn.clone(),
            }),
            Owed::Report => Some(Effect::Report { ended: *id, parent: self.identity.as_ref()?.origin.parent.clone()? }),
        }));
        effects
    }

    /// Tasks that no worker of the activity named has yet: the offers that are outstanding.
    pub fn offers(&self) -> impl Iterator<Item = (&str, &RunningTask)> {
        let frames = (self.status == Status::Running).then(|| self.frames.values());
        frames.into_iter().flatten().filter_map(|frame| match frame.task()? {
            task @ RunningTask { target: Target::Activity { arn }, phase: Phase::Scheduled | Phase::Started, .. } => Some((&**arn, task)),
            RunningTask { .. } => None,
        })
    }

    /// The first instant at which a `Tick` would do something.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.status != Status::Running {
            return None;
        }
        self.frames.values().filter_map(Frame::due).chain(self.deadline).min()
    }

    /// Tasks whose workers must send heartbeats.
    ///
    /// Their clock starts when the worker has the task. What Skald itself calls and waits for has no worker.
    pub fn heartbeats(&self) -> Vec<Beats> {
        if self.status != Status::Running {
            return Vec::new();
        }
        let beating = |frame: &Frame| {
            let task = frame.task()?;
            let with_worker =
                answers_by_token(&task.target) && !matches!((&task.target, &task.phase), (Target::Activity { .. }, Phase::Scheduled));
            let interval_ms = task.plan.heartbeat_ms.filter(|_| with_worker)?;
            Some(Beats { scheduled: task.scheduled, nonce: task.plan.nonce, interval_ms })
        };
        self.frames.values().filter_map(beating).collect()
    }

    /// Whether the task of this token can still be answered.
    pub fn token_state(&self, scheduled: EventId, nonce: u64) -> TokenState {
        let open = self.status == Status::Running
            && self
                .frames
                .values()
                .filter_map(Frame::task)
                .any(|task| task.scheduled == scheduled && task.plan.nonce == nonce && answers_by_token(&task.target));
        if open { TokenState::Open } else { TokenState::Closed }
    }

    /// The frame whose running attempt has this scheduled event.
    pub(crate) fn frame_of_task(&self, scheduled: EventId) -> Option<FrameId> {
        self.frames.iter().find(|(_, frame)| frame.task().is_some_and(|task| task.scheduled == scheduled)).map(|(id, _)| *id)
    }

    /// Bytes of all variables of all scopes.
    pub(crate) fn variable_bytes(&self) -> usize {
        self.frames.values().flat_map(|frame| frame.variables.values()).map(Payload::byte_count).sum()
    }

    pub(crate) fn frame(&self, id: FrameId) -> &Frame {
        self.frames.get(&id).expect("decisions and records name frames that exist")
    }
}

/// Whether `SendTask*` may end a task of this kind.
pub(crate) fn answers_by_token(target: &Target) -> bool {
    match target {
        Target::Activity { .. } => true,
        Target::Service { completion, .. } => match completion {
            Completion::Token | Completion::Job => true,
            Completion::Response => false,
        },
        Target::Lambda { .. } => false,
    }
}

/// The resource a task's events name, parsed back.
fn service_resource(resource: &crate::event::ServiceResource) -> Resource {
    let patterns = [Pattern::WaitForTaskToken, Pattern::Sync2, Pattern::Sync];
    let (action, pattern) = patterns
        .into_iter()
        .find_map(|pattern| resource.resource.strip_suffix(pattern.suffix()).map(|action| (action, pattern)))
        .unwrap_or((&resource.resource, Pattern::RequestResponse));
    Resource::Service { service: resource.resource_type.to_string(), action: action.to_owned(), pattern }
}
