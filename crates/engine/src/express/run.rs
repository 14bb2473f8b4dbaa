//! One Express execution from its first slice to its end.
//!
//! The loop of an owner, for one execution and without a store: decide, then act on what is outstanding.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use skald_asl::Timestamp;
use skald_integrations::Outcome;
use skald_interpreter::{Command, Context, Dice, Effect, EventId, Execution, Record, TaskAnswer, World};
use skald_query::Budget;
use skald_store::EntityId;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::Seat;
use crate::catalog::Revision;
use crate::error::Fault;
use crate::execution_log::Logging;
use crate::options::Compute;
use crate::owner::{Commands, INLINE_BYTES_MAX, ROUND_SLICES_TIME_MAX, Running, SLICE_STEPS_MAX, SLICES_PAUSE_FACTOR, Task, call_of, lend};

/// An execution, and what its task knows beside it.
pub(super) struct Run {
    seat: Seat,
    entity: EntityId,
    logging: Option<Arc<Logging>>,
    /// None while it is lent out.
    execution: Option<Box<Execution>>,
    calls: JoinSet<(EventId, Outcome)>,
    /// Running calls, by scheduled event.
    called: HashMap<EventId, AbortHandle>,
    /// Time spent on slices since the last pause.
    worked: Duration,
    start_counted: bool,
}

/// Why a run stopped before its execution's end.
pub(super) enum Cut {
    /// The engine stops.
    Stopping,
    Fault(Fault),
}

impl Run {
    pub(super) fn new(seat: Seat, entity: EntityId, revision: &Revision) -> Self {
        Self {
            seat,
            entity,
            logging: revision.logging.clone(),
            execution: Some(Box::new(Execution::unborn(Arc::clone(&revision.definition)))),
            calls: JoinSet::new(),
            called: HashMap::new(),
            worked: Duration::ZERO,
            start_counted: false,
        }
    }

    /// The execution; lent out only while a decision is awaited.
    pub(super) fn execution(&self) -> &Execution {
        self.execution.as_deref().expect("looked at only when it is not lent out")
    }

    /// Goes on with `command`, until the execution is over.
    pub(super) async fn see_end(mut self, command: Command) -> Result<Self, Cut> {
        let mut next = command;
        loop {
            let began = Instant::now();
            match self.may_be_slow(&next) {
                true => self.decide_away(next).await,
                false => self.decide_here(next),
            }
            .map_err(Cut::Fault)?;
            self.worked += began.elapsed();
            if self.execution().is_closed() {
                return Ok(self);
            }
            self.act()?;
            next = self.next().await?;
        }
    }

    /// Whether a decision is better made on the compute pool.
    pub(super) fn may_be_slow(&self, command: &Command) -> bool {
        let answered = match command {
            Command::Start { input, .. } => input.byte_count(),
            Command::CallAnswered { answer: TaskAnswer::Succeeded { output }, .. } => output.byte_count(),
            _ => 0,
        };
        match self.seat.shared.options.compute {
            Compute::Pool => {
                let execution = self.execution();
                execution.definition().speaks_jsonata() || answered + execution.payload_bytes() > INLINE_BYTES_MAX
            }
            Compute::Owner | Compute::Away => false,
        }
    }

    pub(super) fn decide_here(&mut self, command: Command) -> Result<(), Fault> {
        let mut execution = self.execution.take().expect("not lent out while this runs");
        let records = self.decision(None).make(&mut execution, command)?;
        self.take_back(execution, records);
        Ok(())
    }

    async fn decide_away(&mut self, command: Command) -> Result<(), Fault> {
        let mut execution = self.execution.take().expect("not lent out while this runs");
        let shared = Arc::clone(&self.seat.shared);
        let decision = self.decision(None);
        let decide = move |commands: Commands| {
            let decided = Decision { cancel: Some(commands.next()), ..decision }.make(&mut execution, command);
            (execution, decided)
        };
        let (execution, records) = lend(&shared.compute, decide).await;
        self.take_back(execution, records?);
        Ok(())
    }

    fn decision(&self, cancel: Option<Arc<AtomicBool>>) -> Decision {
        let shared = &self.seat.shared;
        let is_logged = self.logging.is_some();
        Decision { now: shared.now(), seed: shared.entropy.draw(), machine_deleted: self.seat.fate.is_deleting(), cancel, is_logged }
    }

    fn take_back(&mut self, execution: Box<Execution>, records: Vec<Record>) {
        let shared = &self.seat.shared;
        if let Some((logging, identity)) = self.logging.as_ref().zip(execution.identity()) {
            shared.log(logging, identity, records);
        }
        if let Some(identity) = execution.identity() {
            if !std::mem::replace(&mut self.start_counted, true) {
                shared.metrics.count_started(&identity.machine_arn);
            }
            if execution.is_closed() {
                shared.metrics.count_ended(&identity.machine_arn, crate::live::status_of(execution.status()).as_str());
            }
        }
        self.execution = Some(execution);
    }

    /// Starts what is outstanding and not running, ends what runs and is not outstanding.
    fn act(&mut self) -> Result<(), Cut> {
        let outstanding = self.execution().outstanding();
        if outstanding.is_empty() && self.called.is_empty() {
            return Ok(());
        }
        let wanted: BTreeSet<EventId> = outstanding.iter().map(Effect::scheduled).collect();
        self.called.retain(|scheduled, call| {
            let is_wanted = wanted.contains(scheduled);
            if !is_wanted {
                call.abort();
            }
            is_wanted
        });
        for effect in outstanding {
            match effect {
                Effect::Call { scheduled, .. } if self.called.contains_key(&scheduled) => {}
                Effect::Call { .. } if self.seat.shared.is_stopping() => return Err(Cut::Stopping),
                Effect::Call { scheduled, nonce, .. } => self.call(scheduled, nonce, effect),
                // No Express definition has activities or jobs: it was refused. And nobody waits for its end by a task.
                Effect::Offer { .. } | Effect::Follow { .. } | Effect::Cancel { .. } | Effect::Report { .. } => {}
            }
        }
        Ok(())
    }

    fn call(&mut self, scheduled: EventId, nonce: u64, effect: Effect) {
        let Some(identity) = self.execution().identity() else { return };
        let shared = Arc::clone(&self.seat.shared);
        let running = Running::begin(Arc::clone(&shared), self.entity);
        let task = Task { shared, entity: self.entity, nonce, call: call_of(effect, identity) };
        let handle = self.calls.spawn(async move {
            let outcome = task.performed().await;
            drop(running);
            (scheduled, outcome)
        });
        self.called.insert(scheduled, handle);
    }

    /// What happens next: the clock, an answer, or the next slice.
    async fn next(&mut self) -> Result<Command, Cut> {
        let shared = Arc::clone(&self.seat.shared);
        let mut closing = shared.express.closing.subscribe();
        loop {
            let now = shared.now();
            let due = self.execution().next_due();
            if due.is_some_and(|due| due <= now) {
                return Ok(Command::Tick);
            }
            if let Some(answered) = self.calls.try_join_next() {
                if let Some(command) = self.answered(answered)? {
                    return Ok(command);
                }
                continue;
            }
            if *closing.borrow() {
                return Err(Cut::Stopping);
            }
            if self.execution().is_ready() {
                self.take_turn().await;
                return Ok(Command::Continue);
            }
            // The clock may step forward meanwhile: naps are short.
            let nap_max = shared.options.nap_max;
            let nap = due.map_or(nap_max, |due| left(now, due).min(nap_max));
            tokio::select! {
                biased;
                Some(answered) = self.calls.join_next() => {
                    if let Some(command) = self.answered(answered)? {
                        return Ok(command);
                    }
                }
                _ = closing.changed() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }

    /// The command that an answer is; none when nobody waits for it.
    fn answered(&mut self, answered: Result<(EventId, Outcome), tokio::task::JoinError>) -> Result<Option<Command>, Cut> {
        let (scheduled, outcome) = match answered {
            Ok(answered) => answered,
            // Panics are caught where calls are made.
            Err(error) if error.is_cancelled() => return Ok(None),
            Err(error) => return Err(Cut::Fault(Fault(format!("a call was lost: {error}")))),
        };
        if self.called.remove(&scheduled).is_none() {
            return Ok(None);
        }
        let answer = match outcome {
            Outcome::Succeeded { output } => TaskAnswer::Succeeded { output },
            Outcome::Failed { error, cause } => TaskAnswer::Failed { error: Some(error), cause: Some(cause) },
            Outcome::GaveUp => return Err(Cut::Stopping),
        };
        Ok(Some(Command::CallAnswered { scheduled, answer }))
    }

    /// Lets others have their turn; whoever computes for long pauses, as slices of owners do.
    async fn take_turn(&mut self) {
        tokio::task::yield_now().await;
        if self.worked < ROUND_SLICES_TIME_MAX {
            return;
        }
        let shared = Arc::clone(&self.seat.shared);
        let _place = shared.express.turns.acquire().await.expect("never closed");
        tokio::time::sleep(self.worked * SLICES_PAUSE_FACTOR).await;
        self.worked = Duration::ZERO;
    }
}

/// One decision, as it may be made anywhere.
struct Decision {
    now: Timestamp,
    seed: u64,
    machine_deleted: bool,
    cancel: Option<Arc<AtomicBool>>,
    is_logged: bool,
}

impl Decision {
    /// The records, if they go to the log.
    ///
    /// # Errors
    /// A panic: a broken invariant stops one execution, not its neighbours.
    fn make(self, execution: &mut Execution, command: Command) -> Result<Vec<Record>, Fault> {
        let mut context = Context {
            now: self.now,
            dice: Dice::seeded(self.seed),
            world: &NoTokens,
            budget: Budget::of_steps(SLICE_STEPS_MAX),
            cancel: self.cancel,
            machine_deleted: self.machine_deleted,
        };
        let decided = std::panic::catch_unwind(AssertUnwindSafe(|| match self.is_logged {
            true => execution.advance(command, &mut context),
            false => {
                execution.advance_unrecorded(command, &mut context);
                Vec::new()
            }
        }));
        decided.map_err(|_| Fault("a decision panicked".to_owned()))
    }
}

/// An Express definition has neither tasks with tokens nor activities: it was refused.
struct NoTokens;

impl World for NoTokens {
    fn mint_token(&self, _scheduled: EventId, _nonce: u64) -> String {
        String::new()
    }

    fn activity_exists(&self, _arn: &str) -> bool {
        false
    }
}

fn left(now: Timestamp, due: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(due.millis.saturating_sub(now.millis)).unwrap_or(0))
}
