//! Deciding: queued commands become one chunk of records and one entry of a batch.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use skald_asl::Timestamp;
use skald_interpreter::frame::RunningTask;
use skald_interpreter::{Command, Context, Dice, EventId, Execution, Identity, Record, World, execution::TokenState, journal};
use skald_query::Budget;
use skald_store::{Batch, Change, Chunk, EntityId, Entry, Operation, Position, Table, Urgency};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::entity::{Entity, Item, Waiting};
use super::lend::{Commands, lend};
use super::message::{Question, Reply};
use super::{Appended, Owner, ROUND_SLICES_TIME_MAX, Round, SLICES_PAUSE_FACTOR};
use crate::catalog::Fate;
use crate::execution_log::Logging;
use crate::keys::{self, ListKind};
use crate::options::Compute;
use crate::retention;
use crate::shared::Shared;
use crate::token::Token;

/// Steps of evaluation in one slice. SOURCE: our own: some tens of milliseconds.
pub(crate) const SLICE_STEPS_MAX: u64 = 5_000_000;
/// Executions that carry more payload than this are decided on the compute pool.
pub(crate) const INLINE_BYTES_MAX: usize = 64 * 1024;
/// What goes to the store in one call, about: it is written in one piece.
const CALL_BYTES_MAX: usize = 2 << 20;
/// How long a full store is given before an append is tried again.
pub(crate) const FULL_PAUSE: Duration = Duration::from_millis(200);

/// A partition's batch in the making.
#[derive(Default)]
pub(super) struct Building {
    entries: Vec<Entry>,
    pub(super) changes: Vec<Change>,
    entities: Vec<EntityId>,
    names: Vec<Bytes>,
    logged: Vec<Logged>,
}

/// Records that go to the execution log when they are durable.
pub(crate) struct Logged {
    pub(super) logging: Arc<Logging>,
    pub(super) identity: Arc<Identity>,
    pub(super) records: Vec<Record>,
}

/// What a decision brought.
pub(crate) struct Decided {
    entity: EntityId,
    execution: Box<Execution>,
    /// Where the execution stood before.
    expected: u64,
    records: Vec<Record>,
    chunk: Bytes,
    /// Answers, to be given when the records are durable.
    waiting: Vec<Waiting>,
    /// Starts of the same name that came meanwhile.
    same_names: Vec<super::Start>,
}

/// How a decision ended.
pub(crate) struct Concluded {
    entity: EntityId,
    /// None when it panicked: a broken invariant stops one execution, not its neighbours.
    decided: Option<Decided>,
    go_on: GoOn,
    took: Duration,
}

/// Whether a decision was made at once, or lent to the compute pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Here,
    LentOut,
}

/// The commands of one decision.
struct Work {
    entity: EntityId,
    execution: Box<Execution>,
    items: Vec<Item>,
    fate: Arc<Fate>,
    seed: u64,
    now: Timestamp,
    /// Whether a slice may go on where the last one ended.
    go_on: GoOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GoOn {
    Yes,
    No,
}

impl Owner {
    /// Decides for every entity whose queue holds something.
    pub(super) fn decide_touched(&mut self) {
        while let Some(entity) = self.touched.pop_first() {
            self.decide(entity);
        }
    }

    /// Goes on with executions whose slice ended, for a while.
    pub(super) fn decide_ready(&mut self) {
        let began = Instant::now();
        if self.ready_at > began || !self.slices_wait() {
            return;
        }
        while let Some(entity) = self.ready.pop_front() {
            self.queued_ready.remove(&entity);
            if self.entities.get(&entity).is_some_and(|live| !live.busy && live.execution().is_ready()) {
                let place = self.decide_as(entity, GoOn::Yes);
                if place == Place::LentOut {
                    // Its time counts when it is back; until then no other slice goes on.
                    self.lent_slices += 1;
                    return;
                }
            }
            if began.elapsed() >= ROUND_SLICES_TIME_MAX {
                break;
            }
        }
        self.pause_slices(began.elapsed());
    }

    fn pause_slices(&mut self, took: Duration) {
        self.ready_at = Instant::now() + took * SLICES_PAUSE_FACTOR;
    }

    pub(super) fn decide(&mut self, entity: EntityId) {
        if self.decide_as(entity, GoOn::No) == Place::LentOut {
            // Other timers do not wait for a slow decision.
            self.fired.remove(&entity);
        }
    }

    fn decide_as(&mut self, entity: EntityId, go_on: GoOn) -> Place {
        let Some(live) = self.entities.get_mut(&entity).filter(|live| !live.busy) else { return Place::Here };
        // What a start was told is what its execution begins with.
        let now = live.birth.as_ref().map_or_else(|| self.shared.now(), |birth| birth.at);
        live.judge_heartbeats(now);
        let Some(execution) = live.execution.take() else { return Place::Here };
        live.busy = true;
        // Its place in the line of those to be parked: it gets a new one.
        self.idle.remove(&(live.active_at, entity));
        live.active_at = now;
        let work = Work {
            entity,
            execution,
            items: live.queue.drain(..).collect(),
            fate: Arc::clone(&live.fate),
            seed: self.shared.entropy.draw(),
            now,
            go_on,
        };
        let shared = Arc::clone(&self.shared);
        match self.shared.options.compute {
            Compute::Pool if work.may_be_slow() => {
                self.decisions.spawn(async move {
                    let worker = Arc::clone(&shared);
                    lend(&shared.compute, move |commands| work.conclude(&worker, Some(commands))).await
                });
                Place::LentOut
            }
            Compute::Away => {
                self.decisions.spawn(async move { work.conclude(&shared, None) });
                Place::LentOut
            }
            Compute::Pool | Compute::Owner => {
                let concluded = work.conclude(&self.shared, None);
                self.take_concluded(concluded);
                Place::Here
            }
        }
    }

    pub(super) fn take_lent(&mut self, concluded: Result<Concluded, JoinError>) {
        match concluded {
            Ok(concluded) => {
                if concluded.go_on == GoOn::Yes {
                    self.lent_slices -= 1;
                    self.pause_slices(concluded.took);
                }
                self.take_concluded(concluded);
            }
            // Panics are caught where they happen; a pool that goes down takes the owner with it.
            Err(error) => tracing::error!(%error, "a decision did not come back"),
        }
    }

    fn take_concluded(&mut self, concluded: Concluded) {
        match concluded.decided {
            Some(decided) => self.take_decision(decided),
            None => self.rest(concluded.entity),
        }
    }

    /// Puts what was decided into its partition's batch; without records, answers at once.
    fn take_decision(&mut self, decided: Decided) {
        let Decided { entity, execution, expected, records, chunk, waiting, same_names } = decided;
        let Some(live) = self.entities.get_mut(&entity) else { return };
        live.execution = Some(execution);
        live.waiting.extend(waiting);
        live.queue.extend(same_names.into_iter().map(|start| Item::SameName(Box::new(start))));
        if records.is_empty() {
            self.settle(entity);
            return;
        }
        let urgency = if live.birth.is_some() { Urgency::Start } else { Urgency::RunningWork };
        let building = self.batches.entry((entity.partition(), urgency)).or_default();
        if let Some(birth) = &live.birth {
            // The name is taken by the batch that makes the execution, or not at all.
            let operation = Operation::PutIfAbsent(birth.record.clone());
            building.changes.push(Change { table: Table::Names, key: birth.name.clone(), operation });
            building.names.push(birth.name.clone());
        }
        let (changes, head) = index_changes(live, entity, self.shared.options.retention);
        building.changes.extend(changes);
        building.entities.push(entity);
        building.entries.push(Entry {
            entity,
            expected: Position(expected),
            chunk: Some(Chunk { count: u32::try_from(records.len()).expect("a decision is a few slices"), bytes: chunk }),
            head,
        });
        self.shared.metrics.records.fetch_add(records.len() as u64, Ordering::Relaxed);
        if let Some((logging, identity)) = live.logging.as_ref().zip(live.execution().identity()) {
            building.logged.push(Logged { logging: Arc::clone(logging), identity: Arc::clone(identity), records });
        }
    }

    /// Adds an entry without records: a new head.
    pub(super) fn append_head(&mut self, entity: EntityId, expected: u64, head: Bytes, changes: Vec<Change>) {
        let building = self.batches.entry((entity.partition(), Urgency::RunningWork)).or_default();
        building.changes.extend(changes);
        building.entities.push(entity);
        building.entries.push(Entry { entity, expected: Position(expected), chunk: None, head: Some(head) });
    }

    /// Hands the round's batches to the store.
    pub(super) fn submit(&mut self) {
        let at = self.shared.now().millis;
        let (mut batches, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
        for ((partition, urgency), building) in std::mem::take(&mut self.batches) {
            let Some(epoch) = self.epochs.get(&partition).copied() else { continue };
            let Building { entries, changes, entities, names, logged } = building;
            // A start is refused when the store is full, running work waits for room: they do not share a batch.
            let batch = Batch { partition, epoch, urgency, at, entries, changes };
            bytes += batch.byte_count();
            let kept = (urgency == Urgency::RunningWork).then(|| batch.clone());
            batches.push(batch);
            waiting.push(Appended { entities, names, logged, kept, result: Ok(()) });
            if bytes > CALL_BYTES_MAX {
                self.spawn_append(std::mem::take(&mut batches), std::mem::take(&mut waiting));
                bytes = 0;
            }
        }
        if !batches.is_empty() {
            self.spawn_append(batches, waiting);
        }
    }

    /// `appended` is what comes back, with each batch's result.
    fn spawn_append(&mut self, batches: Vec<Batch>, mut appended: Vec<Appended>) {
        self.appended = true;
        let shared = Arc::clone(&self.shared);
        shared.metrics.appends.fetch_add(batches.len() as u64, Ordering::Relaxed);
        let began = Instant::now();
        let appending = shared.store.append_all(batches);
        self.appends.spawn(async move {
            for (appended, result) in appended.iter_mut().zip(appending.await) {
                appended.result = result;
            }
            let took = began.elapsed();
            shared.metrics.flush_seconds.observe(took);
            Round { appended, took }
        });
    }

    /// Running work that found the store full waits for room.
    pub(super) fn append_again(&mut self, batch: Batch, mut appended: Appended) {
        let shared = Arc::clone(&self.shared);
        self.appends.spawn(async move {
            tokio::time::sleep(FULL_PAUSE).await;
            let began = Instant::now();
            appended.kept = Some(batch.clone());
            appended.result = shared.store.append(batch).await;
            Round { appended: vec![appended], took: began.elapsed() }
        });
    }
}

impl Work {
    fn may_be_slow(&self) -> bool {
        self.execution.definition().speaks_jsonata() || self.weight() > INLINE_BYTES_MAX
    }

    /// Bytes that a decision may have to look into.
    fn weight(&self) -> usize {
        let of_items = self.items.iter().map(|item| match item {
            Item::Command(Command::CallAnswered { answer, .. } | Command::JobEnded { answer, .. })
            | Item::Question(Question::Token { answer, .. } | Question::JobEnded { answer, .. }, _) => match answer {
                skald_interpreter::TaskAnswer::Succeeded { output } => output.byte_count(),
                skald_interpreter::TaskAnswer::Failed { .. } => 0,
            },
            Item::Command(Command::Start { input, .. }) => input.byte_count(),
            Item::Command(_) | Item::Question(..) | Item::SameName(_) => 0,
        });
        of_items.sum::<usize>() + self.execution.payload_bytes()
    }

    /// Decides; with `commands`, where someone watches how long that takes.
    fn conclude(self, shared: &Shared, commands: Option<Commands>) -> Concluded {
        let (entity, go_on, began) = (self.entity, self.go_on, Instant::now());
        let decided = std::panic::catch_unwind(AssertUnwindSafe(|| self.decide(shared, commands))).ok();
        Concluded { entity, decided, go_on, took: began.elapsed() }
    }

    fn decide(self, shared: &Shared, commands: Option<Commands>) -> Decided {
        let Self { entity, mut execution, items, fate, seed, now, go_on } = self;
        let expected = execution.position();
        let dice = Dice::seeded(seed);
        let mut decided = Decision { entity, shared, fate, dice, now, commands, records: Vec::new(), waiting: Vec::new() };
        let mut same_names = Vec::new();
        for item in items {
            match item {
                Item::Command(command) => decided.command(&mut execution, command),
                Item::Question(question, reply) => {
                    let answer = decided.question(&mut execution, question);
                    decided.waiting.push(Waiting::Reply(reply, answer));
                }
                Item::SameName(start) => same_names.push(*start),
            }
        }
        if go_on == GoOn::Yes && decided.records.is_empty() {
            decided.command(&mut execution, Command::Continue);
        }
        let chunk = if decided.records.is_empty() { Bytes::new() } else { Bytes::from(journal::encode(&decided.records)) };
        Decided { entity, execution, expected, records: decided.records, chunk, waiting: decided.waiting, same_names }
    }
}

/// Several commands to one execution, one after the other.
struct Decision<'s> {
    entity: EntityId,
    shared: &'s Shared,
    fate: Arc<Fate>,
    dice: Dice,
    now: Timestamp,
    commands: Option<Commands>,
    records: Vec<Record>,
    waiting: Vec<Waiting>,
}

impl Decision<'_> {
    fn command(&mut self, execution: &mut Execution, command: Command) {
        let world = Surroundings { entity: self.entity, shared: self.shared };
        let mut context = Context {
            now: self.now,
            dice: Dice::seeded(self.dice.roll()),
            world: &world,
            budget: Budget::of_steps(SLICE_STEPS_MAX),
            cancel: self.commands.as_ref().map(Commands::next),
            machine_deleted: self.fate.is_deleting(),
        };
        self.records.extend(execution.advance(command, &mut context));
    }

    fn question(&mut self, execution: &mut Execution, question: Question) -> Reply {
        if execution.position() == 0 {
            return Reply::Missing;
        }
        match question {
            Question::Token { scheduled, nonce, answer } => match execution.token_state(scheduled, nonce) {
                TokenState::Closed => Reply::TaskClosed,
                TokenState::Open => {
                    self.command(execution, Command::TokenAnswered { scheduled, nonce, answer });
                    Reply::Done
                }
            },
            Question::JobEnded { scheduled, nonce, answer } => match execution.token_state(scheduled, nonce) {
                TokenState::Closed => Reply::TaskClosed,
                TokenState::Open => {
                    self.command(execution, Command::JobEnded { scheduled, answer });
                    Reply::Done
                }
            },
            Question::Heartbeat { scheduled, nonce, at: _ } => match execution.token_state(scheduled, nonce) {
                TokenState::Closed => Reply::TaskClosed,
                TokenState::Open => Reply::Done,
            },
            Question::Stop { error, cause } => {
                self.command(execution, Command::Stop { error, cause });
                let at = crate::live::stopped_at(execution.status()).unwrap_or(self.now);
                Reply::Stopped { at }
            }
            Question::Poll { scheduled, worker_name } => {
                self.command(execution, Command::ActivityStarted { scheduled, worker_name });
                Reply::Task(self.offered(execution, scheduled))
            }
        }
    }

    /// The task of an offer that still stands, with its token.
    fn offered(&self, execution: &Execution, wanted: EventId) -> Option<(String, skald_query::Payload)> {
        let (_, task) = execution.offers().find(|(_, task)| task.scheduled == wanted)?;
        let token = Token { entity: self.entity, scheduled: wanted, nonce: task.plan.nonce };
        Some((self.shared.tokens.mint(token), task.parameters.clone()))
    }
}

/// What a decision may ask.
struct Surroundings<'s> {
    entity: EntityId,
    shared: &'s Shared,
}

impl World for Surroundings<'_> {
    fn mint_token(&self, scheduled: EventId, nonce: u64) -> String {
        self.shared.tokens.mint(Token { entity: self.entity, scheduled, nonce })
    }

    fn activity_exists(&self, arn: &str) -> bool {
        self.shared.book.activity(arn).is_some()
    }
}

/// The table rows that follow from where an execution stands now, and its head when it is over.
fn index_changes(live: &mut Entity, entity: EntityId, retention: Duration) -> (Vec<Change>, Option<Bytes>) {
    let mut changes = Vec::new();
    let settled = live.execution().is_settled();
    offer_changes(live, entity, &mut changes);
    if let Some(due) = live.timer_due.take() {
        changes.push(delete(Table::Timers, keys::timer(due, entity)));
    }
    if live.awake == settled {
        live.awake = !settled;
        changes.push(if settled {
            delete(Table::Awake, keys::awake(entity))
        } else {
            put(Table::Awake, keys::awake(entity), Bytes::new())
        });
    }
    if live.execution().is_closed() {
        list_changes(live, entity, &mut changes);
    }
    if settled {
        let envelope = live.envelope(None, live.listed);
        let kept_for = live.fate.retention().unwrap_or(retention);
        let sorted_by = envelope.stopped_at.unwrap_or(envelope.started_at);
        let (key, value) = retention::row(kept_for, entity, envelope.status, sorted_by, &live.prefix, &envelope.name);
        changes.push(put(Table::Retention, key, value));
    }
    let wants_head = std::mem::take(&mut live.wants_head);
    let head = (settled || wants_head).then(|| live.head(None, live.listed).encode());
    (changes, head)
}

/// An ended execution stands in its lists by its end, not by its start.
fn list_changes(live: &mut Entity, entity: EntityId, changes: &mut Vec<Change>) {
    let envelope = live.envelope(None, true);
    let prefix = &live.prefix;
    if std::mem::take(&mut live.listed) {
        for kind in [ListKind::All, ListKind::Status(crate::execution::ExecutionStatus::Running)] {
            changes.push(delete(Table::Lists, keys::list(prefix, kind, envelope.started_at, entity)));
        }
    }
    let sort_time = envelope.stopped_at.unwrap_or(envelope.started_at);
    for kind in [ListKind::All, ListKind::Status(envelope.status)] {
        changes.push(put(Table::Lists, keys::list(prefix, kind, sort_time, entity), envelope.encode()));
    }
}

/// Rows of the activity queues: exactly the offers that stand.
fn offer_changes(live: &mut Entity, entity: EntityId, changes: &mut Vec<Change>) {
    let standing = standing_offers(live.execution(), entity);
    let gone: Vec<EventId> =
        live.offers.keys().filter(|scheduled| !standing.iter().any(|(standing, _)| standing == *scheduled)).copied().collect();
    for scheduled in gone {
        // The queue in memory forgets it when this is durable.
        if let Some((_, key)) = live.offers.get(&scheduled) {
            changes.push(delete(Table::ActivityTasks, key.clone()));
        }
    }
    for (scheduled, (activity_arn, key)) in standing {
        if let std::collections::btree_map::Entry::Vacant(row) = live.offers.entry(scheduled) {
            changes.push(put(Table::ActivityTasks, key.clone(), Bytes::new()));
            row.insert((activity_arn, key));
        }
    }
}

/// The offers that stand, with their rows' keys.
pub(super) fn standing_offers(execution: &Execution, entity: EntityId) -> Vec<(EventId, (String, Bytes))> {
    let row = |(arn, task): (&str, &RunningTask)| {
        let key = keys::activity_task(arn, task.scheduled_at, entity, task.scheduled);
        (task.scheduled, (arn.to_owned(), key))
    };
    execution.offers().map(row).collect()
}

pub(super) fn put(table: Table, key: Bytes, value: Bytes) -> Change {
    Change { table, key, operation: Operation::Put(value) }
}

pub(super) fn delete(table: Table, key: Bytes) -> Change {
    Change { table, key, operation: Operation::Delete }
}
