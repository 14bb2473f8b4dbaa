//! Deciding: a command becomes records, one slice at a time.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use serde_json::Value;
use skald_asl::definition::{StateKind, Transition};
use skald_asl::{Definition, StateId, Timestamp};
use skald_query::{Budget, Payload};

use crate::command::{Command, TaskAnswer};
use crate::context::{Context, Dice};
use crate::data_flow::Outcome;
use crate::event::{ErrorDetails, Event, EventId, EventKind, FrameId, StateType};
use crate::execution::{EVENTS_MAX, Execution, Identity, Status};
use crate::failure::{Failure, FailureKind, RUNTIME};
use crate::frame::{Doing, Frame, Step, Visit};
use crate::note::{Note, Origin};
use crate::record::Record;
use crate::scope::{MADE_BYTES_MAX, SCOPE_STEPS_MAX, Scope, Variables};
use crate::states;

/// A slice ends after this many events …
const SLICE_EVENTS_MAX: usize = 256;
/// … or this many bytes of new payload. SOURCE: design, "Slices".
const SLICE_BYTES_MAX: usize = 1024 * 1024;
/// The largest input, output or result of a state. SOURCE: limits.md §1.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 262_144;
/// All variables of an execution. SOURCE: limits.md §1.
const VARIABLE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// How long an Express execution may take. SOURCE: limits.md §1.
pub(crate) const EXPRESS_SECONDS_MAX: u64 = 300;
/// SOURCE: limits.md §1; AWS counts characters.
const ERROR_CHARACTERS_MAX: usize = 256;
const CAUSE_CHARACTERS_MAX: usize = 32_768;

/// Why a step did not come to its end.
pub(crate) enum Halt {
    /// The execution is over: nothing more may be recorded.
    Ended,
    /// The state failed; retriers and catchers decide.
    Failed(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The execution is over.
pub(crate) struct Ended;

impl From<Ended> for Halt {
    fn from(Ended: Ended) -> Self {
        Self::Ended
    }
}

impl Execution {
    /// What `command` causes, without changing this execution. Pure and total.
    pub fn decide(&self, command: Command, context: &mut Context<'_>) -> Vec<Record> {
        self.clone().advance(command, context)
    }

    /// [`Execution::decide`] and folding in one: the records are already applied when it returns.
    ///
    /// The owner of an execution uses this; when the append fails it drops the execution and reads it again.
    pub fn advance(&mut self, command: Command, context: &mut Context<'_>) -> Vec<Record> {
        self.advance_keeping(command, context, Keep::Records)
    }

    /// As [`Execution::advance`], for whoever needs the state alone.
    pub fn advance_unrecorded(&mut self, command: Command, context: &mut Context<'_>) {
        self.advance_keeping(command, context, Keep::Nothing);
    }

    fn advance_keeping(&mut self, command: Command, context: &mut Context<'_>, keep: Keep) -> Vec<Record> {
        let now = context.now.max(self.last_time);
        let budget = RefCell::new(context.budget.clone());
        let dice = RefCell::new(context.dice.clone());
        let mut slice = Slice {
            definition: Arc::clone(&self.definition),
            execution: self,
            context,
            now,
            dice,
            budget,
            fixed_context: OnceCell::new(),
            keep,
            records: Vec::new(),
            record_count: 0,
            bytes: 0,
        };
        // `Ended` only stops the slice: the terminal event is recorded.
        let _: Result<(), Ended> = slice.handle(command).and_then(|()| slice.go_on());
        let Slice { records, budget, dice, .. } = slice;
        context.budget = budget.into_inner();
        context.dice = dice.into_inner();
        records
    }
}

/// One decision in the making. The execution is folded as it goes, so that each step sees the one before.
pub(crate) struct Slice<'e, 'c, 'w> {
    pub(crate) definition: Arc<Definition>,
    pub(crate) execution: &'e mut Execution,
    pub(crate) context: &'c mut Context<'w>,
    pub(crate) now: Timestamp,
    pub(crate) dice: RefCell<Dice>,
    budget: RefCell<Budget>,
    /// Execution and StateMachine of the context object: the same for every state, and as large as the input.
    fixed_context: OnceCell<Value>,
    keep: Keep,
    records: Vec<Record>,
    record_count: usize,
    bytes: usize,
}

/// What is kept of what was decided, beside the folded state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Records,
    Nothing,
}

impl Slice<'_, '_, '_> {
    fn handle(&mut self, command: Command) -> Result<(), Ended> {
        match (&self.execution.status, command) {
            (Status::Unborn, Command::Start { origin, input }) => self.start(origin, input),
            (Status::Unborn, _) => Err(Ended),
            // An owed cancellation is settled in an ended execution, too.
            (_, Command::Settled { scheduled }) => {
                if self.execution.owed.contains_key(&scheduled) {
                    self.note(Note::Settled { scheduled });
                }
                Ok(())
            }
            (Status::Running, command) => self.handle_running(command),
            (Status::Succeeded { .. } | Status::Failed { .. } | Status::TimedOut { .. } | Status::Aborted { .. }, _) => Err(Ended),
        }
    }

    fn handle_running(&mut self, command: Command) -> Result<(), Ended> {
        match command {
            Command::Start { .. } | Command::Settled { .. } | Command::Continue => Ok(()),
            Command::Tick => self.tick(),
            Command::CallAnswered { scheduled, answer } => {
                self.react(scheduled, |slice, frame| states::task::call_answered(slice, frame, answer))
            }
            Command::JobEnded { scheduled, answer } => self.react(scheduled, |slice, frame| states::task::job_ended(slice, frame, answer)),
            Command::TokenAnswered { scheduled, nonce, answer } => {
                self.react(scheduled, |slice, frame| states::task::token_answered(slice, frame, nonce, answer))
            }
            Command::HeartbeatMissed { scheduled } => self.react(scheduled, states::task::heartbeat_missed),
            Command::ActivityStarted { scheduled, worker_name } => {
                self.react(scheduled, |slice, frame| states::task::activity_started(slice, frame, worker_name))
            }
            Command::Delivered { scheduled } => self.react(scheduled, states::task::delivered),
            Command::Stop { error, cause } => {
                self.event(FrameId::TOP, 0, EventKind::ExecutionAborted(clipped(error, cause)))?;
                Err(Ended)
            }
        }
    }

    fn start(&mut self, origin: Arc<Origin>, input: Payload) -> Result<(), Ended> {
        let role_arn = origin.role_arn.clone();
        self.note(Note::Created(origin));
        let most = self.identity().origin.is_express().then_some(EXPRESS_SECONDS_MAX);
        let seconds = self.definition.timeout_seconds.into_iter().chain(most).min();
        let deadline = seconds.map(|seconds| self.now.plus_seconds(seconds));
        let start_at = Arc::clone(&self.definition.state(self.definition.start_at).name);
        self.event(FrameId::TOP, 0, EventKind::ExecutionStarted { input, role_arn, deadline, start_at })?;
        Ok(())
    }

    /// Whatever is due happens, the execution's own deadline first.
    fn tick(&mut self) -> Result<(), Ended> {
        if self.execution.deadline.is_some_and(|deadline| deadline <= self.now) {
            let details = ErrorDetails { error: Some(crate::failure::TIMEOUT.to_owned()), cause: None };
            // SOURCE: measured, api.md: its end is its start and the time it had, however late the clock was looked at.
            self.now = self.execution.deadline.unwrap_or(self.now).max(self.execution.last_time);
            self.event(FrameId::TOP, 0, EventKind::ExecutionTimedOut(details))?;
            return Err(Ended);
        }
        let due: Vec<FrameId> =
            self.execution.frames.iter().filter(|(_, frame)| frame.due().is_some_and(|due| due <= self.now)).map(|(id, _)| *id).collect();
        for frame in due {
            // An earlier one may have failed the state that this frame was part of.
            let Some(doing) = self.execution.frames.get(&frame).and_then(Frame::visit).map(|visit| visit.doing.clone()) else { continue };
            let outcome = match doing {
                Doing::Waiting { due } if due <= self.now => states::wait::over(self, frame),
                Doing::BackingOff { due } if due <= self.now => self.try_again(frame),
                Doing::Task(task) if task.plan.deadline.is_some_and(|due| due <= self.now) => states::task::timed_out(self, frame),
                Doing::Waiting { .. } | Doing::BackingOff { .. } | Doing::Task(_) | Doing::Working | Doing::FannedOut(_) => Ok(()),
            };
            self.conclude(frame, outcome)?;
            self.execution.bound_trees();
        }
        Ok(())
    }

    /// Runs `reaction` in the frame whose attempt was scheduled by this event; late and forged commands find none.
    fn react(&mut self, scheduled: EventId, reaction: impl FnOnce(&mut Self, FrameId) -> Result<(), Halt>) -> Result<(), Ended> {
        let Some(frame) = self.execution.frame_of_task(scheduled) else { return Ok(()) };
        let outcome = reaction(self, frame);
        self.conclude(frame, outcome)?;
        self.execution.bound_trees();
        Ok(())
    }

    /// Takes states until every thread waits or the slice is full. The thread that waited longest is first.
    fn go_on(&mut self) -> Result<(), Ended> {
        while self.record_count < SLICE_EVENTS_MAX && self.bytes < SLICE_BYTES_MAX && self.budget.borrow().steps_left() > 0 {
            if self.execution.status != Status::Running {
                return Err(Ended);
            }
            let ready = self.execution.frames.iter().filter(|(_, frame)| matches!(frame.step, Step::Entering { .. }));
            let Some(frame) = ready.min_by_key(|(id, frame)| (frame.last, **id)).map(|(id, _)| *id) else { return Ok(()) };
            let outcome = self.enter(frame);
            self.conclude(frame, outcome)?;
            self.execution.bound_trees();
        }
        Ok(())
    }

    fn enter(&mut self, frame: FrameId) -> Result<(), Halt> {
        let Step::Entering { state, input } = self.execution.frame(frame).step.clone() else { return Ok(()) };
        if self.context.machine_deleted {
            let arn = self.identity().machine_arn.clone();
            let cause = format!("State machine {arn} has been deleted.");
            let previous = self.execution.frame(frame).last;
            self.event(FrameId::TOP, previous, EventKind::ExecutionFailed(clipped(Some(RUNTIME.to_owned()), Some(cause))))?;
            return Err(Halt::Ended);
        }
        let definition = Arc::clone(&self.definition);
        let Some(id) = definition.find(&state) else { return Ok(()) };
        match &definition.state(id).kind {
            StateKind::Pass(pass) => states::pass::enter(self, frame, pass, &state, input),
            StateKind::Task(task) => states::task::enter(self, frame, task, &state, input),
            StateKind::Choice(choice) => states::choice::enter(self, frame, choice, &state, input),
            StateKind::Wait(wait) => states::wait::enter(self, frame, wait, &state, input),
            StateKind::Succeed(succeed) => states::succeed::enter(self, frame, succeed, &state, input),
            StateKind::Fail(fail) => states::fail::enter(self, frame, fail, &state, input),
            StateKind::Parallel(parallel) => states::parallel::enter(self, frame, parallel, &state, input),
            StateKind::Map(map) => states::map::enter(self, frame, map, &state, input),
        }
    }

    /// The next attempt of a state that failed.
    fn try_again(&mut self, frame: FrameId) -> Result<(), Halt> {
        let definition = Arc::clone(&self.definition);
        match &self.state_of(frame, &definition) {
            Some(StateKind::Task(task)) => states::task::schedule(self, frame, task),
            Some(StateKind::Parallel(parallel)) => states::parallel::fan_out(self, frame, parallel),
            Some(StateKind::Map(map)) => states::map::fan_out(self, frame, map),
            Some(StateKind::Pass(_) | StateKind::Choice(_) | StateKind::Wait(_) | StateKind::Succeed(_) | StateKind::Fail(_)) | None => {
                Ok(())
            }
        }
    }

    /// What becomes of a step: a failure meets the state's handlers, then those around it.
    fn conclude(&mut self, frame: FrameId, outcome: Result<(), Halt>) -> Result<(), Ended> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Halt::Ended) => Err(Ended),
            Err(Halt::Failed(failure)) => crate::catch::handle(self, frame, failure),
        }
    }

    /// Leaves a state: the end of a block joins the state around it, or ends the execution.
    pub(crate) fn exit(&mut self, frame: FrameId, state_type: StateType, outcome: Outcome, transition: Transition) -> Result<(), Halt> {
        let visit = self.visit(frame);
        let name = Arc::clone(&visit.state);
        if outcome.output.byte_count() > PAYLOAD_BYTES_MAX || !self.fits_variables(frame, &outcome.assigned) {
            return Err(Halt::Failed(Failure::data_limit(&name)));
        }
        outcome.check_depth(&visit.input, &self.scope(frame))?;
        let next = match transition {
            Transition::Next(next) => Some(Arc::clone(&self.definition.state(next).name)),
            Transition::End => None,
        };
        self.leave(frame, state_type, name, outcome, next)?;
        Ok(())
    }

    /// Refuses what the state of `frame` is about to hand to a task, a branch or an iteration, when it is too large.
    pub(crate) fn check_size(&self, frame: FrameId, input: &Payload) -> Result<(), Failure> {
        match input.byte_count() > PAYLOAD_BYTES_MAX {
            true => Err(Failure::data_limit(&self.visit(frame).state)),
            false => Ok(()),
        }
    }

    /// Whether these variables may be set in `frame`, beside those that are there and stay. SOURCE: limits.md §1.
    pub(crate) fn fits_variables(&self, frame: FrameId, assigned: &[(Arc<str>, Payload)]) -> bool {
        let bytes: usize = assigned.iter().map(|(_, value)| value.byte_count()).sum();
        let known = &self.execution.frame(frame).variables;
        let replaced = || assigned.iter().filter_map(|(name, _)| known.get(name)).map(Payload::byte_count).sum::<usize>();
        bytes <= PAYLOAD_BYTES_MAX && (bytes == 0 || bytes + self.execution.variable_bytes() - replaced() <= VARIABLE_BYTES_MAX)
    }

    /// Records the exit and what follows from the end of a block.
    pub(crate) fn leave(
        &mut self,
        frame: FrameId,
        state_type: StateType,
        name: Arc<str>,
        outcome: Outcome,
        next: Option<Arc<str>>,
    ) -> Result<(), Halt> {
        let Outcome { output, assigned } = outcome;
        let ends_block = next.is_none();
        let (parent, index, previous) = {
            let frame = self.execution.frame(frame);
            (frame.parent, frame.index, frame.last)
        };
        let exit = self.event(frame, previous, EventKind::StateExited { state_type, name, output: output.light(), assigned, next })?;
        if !ends_block {
            return Ok(());
        }
        match parent {
            None => {
                self.event(FrameId::TOP, exit, EventKind::ExecutionSucceeded { output: output.light() })?;
                Err(Halt::Ended)
            }
            Some(parent) => {
                // What goes wrong from here on goes wrong in the state around the block.
                let outcome = states::block_ended(self, parent, index, exit);
                self.conclude(parent, outcome).map_err(Halt::from)
            }
        }
    }

    /// Records an Entered event and makes the scope of the state's expressions.
    pub(crate) fn entered(
        &mut self,
        frame: FrameId,
        state_type: StateType,
        name: &Arc<str>,
        input: Payload,
        due: Option<Timestamp>,
    ) -> Result<EventId, Ended> {
        let previous = self.execution.frame(frame).last;
        self.event(frame, previous, EventKind::StateEntered { state_type, name: Arc::clone(name), input: input.light(), due })
    }

    /// The scope of the state that `frame` is in.
    pub(crate) fn scope<'s>(&'s self, frame: FrameId) -> Scope<'s> {
        let visit = self.visit(frame);
        self.scope_of(frame, &visit.state, visit.entered, visit.entered_at, retry_count(visit))
    }

    /// The scope of a state that is about to be entered.
    pub(crate) fn scope_before<'s>(&'s self, frame: FrameId, state: &'s str) -> Scope<'s> {
        self.scope_of(frame, state, self.execution.last_event + 1, self.now, None)
    }

    fn scope_of<'s>(
        &'s self,
        frame: FrameId,
        state: &'s str,
        entered: EventId,
        entered_at: Timestamp,
        retry_count: Option<u64>,
    ) -> Scope<'s> {
        Scope {
            identity: self.identity(),
            state,
            entered,
            entered_at,
            now: self.now,
            retry_count,
            task_token: None,
            map_item: None,
            variables: Variables { frames: &self.execution.frames, frame },
            cancel: &self.context.cancel,
            dice: &self.dice,
            budget: &self.budget,
            steps_left: Cell::new(SCOPE_STEPS_MAX),
            last_opened: RefCell::default(),
            room_bytes: Cell::new(MADE_BYTES_MAX),
            fixed_context: &self.fixed_context,
            own_context: OnceCell::new(),
            context_object: OnceCell::new(),
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        self.execution.identity.as_ref().expect("a running execution has its first records")
    }

    pub(crate) fn visit(&self, frame: FrameId) -> &Visit {
        self.execution.frame(frame).visit().expect("called only between Entered and Exited")
    }

    pub(crate) fn last(&self, frame: FrameId) -> EventId {
        self.execution.frame(frame).last
    }

    /// The definition's state that `frame` is in.
    pub(crate) fn state_of<'d>(&self, frame: FrameId, definition: &'d Definition) -> Option<&'d StateKind> {
        let id: StateId = definition.find(&self.execution.frames.get(&frame)?.visit()?.state)?;
        Some(&definition.state(id).kind)
    }

    /// Records an event. The 25,000th of a Standard execution is always the end. SOURCE: history.md §1, limits.md §1.
    pub(crate) fn event(&mut self, frame: FrameId, previous: EventId, kind: EventKind) -> Result<EventId, Ended> {
        let id = self.execution.last_event + 1;
        if id >= EVENTS_MAX && !kind.is_terminal() && !self.identity().origin.is_express() {
            let cause = format!("The execution reached the maximum number of history events ({EVENTS_MAX}).");
            let details = ErrorDetails { error: Some(RUNTIME.to_owned()), cause: Some(cause) };
            let previous = self.execution.last_event;
            self.push(Record::Event(Event { id, previous, at: self.now, frame: FrameId::TOP, kind: EventKind::ExecutionFailed(details) }));
            return Err(Ended);
        }
        self.bytes += self.new_payload_bytes(frame, &kind);
        self.push(Record::Event(Event { id, previous, at: self.now, frame, kind }));
        Ok(id)
    }

    /// Bytes of payload that were in no event before: what a state hands on as it got it is not new.
    fn new_payload_bytes(&self, frame: FrameId, kind: &EventKind) -> usize {
        if let EventKind::StateExited { output, assigned, .. } = kind
            && let Some(visit) = self.execution.frames.get(&frame).and_then(Frame::visit)
            && visit.input.is_same(output)
        {
            return assigned_bytes(assigned);
        }
        payload_bytes(kind)
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.push(Record::Note(note));
    }

    fn push(&mut self, record: Record) {
        self.execution.apply(&record);
        self.record_count += 1;
        match self.keep {
            Keep::Records => self.records.push(record),
            Keep::Nothing => {}
        }
    }
}

fn assigned_bytes(assigned: &[(Arc<str>, Payload)]) -> usize {
    assigned.iter().map(|(_, value)| value.byte_count()).sum()
}

/// How often the state was tried again.
fn retry_count(visit: &Visit) -> Option<u64> {
    match visit.state_type {
        StateType::Task | StateType::Parallel | StateType::Map => Some(visit.attempts.iter().sum()),
        StateType::Pass | StateType::Choice | StateType::Wait | StateType::Succeed | StateType::Fail => None,
    }
}

/// Error and cause at the lengths AWS keeps.
pub(crate) fn clipped(error: Option<String>, cause: Option<String>) -> ErrorDetails {
    ErrorDetails { error: error.map(|text| clip(text, ERROR_CHARACTERS_MAX)), cause: cause.map(|text| clip(text, CAUSE_CHARACTERS_MAX)) }
}

fn clip(mut text: String, characters_max: usize) -> String {
    if text.len() > characters_max
        && let Some((end, _)) = text.char_indices().nth(characters_max)
    {
        text.truncate(end);
    }
    text
}

/// New payload bytes of an event: outputs, since inputs were outputs before.
pub(crate) fn payload_bytes(kind: &EventKind) -> usize {
    match kind {
        EventKind::StateExited { output, assigned, .. } => output.byte_count() + assigned_bytes(assigned),
        EventKind::LambdaFunctionScheduled { input: payload, .. }
        | EventKind::TaskScheduled { parameters: payload, .. }
        | EventKind::ActivityScheduled { input: payload, .. }
        | EventKind::MapIterationStarted { input: payload, .. } => payload.byte_count(),
        EventKind::ExecutionStarted { .. }
        | EventKind::ExecutionSucceeded { .. }
        | EventKind::ExecutionFailed(_)
        | EventKind::ExecutionTimedOut(_)
        | EventKind::ExecutionAborted(_)
        | EventKind::StateEntered { .. }
        | EventKind::EvaluationFailed { .. }
        | EventKind::LambdaFunctionStarted
        | EventKind::LambdaFunctionSucceeded { .. }
        | EventKind::LambdaFunctionFailed(_)
        | EventKind::LambdaFunctionTimedOut(_)
        | EventKind::LambdaFunctionScheduleFailed(_)
        | EventKind::LambdaFunctionStartFailed(_)
        | EventKind::TaskStarted { .. }
        | EventKind::TaskSubmitted { .. }
        | EventKind::TaskSucceeded { .. }
        | EventKind::TaskFailed { .. }
        | EventKind::TaskTimedOut { .. }
        | EventKind::TaskStartFailed { .. }
        | EventKind::TaskSubmitFailed { .. }
        | EventKind::ActivityStarted { .. }
        | EventKind::ActivitySucceeded { .. }
        | EventKind::ActivityFailed(_)
        | EventKind::ActivityTimedOut(_)
        | EventKind::ActivityScheduleFailed(_)
        | EventKind::ParallelStateStarted { .. }
        | EventKind::ParallelStateSucceeded
        | EventKind::ParallelStateFailed
        | EventKind::ParallelStateAborted
        | EventKind::MapStateStarted { .. }
        | EventKind::MapIterationSucceeded { .. }
        | EventKind::MapIterationFailed { .. }
        | EventKind::MapIterationAborted { .. }
        | EventKind::MapStateSucceeded
        | EventKind::MapStateFailed
        | EventKind::MapStateAborted
        | EventKind::TaskStateAborted
        | EventKind::WaitStateAborted => 0,
    }
}

/// The answer as a result, its size checked: AWS fails the task, and the workflow may catch that.
pub(crate) fn checked(answer: TaskAnswer, resource: &str) -> Result<Payload, Failure> {
    match answer {
        TaskAnswer::Succeeded { output } if output.byte_count() > PAYLOAD_BYTES_MAX => Err(Failure::data_limit(resource)),
        TaskAnswer::Succeeded { output } => Ok(output),
        TaskAnswer::Failed { error, cause } => {
            let kind = match error.as_deref() {
                Some(crate::failure::TIMEOUT) => FailureKind::Timeout,
                Some(_) | None => FailureKind::Task,
            };
            Err(Failure { error, cause, kind, location: None })
        }
    }
}
