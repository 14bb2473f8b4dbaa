//! What outlives an engine: the disk, the clock, the workers and people outside, and what they remember.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use skald_asl::Definition;
use skald_engine::Engine;
use skald_engine::clock::Clock;
use skald_engine::token::{KeyRing, Token};
use skald_interpreter::EventId;
use skald_store::{Batch, EntityId, Error, Position, Store};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::disk::{Disk, DiskPlan};
use crate::faults::{Fault, FaultKind};
use crate::ledger::Ledger;
use crate::script::Script;
use crate::simulation::Settings;

/// When runs begin: 2030-01-01T00:00:00Z.
pub(crate) const BEGINNING_MS: i64 = 1_893_456_000_000;
/// The key of every simulated store.
pub(crate) const TOKEN_SECRET: [u8; 32] = *b"a secret that only tests know of";

/// No run needs so many appends: an engine that does goes round in circles.
const APPENDS_MAX: u64 = 100_000;

/// See the module.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) script: Script,
    disk: Mutex<Disk>,
    /// Batches of which nobody knows whether they are durable: their disk crashed.
    in_doubt: Mutex<Vec<Batch>>,
    ledger: Mutex<Ledger>,
    /// Time at the start of this life, and the runtime's instant of then.
    time: Mutex<(i64, Option<Instant>)>,
    /// How far the wall clock is off.
    pub(crate) clock_step_ms: AtomicI64,
    faults: Vec<Fault>,
    appends: AtomicU64,
    /// Of the disk, when the first engine was open.
    pub(crate) operations_open: AtomicU64,
    /// How many engines there were.
    lives: AtomicU32,
    /// The number of the engine that claimed the partitions last: the only one that may act.
    pub(crate) owner: AtomicU32,
    crashed: AtomicBool,
    pub(crate) crash: Notify,
    pub(crate) takeover: Notify,
    /// The engine goes round in circles.
    pub(crate) circles: Notify,
    /// Something became durable, or an actor finished.
    pub(crate) changed: Notify,
    pub(crate) engine: Mutex<Option<Engine>>,
    /// People who answer by a token, in this life of the engine.
    pub(crate) token_holders: Mutex<JoinSet<()>>,
    pub(crate) memory: Mutex<Memory>,
}

/// What the world outside remembers.
#[derive(Default)]
pub(crate) struct Memory {
    /// Answers that were given: which one of its key's, by execution and scheduled event.
    pub(crate) answered: BTreeMap<(String, EventId), crate::script::Step>,
    /// How many of a key's answers were handed out.
    pub(crate) used: BTreeMap<String, usize>,
    /// Calls, by life, execution and scheduled event.
    pub(crate) called: BTreeSet<(u32, String, EventId)>,
    pub(crate) request_ids: BTreeMap<(String, EventId), String>,
    pub(crate) calls: u64,
    pub(crate) cancelled: BTreeMap<(String, EventId), u32>,
    pub(crate) cancels_failed: u32,
    /// Engines that were told that another one owns the partitions.
    pub(crate) deposed: BTreeSet<u32>,
    pub(crate) tokens: Vec<crate::actors::HeldToken>,
    /// Which acts of the script were done, and which executions were started.
    pub(crate) acts_done: BTreeSet<usize>,
    pub(crate) started: BTreeSet<u32>,
    /// What people outside were told.
    pub(crate) replies: Vec<String>,
    pub(crate) offers: BTreeMap<String, usize>,
}

impl World {
    pub(crate) fn new(
        definition: Arc<Definition>,
        script: Script,
        settings: Settings,
        faults: Vec<Fault>,
        disk: &DiskPlan,
    ) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            settings,
            script,
            disk: Mutex::new(Disk::new(disk)?),
            in_doubt: Mutex::default(),
            ledger: Mutex::new(Ledger::new(definition)),
            time: Mutex::new((BEGINNING_MS, None)),
            clock_step_ms: AtomicI64::new(0),
            faults,
            appends: AtomicU64::new(0),
            operations_open: AtomicU64::new(0),
            lives: AtomicU32::new(0),
            owner: AtomicU32::new(0),
            crashed: AtomicBool::new(false),
            crash: Notify::new(),
            takeover: Notify::new(),
            circles: Notify::new(),
            changed: Notify::new(),
            engine: Mutex::new(None),
            token_holders: Mutex::default(),
            memory: Mutex::default(),
        }))
    }

    /// The store on the disk.
    ///
    /// # Errors
    /// It does not open, and says why.
    pub(crate) fn disk(&self) -> Result<Arc<dyn Store>, Error> {
        self.disk.lock().expect("no panic").store()
    }

    /// The disk's operations so far.
    pub(crate) fn disk_operations(&self) -> u64 {
        self.disk.lock().expect("no panic").operations()
    }

    /// The disk crashed while `batch` was on its way.
    pub(crate) fn leave_in_doubt(&self, batch: Batch) {
        self.in_doubt.lock().expect("no panic").push(batch);
    }

    /// Whatever was acknowledged is in the store, and all or nothing of what was in doubt.
    pub(crate) async fn check_recovered(&self, store: &dyn Store) -> Result<(), Error> {
        let in_doubt = self.in_doubt.lock().expect("no panic").clone();
        for batch in in_doubt {
            let (mut written, mut lost) = (0, 0);
            for entry in &batch.entries {
                let count = entry.chunk.as_ref().map_or(0, |chunk| u64::from(chunk.count));
                match store.position(entry.entity).await?.0 {
                    _ if count == 0 => {}
                    position if position >= entry.expected.0 + count => written += 1,
                    _ => lost += 1,
                }
            }
            match (written, lost) {
                (0, _) => {}
                (_, 0) => self.became_durable(&batch),
                _ => self.violation(format!("half of a batch survived: {written} entries of {}", written + lost)),
            }
            // Not before it is known: the disk may crash again while it is read.
            self.in_doubt.lock().expect("no panic").remove(0);
        }
        let known: Vec<(EntityId, String, u64)> =
            self.ledger().journals().map(|(entity, journal)| (*entity, journal.arn.clone(), journal.records())).collect();
        for (entity, arn, records) in known {
            let Position(found) = store.position(entity).await?;
            if found != records {
                self.violation(format!("{arn}: {records} records were acknowledged, {found} are there"));
            }
        }
        Ok(())
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no panic in the ledger")
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no panic in the memory")
    }

    pub(crate) fn violation(&self, text: String) {
        self.ledger().violations.push(text);
    }

    /// A new process' time begins.
    pub(crate) fn begin_life(&self) {
        self.time.lock().expect("no panic").1 = Some(Instant::now());
        self.crashed.store(false, Ordering::Relaxed);
    }

    /// The number of the next engine.
    pub(crate) fn next_life(&self) -> u32 {
        self.lives.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The engine is gone; what it had not made durable is lost.
    pub(crate) fn end_life(&self, downtime_ms: i64) {
        let now = self.now_ms();
        *self.time.lock().expect("no panic") = (now + downtime_ms, None);
        *self.engine.lock().expect("no panic") = None;
        *self.token_holders.lock().expect("no panic") = JoinSet::new();
        self.disk.lock().expect("no panic").end_life();
    }

    /// True time, whatever the wall clock says.
    pub(crate) fn now_ms(&self) -> i64 {
        let (base, began) = *self.time.lock().expect("no panic");
        base + began.map_or(0, |began| i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// How long after an event it may still be acted on: what became durable just before a takeover.
    pub(crate) fn acting_ms(&self) -> i64 {
        i64::try_from(self.settings.flush_ms).unwrap_or(i64::MAX) + self.clock_step_ms.load(Ordering::Relaxed).max(0) + 2
    }

    /// Sleeps until `at_ms` of true time.
    pub(crate) async fn sleep_until(&self, at_ms: i64) {
        let left = at_ms - self.now_ms();
        if let Ok(left) = u64::try_from(left) {
            tokio::time::sleep(std::time::Duration::from_millis(left)).await;
        }
    }

    pub(crate) fn next_fault(&self) -> Option<FaultKind> {
        let number = self.appends.fetch_add(1, Ordering::Relaxed) + 1;
        if number == APPENDS_MAX {
            self.violation(format!("{number} appends, and no end"));
            self.circles.notify_one();
        }
        let strikes = |fault: &&Fault| match fault.kind {
            FaultKind::Full { appends } => (fault.append..fault.append + appends).contains(&number),
            FaultKind::CrashBefore
            | FaultKind::CrashAfter
            | FaultKind::UnknownWritten
            | FaultKind::UnknownLost
            | FaultKind::Conflict
            | FaultKind::Takeover => fault.append == number,
        };
        let kind = self.faults.iter().find(strikes).map(|fault| fault.kind);
        match kind {
            // What was dropped and read again may be called again.
            Some(FaultKind::Full { .. } | FaultKind::UnknownWritten | FaultKind::UnknownLost | FaultKind::Conflict) => {
                self.memory().called.clear()
            }
            Some(FaultKind::CrashBefore | FaultKind::CrashAfter | FaultKind::Takeover) | None => {}
        }
        kind
    }

    pub(crate) fn appends(&self) -> u64 {
        self.appends.load(Ordering::Relaxed)
    }

    pub(crate) fn crash(&self) {
        self.crashed.store(true, Ordering::Relaxed);
        self.crash.notify_one();
    }

    pub(crate) fn is_crashed(&self) -> bool {
        self.crashed.load(Ordering::Relaxed)
    }

    pub(crate) fn became_durable(&self, batch: &Batch) {
        self.ledger().enter(batch);
        self.changed.notify_waiters();
    }

    pub(crate) fn engine(&self) -> Option<Engine> {
        self.engine.lock().expect("no panic").clone()
    }

    /// What a token says.
    pub(crate) fn read_token(text: &str) -> Option<Token> {
        KeyRing::of(TOKEN_SECRET).verify(text).ok()
    }

    /// When an event happened.
    pub(crate) fn event_time(&self, entity: EntityId, id: EventId) -> Option<i64> {
        self.ledger().journal(entity)?.events().find(|event| event.id == id).map(|event| event.at.millis)
    }
}

/// The wall clock of one life.
pub(crate) struct WallClock(pub(crate) Arc<World>);

impl Clock for WallClock {
    fn wall_millis(&self) -> i64 {
        self.0.now_ms() + self.0.clock_step_ms.load(Ordering::Relaxed)
    }
}
