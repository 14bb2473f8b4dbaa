//! Express executions: run in memory, by the task that was asked for them, for five minutes at most.
//!
//! *Synchronous* ones are at most once: nothing is durable, and the caller is told how it ended. Most end within their
//! first slice, and then nobody but the caller's own task had to do with them. Others go on in a task of their own, whatever
//! becomes of the caller, as they do on AWS.
//!
//! *Asynchronous* ones are at least once: a row says that one has begun, and goes when it has ended. Rows that are there
//! when an engine opens are run again from the start.
//!
//! Not here, on purpose: what a state does (the same interpreter as of Standard executions), tokens, activities and jobs
//! (no Express definition has them).

mod row;
mod run;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use skald_interpreter::note::Origin;
use skald_interpreter::{Command, Status, failure};
use skald_store::{Batch, Change, Direction, EntityId, Epoch, Operation, PartitionId, Store, Table, Urgency};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::catalog::{Fate, Machined, StartInFlight};
use crate::error::{Fault, StartExecutionError, StartSyncExecutionError};
use crate::execution::{Described, StartExecution, Started};
use crate::keys;
use crate::live;
use crate::owner::FULL_PAUSE;
use crate::shared::Shared;
use row::Row;
use run::{Cut, Run};

/// Memory that running executions may take together, by the estimate of [`room_kib`].
const ROOM_KIB: usize = 256 * 1024;
/// What an execution takes beside what it was given, about.
const RUN_KIB: usize = 16;
/// Its input stands in its events, its states and its results.
const INPUT_FACTOR: usize = 4;
/// Of executions that never reach the store.
const NO_PARTITION: PartitionId = PartitionId(0);
/// Rows that are read at once when an engine opens.
const ROWS_AT_ONCE_MAX: usize = 1_000;
/// How long a stop waits for executions that were told to stop where they are.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What all Express executions of an engine share.
pub(crate) struct Express {
    /// Of the partitions that its rows belong to.
    epochs: HashMap<PartitionId, Epoch>,
    room: Arc<Semaphore>,
    /// Long computations pause in turn: at most as many compute at once as there are cores.
    turns: Semaphore,
    closing: watch::Sender<bool>,
}

/// What an execution occupies while it runs: memory, and its machine, which may not go meanwhile.
pub(super) struct Seat {
    shared: Arc<Shared>,
    fate: Arc<Fate>,
    _room: OwnedSemaphorePermit,
    _counted: StartInFlight,
}

impl Express {
    pub(crate) fn new(epochs: HashMap<PartitionId, Epoch>) -> Self {
        Self {
            epochs,
            room: Arc::new(Semaphore::new(ROOM_KIB)),
            turns: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
            closing: watch::channel(false).0,
        }
    }

    /// Stops executions where they are; asynchronous ones are run again by whoever opens the store next.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        let all_gone = self.room.acquire_many(u32::try_from(ROOM_KIB).expect("a constant that fits"));
        if tokio::time::timeout(CLOSE_PATIENCE, all_gone).await.is_err() {
            tracing::warn!("Express executions were cut off");
        }
    }
}

/// Runs an execution to its end; what became of it.
pub(crate) async fn start_sync(
    shared: &Arc<Shared>,
    machine: &Arc<Machined>,
    request: StartExecution,
) -> Result<Described, StartSyncExecutionError> {
    let room = take_room(shared, request.input.byte_count()).ok_or(StartSyncExecutionError::ThrottlingException)?;
    let seat = Seat::take(shared, &machine.fate, room).ok_or_else(|| StartSyncExecutionError::StateMachineDeleting(machine.arn()))?;
    let origin = origin(shared, machine, request.name, request.trace_header);
    let mut run = Run::new(seat, entity_in(shared, NO_PARTITION), &machine.revision);
    let start = Command::Start { origin, input: request.input };
    let ended = match run.may_be_slow(&start) {
        true => detached(run, start).await,
        false => match run.decide_here(start) {
            Ok(()) if run.execution().is_closed() => Ok(run),
            Ok(()) => detached(run, Command::Continue).await,
            Err(fault) => Err(Cut::Fault(fault)),
        },
    };
    match ended {
        Ok(run) => Ok(described(&run)),
        Err(Cut::Stopping) => Err(Fault("the engine stops, and an execution with it".to_owned()).into()),
        Err(Cut::Fault(fault)) => Err(fault.into()),
    }
}

/// Goes on in a task of its own: a caller that is gone ends nothing.
async fn detached(run: Run, command: Command) -> Result<Run, Cut> {
    let running = tokio::spawn(run.see_end(command));
    running.await.unwrap_or_else(|error| Err(Cut::Fault(Fault(format!("an Express execution was lost: {error}")))))
}

fn described(run: &Run) -> Described {
    let execution = run.execution();
    let identity = execution.identity().expect("a closed execution has its first records");
    let described = live::describe(identity, execution.status());
    match execution.status() {
        Status::TimedOut { .. } => Described { error: Some(failure::TIMEOUT.to_owned()), ..described },
        Status::Unborn | Status::Running | Status::Succeeded { .. } | Status::Failed { .. } | Status::Aborted { .. } => described,
    }
}

/// Notes durably that an execution begins, then answers; it runs on by itself.
pub(crate) async fn start(shared: &Arc<Shared>, machine: &Arc<Machined>, request: StartExecution) -> Result<Started, StartExecutionError> {
    let room = take_room(shared, request.input.byte_count()).ok_or(StartExecutionError::ThrottlingException)?;
    let seat = Seat::take(shared, &machine.fate, room).ok_or_else(|| StartExecutionError::StateMachineDeleting(machine.arn()))?;
    let row = Row { origin: origin(shared, machine, request.name, request.trace_header), input: request.input };
    let entity = entity_in(shared, keys::partition_of(&row.origin.machine_arn(), &row.origin.execution_name));
    let run = Run::new(seat, entity, &machine.revision);
    let (reply, answer) = oneshot::channel();
    // A caller that is gone must not leave behind an execution that has begun and does not run.
    tokio::spawn(begin(Arc::clone(shared), run, entity, row, reply));
    answer.await.map_err(|_| Fault("an Express execution was lost".to_owned()))?
}

async fn begin(shared: Arc<Shared>, run: Run, entity: EntityId, row: Row, reply: oneshot::Sender<Result<Started, StartExecutionError>>) {
    let started = Started { execution_arn: row.origin.execution_arn(), started_at: shared.now() };
    match append(&shared, entity, Operation::Put(row.encode())).await {
        Ok(()) => {
            // A caller that is gone needs no answer.
            let _ = reply.send(Ok(started));
            see_through(shared, run, entity, row).await;
        }
        Err(skald_store::Error::Full(_)) => drop(reply.send(Err(StartExecutionError::ThrottlingException))),
        Err(error) => drop(reply.send(Err(Fault::from(error).into()))),
    }
}

/// Runs an execution to its end, and notes that.
async fn see_through(shared: Arc<Shared>, run: Run, entity: EntityId, row: Row) {
    let start = Command::Start { origin: row.origin, input: row.input };
    match run.see_end(start).await {
        // Its seat is kept until its row is gone.
        Ok(_run) => strike_out(&shared, entity).await,
        Err(Cut::Stopping) => {}
        Err(Cut::Fault(fault)) => tracing::error!(%fault, %entity, "an Express execution rests until the next start"),
    }
}

async fn strike_out(shared: &Shared, entity: EntityId) {
    let mut struck = append(shared, entity, Operation::Delete).await;
    while let (Err(skald_store::Error::Full(_)), false) = (&struck, shared.is_stopping()) {
        tokio::time::sleep(FULL_PAUSE).await;
        struck = append(shared, entity, Operation::Delete).await;
    }
    if let Err(error) = struck {
        tracing::error!(%error, %entity, "an ended Express execution may run again after the next start");
    }
}

async fn append(shared: &Shared, entity: EntityId, operation: Operation) -> Result<(), skald_store::Error> {
    let partition = entity.partition();
    let epoch = *shared.express.epochs.get(&partition).ok_or(skald_store::Error::Fenced)?;
    let urgency = match operation {
        Operation::Delete => Urgency::RunningWork,
        Operation::Put(_) | Operation::PutIfAbsent(_) => Urgency::Start,
    };
    let changes = vec![Change { table: Table::Express, key: keys::express(entity), operation }];
    shared.metrics.appends.fetch_add(1, Ordering::Relaxed);
    shared.metrics.records.fetch_add(1, Ordering::Relaxed);
    let appended = shared.store.append(Batch { partition, epoch, urgency, at: shared.now().millis, entries: Vec::new(), changes }).await;
    if let Err(error) = &appended {
        shared.metrics.append_failures.fetch_add(1, Ordering::Relaxed);
        match error {
            // Another engine owns what is here, or nobody may write any more.
            skald_store::Error::Damaged(_) | skald_store::Error::Fenced => drop(shared.broken.send_replace(Some(error.to_string()))),
            skald_store::Error::Conflict(_) | skald_store::Error::Full(_) | skald_store::Error::Unknown(_) => {}
        }
    }
    appended
}

/// Executions that had begun and not ended.
pub(crate) async fn unfinished(store: &dyn Store) -> Result<Vec<EntityId>, skald_store::Error> {
    let (mut from, to) = (Vec::new(), [0xFF; 17]);
    let mut entities = Vec::new();
    loop {
        let rows = store.scan(Table::Express, &from, &to, Direction::Forward, ROWS_AT_ONCE_MAX).await?;
        let Some((last, _)) = rows.last() else { return Ok(entities) };
        from = last.to_vec();
        from.push(0);
        entities.extend(rows.iter().filter_map(|(key, _)| Some(EntityId::from_bytes(key.as_ref().try_into().ok()?))));
    }
}

/// Runs unfinished executions again, as there is room for them.
pub(crate) async fn run_again(shared: Arc<Shared>, unfinished: Vec<EntityId>) {
    for entity in unfinished {
        if shared.is_stopping() {
            return;
        }
        if let Err(fault) = run_one_again(&shared, entity).await {
            tracing::error!(%fault, %entity, "an Express execution cannot be run again");
        }
    }
}

async fn run_one_again(shared: &Arc<Shared>, entity: EntityId) -> Result<(), Fault> {
    let Some(bytes) = shared.store.get(Table::Express, &keys::express(entity)).await? else { return Ok(()) };
    let row = Row::decode(&bytes).ok_or_else(|| Fault("its row cannot be read".to_owned()))?;
    let revision = shared.book.revision(row.origin.revision).await?;
    let fate = shared.book.fate(row.origin.machine_incarnation);
    let room = Arc::clone(&shared.express.room).acquire_many_owned(room_kib(row.input.byte_count())).await.expect("never closed");
    // Of a machine that is being deleted it ends at its first state.
    let seat = Seat::of(shared, &fate, room);
    let run = Run::new(seat, entity, &revision);
    tokio::spawn(see_through(Arc::clone(shared), run, entity, row));
    Ok(())
}

impl Seat {
    /// None: the machine is being deleted.
    fn take(shared: &Arc<Shared>, fate: &Arc<Fate>, room: OwnedSemaphorePermit) -> Option<Self> {
        // Counted before it is looked at: a deletion sees the one or the other.
        let seat = Self::of(shared, fate, room);
        (!fate.is_deleting()).then_some(seat)
    }

    fn of(shared: &Arc<Shared>, fate: &Arc<Fate>, room: OwnedSemaphorePermit) -> Self {
        shared.metrics.express_running.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(shared), fate: Arc::clone(fate), _room: room, _counted: fate.begin_start() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.metrics.express_running.fetch_sub(1, Ordering::Relaxed);
    }
}

fn take_room(shared: &Shared, input_bytes: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(&shared.express.room).try_acquire_many_owned(room_kib(input_bytes)).ok()
}

/// How much memory an execution is counted with.
fn room_kib(input_bytes: usize) -> u32 {
    let kib = (RUN_KIB + INPUT_FACTOR * input_bytes / 1024).min(ROOM_KIB);
    u32::try_from(kib).unwrap_or(u32::MAX)
}

fn origin(shared: &Shared, machine: &Machined, name: Option<String>, trace_header: Option<String>) -> Arc<Origin> {
    let name = name.unwrap_or_else(|| shared.entropy.uuid());
    Arc::new(Origin { express_id: Some(shared.entropy.uuid()), ..machine.origin(name, trace_header) })
}

/// Its number among entities: no journal belongs to it.
fn entity_in(shared: &Shared, partition: PartitionId) -> EntityId {
    EntityId::new(partition, u64::try_from(shared.now().millis).unwrap_or(0), shared.entropy.draw())
}
