//! Folding: one record changes the state, by what is in the record alone.
//!
//! Large payloads are taken over without their trees: what was parsed for one state is let go of with it.
//!
//! A past record means the same for ever: nothing here looks into the definition, evaluates, or can fail. A record that
//! does not fit the state (it cannot come from `decide`) changes nothing but the counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use skald_query::Payload;

use crate::event::{Completion, Event, EventId, EventKind, FrameId};
use crate::execution::{Execution, Identity, Owed, Status};
use crate::frame::{Doing, FanOut, Frame, Iterations, Phase, RunningTask, Step, Target, Visit};
use crate::note::{Note, Origin};
use crate::record::Record;

impl Execution {
    /// Folds one record.
    pub fn apply(&mut self, record: &Record) {
        self.position += 1;
        match record {
            Record::Event(event) => {
                self.last_event = event.id;
                self.last_time = event.at;
                self.apply_event(event);
            }
            Record::Note(note) => self.apply_note(note),
        }
    }

    fn apply_note(&mut self, note: &Note) {
        match note {
            Note::Created(origin) => self.identity = Some(Arc::new(newborn(origin))),
            Note::RetryScheduled { frame, retrier, due, after } => {
                self.cut_children(*frame);
                let Some(frame) = self.frames.get_mut(frame) else { return };
                frame.last = *after;
                if let Step::Inside(visit) = &mut frame.step {
                    let index = *retrier as usize;
                    if visit.attempts.len() <= index {
                        visit.attempts.resize(index + 1, 0);
                    }
                    visit.attempts[index] += 1;
                    visit.doing = Doing::BackingOff { due: *due };
                }
            }
            Note::Delivered { scheduled } => {
                if let Some(task) = self.frame_of_task(*scheduled).and_then(|frame| self.task_mut(frame)) {
                    task.phase = Phase::Delivered;
                }
            }
            Note::Settled { scheduled } => {
                self.owed.remove(scheduled);
            }
        }
    }

    fn apply_event(&mut self, event: &Event) {
        let (id, frame) = (event.id, event.frame);
        match &event.kind {
            EventKind::ExecutionStarted { input, deadline, start_at, .. } => {
                self.begin(event, input.clone(), start_at);
                self.deadline = *deadline;
            }
            EventKind::ExecutionSucceeded { .. }
            | EventKind::ExecutionFailed(_)
            | EventKind::ExecutionTimedOut(_)
            | EventKind::ExecutionAborted(_) => {
                if let Some(status) = Status::ended_by(event) {
                    self.close(status, id);
                }
            }

            EventKind::StateEntered { state_type, name, input, due } => {
                let doing = match due {
                    Some(due) => Doing::Waiting { due: *due },
                    None => Doing::Working,
                };
                let visit = Visit {
                    state: Arc::clone(name),
                    state_type: *state_type,
                    before: event.previous,
                    entered: id,
                    entered_at: event.at,
                    input: input.light(),
                    attempts: Vec::new(),
                    doing,
                };
                self.set_step(frame, id, Step::Inside(Box::new(visit)));
            }
            EventKind::StateExited { output, assigned, next: Some(next), .. } => {
                self.assign(frame, assigned);
                self.set_step(frame, id, Step::Entering { state: Arc::clone(next), input: output.light() });
            }
            EventKind::StateExited { output, next: None, .. } => {
                self.set_step(frame, id, Step::Ended { output: output.light() });
                self.join(frame);
            }

            EventKind::LambdaFunctionScheduled { resource, input, credentials_role_arn, plan, .. } => {
                let task = RunningTask {
                    scheduled: id,
                    scheduled_at: event.at,
                    target: Target::Lambda { arn: resource.clone() },
                    parameters: input.light(),
                    credentials_role_arn: credentials_role_arn.clone(),
                    plan: plan.clone(),
                    phase: Phase::Scheduled,
                };
                self.set_doing(frame, id, Doing::Task(Box::new(task)));
            }
            EventKind::TaskScheduled { resource, parameters, credentials_role_arn, completion, plan, .. } => {
                let task = RunningTask {
                    scheduled: id,
                    scheduled_at: event.at,
                    target: Target::Service { resource: resource.clone(), completion: *completion },
                    parameters: parameters.light(),
                    credentials_role_arn: credentials_role_arn.clone(),
                    plan: plan.clone(),
                    phase: Phase::Scheduled,
                };
                self.set_doing(frame, id, Doing::Task(Box::new(task)));
            }
            EventKind::ActivityScheduled { resource, input, plan, .. } => {
                let task = RunningTask {
                    scheduled: id,
                    scheduled_at: event.at,
                    target: Target::Activity { arn: resource.clone() },
                    parameters: input.light(),
                    credentials_role_arn: None,
                    plan: plan.clone(),
                    phase: Phase::Scheduled,
                };
                self.set_doing(frame, id, Doing::Task(Box::new(task)));
            }
            EventKind::LambdaFunctionStarted | EventKind::TaskStarted { .. } | EventKind::ActivityStarted { .. } => {
                self.set_phase(frame, id, Phase::Started);
            }
            EventKind::TaskSubmitted { output, .. } => self.set_phase(frame, id, Phase::Submitted { output: output.clone() }),

            EventKind::LambdaFunctionSucceeded { .. }
            | EventKind::LambdaFunctionFailed(_)
            | EventKind::LambdaFunctionTimedOut(_)
            | EventKind::LambdaFunctionScheduleFailed(_)
            | EventKind::LambdaFunctionStartFailed(_)
            | EventKind::TaskSucceeded { .. }
            | EventKind::TaskFailed { .. }
            | EventKind::TaskStartFailed { .. }
            | EventKind::TaskSubmitFailed { .. }
            | EventKind::ActivitySucceeded { .. }
            | EventKind::ActivityFailed(_)
            | EventKind::ActivityTimedOut(_)
            | EventKind::ActivityScheduleFailed(_) => self.set_doing(frame, id, Doing::Working),
            // The job goes on without us.
            EventKind::TaskTimedOut { .. } => {
                self.owe_job_of(frame);
                self.set_doing(frame, id, Doing::Working);
            }

            EventKind::ParallelStateStarted { first_frame, branches, input } => {
                let children: Vec<FrameId> = (first_frame.0..).zip(branches).map(|(child, _)| FrameId(child)).collect();
                let input = input.light();
                for ((child, start_at), index) in children.iter().zip(branches).zip(0..) {
                    let step = Step::Entering { state: Arc::clone(start_at), input: input.clone() };
                    self.add_frame(*child, Frame { parent: Some(frame), index, last: id, step, variables: BTreeMap::new() });
                }
                let fan_out =
                    FanOut { outputs: vec![None; branches.len()], unfinished: length(branches.len()), children, iterations: None };
                self.set_doing(frame, id, Doing::FannedOut(Box::new(fan_out)));
            }
            EventKind::MapStateStarted { length, items, concurrency } => {
                let iterations = Iterations { items: items.light(), concurrency: *concurrency, next_index: 0, next_offset: 0 };
                let fan_out = FanOut {
                    outputs: vec![None; *length as usize],
                    unfinished: *length,
                    children: Vec::new(),
                    iterations: Some(iterations),
                };
                self.set_doing(frame, id, Doing::FannedOut(Box::new(fan_out)));
            }
            EventKind::MapIterationStarted { index, iteration, input, start_at, .. } => {
                let step = Step::Entering { state: Arc::clone(start_at), input: input.light() };
                self.add_frame(*iteration, Frame { parent: Some(frame), index: *index, last: id, step, variables: BTreeMap::new() });
                if let Some(fan_out) = self.fan_out_mut(frame) {
                    fan_out.children.push(*iteration);
                    if let Some(iterations) = &mut fan_out.iterations {
                        iterations.next_index = index + 1;
                        if let Some((_, next)) = iterations.next_item() {
                            iterations.next_offset = next as u64;
                        }
                    }
                }
            }
            EventKind::EvaluationFailed { .. } => self.move_on(frame, id),
            // The last one is what `MapStateSucceeded` follows; the next iteration follows the exit before it.
            EventKind::MapIterationSucceeded { .. } => self.move_on(frame, id),
            EventKind::ParallelStateFailed | EventKind::MapStateFailed => {
                self.cut_children(frame);
                self.set_doing(frame, id, Doing::Working);
            }
            EventKind::ParallelStateSucceeded
            | EventKind::MapStateSucceeded
            | EventKind::MapIterationFailed { .. }
            | EventKind::MapIterationAborted { .. }
            | EventKind::ParallelStateAborted
            | EventKind::MapStateAborted
            | EventKind::TaskStateAborted
            | EventKind::WaitStateAborted => {}
        }
    }

    fn begin(&mut self, event: &Event, input: Payload, start_at: &Arc<str>) {
        if let Some(identity) = &mut self.identity {
            let identity = Arc::make_mut(identity);
            identity.input = input.clone();
            identity.started_at = event.at;
        }
        self.status = Status::Running;
        // The first state's Entered event has 0 before it, not 1. SOURCE: history.md §3.
        let step = Step::Entering { state: Arc::clone(start_at), input };
        self.frames.insert(FrameId::TOP, Frame { parent: None, index: 0, last: 0, step, variables: BTreeMap::new() });
    }

    /// The end. Frames that had not exited stay as they are: a redrive needs them.
    fn close(&mut self, status: Status, ended: EventId) {
        let frames: Vec<FrameId> = self.frames.keys().copied().collect();
        for frame in frames {
            self.owe_job_of(frame);
        }
        if self.identity.as_ref().is_some_and(|identity| identity.origin.parent.is_some()) {
            self.owed.insert(ended, Owed::Report);
        }
        self.status = status;
    }

    /// A submitted job that nobody waits for any more is to be cancelled.
    fn owe_job_of(&mut self, frame: FrameId) {
        let Some(visit) = self.frames.get(&frame).and_then(Frame::visit) else { return };
        let Doing::Task(task) = &visit.doing else { return };
        if let (Target::Service { resource, completion: Completion::Job }, Phase::Submitted { output }) = (&task.target, &task.phase) {
            let owed = Owed::Cancel {
                state: Arc::clone(&visit.state),
                resource: resource.clone(),
                submitted: output.clone(),
                credentials_role_arn: task.credentials_role_arn.clone(),
            };
            self.owed.insert(task.scheduled, owed);
        }
    }

    /// A child frame ended: its output goes to the parent's state, and the frame goes away.
    fn join(&mut self, frame: FrameId) {
        let Some(parent) = self.frames.get(&frame).and_then(|ended| ended.parent) else { return };
        let Some(ended) = self.frames.remove(&frame) else { return };
        if let Some(fan_out) = self.fan_out_mut(parent) {
            fan_out.children.retain(|child| *child != frame);
            if let (Step::Ended { output }, Some(slot)) = (ended.step, fan_out.outputs.get_mut(ended.index as usize)) {
                *slot = Some(output.text_only());
                fan_out.unfinished -= 1;
            }
        }
        self.move_on(parent, ended.last);
    }

    /// Removes the frames below `frame`, and remembers the jobs they leave behind.
    fn cut_children(&mut self, frame: FrameId) {
        let children: Vec<FrameId> = self.frames.iter().filter(|(_, child)| child.parent == Some(frame)).map(|(id, _)| *id).collect();
        for child in children {
            self.cut_children(child);
            self.owe_job_of(child);
            self.frames.remove(&child);
        }
    }

    fn add_frame(&mut self, id: FrameId, frame: Frame) {
        self.next_frame = self.next_frame.max(id.0 + 1);
        self.frames.insert(id, frame);
    }

    fn assign(&mut self, frame: FrameId, assigned: &[(Arc<str>, Payload)]) {
        if let Some(frame) = self.frames.get_mut(&frame) {
            frame.variables.extend(assigned.iter().map(|(name, value)| (Arc::clone(name), value.light())));
        }
    }

    fn move_on(&mut self, frame: FrameId, id: EventId) {
        if let Some(frame) = self.frames.get_mut(&frame) {
            frame.last = id;
        }
    }

    fn set_step(&mut self, frame: FrameId, id: EventId, step: Step) {
        if let Some(frame) = self.frames.get_mut(&frame) {
            frame.last = id;
            frame.step = step;
        }
    }

    fn set_doing(&mut self, frame: FrameId, id: EventId, doing: Doing) {
        if let Some(frame) = self.frames.get_mut(&frame) {
            frame.last = id;
            if let Step::Inside(visit) = &mut frame.step {
                visit.doing = doing;
            }
        }
    }

    fn set_phase(&mut self, frame: FrameId, id: EventId, phase: Phase) {
        self.move_on(frame, id);
        if let Some(task) = self.task_mut(frame) {
            task.phase = phase;
        }
    }

    fn task_mut(&mut self, frame: FrameId) -> Option<&mut RunningTask> {
        match &mut self.frames.get_mut(&frame)?.step {
            Step::Inside(visit) => match &mut visit.doing {
                Doing::Task(task) => Some(task),
                Doing::Working | Doing::Waiting { .. } | Doing::BackingOff { .. } | Doing::FannedOut(_) => None,
            },
            Step::Entering { .. } | Step::Ended { .. } => None,
        }
    }

    fn fan_out_mut(&mut self, frame: FrameId) -> Option<&mut FanOut> {
        match &mut self.frames.get_mut(&frame)?.step {
            Step::Inside(visit) => match &mut visit.doing {
                Doing::FannedOut(fan_out) => Some(fan_out),
                Doing::Working | Doing::Waiting { .. } | Doing::BackingOff { .. } | Doing::Task(_) => None,
            },
            Step::Entering { .. } | Step::Ended { .. } => None,
        }
    }
}

/// An identity before `ExecutionStarted` says input and time.
fn newborn(origin: &Arc<Origin>) -> Identity {
    Identity {
        execution_arn: origin.execution_arn(),
        machine_arn: origin.machine_arn(),
        origin: Arc::clone(origin),
        input: Payload::empty_object(),
        started_at: skald_asl::Timestamp::default(),
    }
}

fn length(branches: usize) -> u32 {
    u32::try_from(branches).unwrap_or(u32::MAX)
}
