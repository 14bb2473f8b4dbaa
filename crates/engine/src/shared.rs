//! What owners, readers and callers of one engine share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use skald_asl::Timestamp;
use skald_aws::hex;
use skald_integrations::Perform;
use skald_interpreter::{Dice, Identity, Record};
use skald_store::{EntityId, EntityMap, PartitionId, Store};
use tokio::sync::Notify;

use crate::activity::Queues;
use crate::admission::LiveBytes;
use crate::catalog::Book;
use crate::clock::SteadyClock;
use crate::execution_log::{Log, Logging};
use crate::express::Express;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::owner::Inbox;
use crate::token::KeyRing;

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) perform: Arc<dyn Perform>,
    pub(crate) clock: SteadyClock,
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    pub(crate) book: Book,
    pub(crate) tokens: KeyRing,
    pub(crate) live: Live,
    pub(crate) queues: Arc<Queues>,
    pub(crate) entropy: Entropy,
    /// Reads do not pass through an inbox: this bounds how many hold pages in memory.
    pub(crate) reads: tokio::sync::Semaphore,
    /// The same for pages of history; each takes a few MiB at most.
    pub(crate) histories: tokio::sync::Semaphore,
    /// A place for each core on the compute pool.
    pub(crate) compute: tokio::sync::Semaphore,
    pub(crate) owners: Vec<Inbox>,
    /// No new calls and no new starts.
    pub(crate) stopping: AtomicBool,
    pub(crate) calls: RunningCalls,
    pub(crate) express: Express,
    pub(crate) log: Log,
    pub(crate) live_bytes: LiveBytes,
    /// Starts that wait for their answer.
    pub(crate) starts_waiting: Arc<AtomicU64>,
    /// The store said that it is broken: why.
    pub(crate) broken: tokio::sync::watch::Sender<Option<String>>,
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The owner of a partition.
    pub(crate) fn inbox(&self, partition: PartitionId) -> &Inbox {
        &self.owners[usize::from(partition.0) % self.owners.len()]
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Has those of `records` logged that the machine asked for, if there is room.
    pub(crate) fn log(&self, logging: &Arc<Logging>, identity: &Arc<Identity>, records: Vec<Record>) {
        let dropped = self.log.take(&self.options.execution_log, logging, identity, records);
        self.metrics.log_events_dropped.fetch_add(dropped, Ordering::Relaxed);
    }
}

/// Random numbers for ids, seeds and nonces, from one seed.
pub(crate) struct Entropy {
    seed: u64,
    drawn: AtomicU64,
}

impl Entropy {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }

    pub(crate) fn draw(&self) -> u64 {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        Dice::seeded(self.seed ^ drawn.wrapping_mul(0xD6E8_FEB8_6659_FD93)).roll()
    }

    pub(crate) fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.draw().to_be_bytes());
        bytes[8..].copy_from_slice(&self.draw().to_be_bytes());
        hex::uuid(bytes)
    }
}

/// A UUID that depends on `parts` alone.
pub(crate) fn derived_uuid(parts: &[&[u8]]) -> String {
    let hash = hash_of(parts);
    hex::uuid(hash[..16].try_into().expect("a SHA-256 is longer"))
}

/// SHA-256 over `parts`, each with its length, so that no two lists of parts meet.
pub(crate) fn hash_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Counts calls that run, so that a graceful stop can wait for them.
#[derive(Default)]
pub(crate) struct RunningCalls {
    by_entity: Mutex<EntityMap<u32>>,
    changed: Notify,
}

impl RunningCalls {
    pub(crate) fn begin(&self, entity: EntityId) {
        *self.by_entity.lock().expect("no panic while counting").entry(entity).or_default() += 1;
    }

    pub(crate) fn end(&self, entity: EntityId) {
        let mut running = self.by_entity.lock().expect("no panic while counting");
        if let Some(count) = running.get_mut(&entity) {
            *count -= 1;
            if *count == 0 {
                running.remove(&entity);
            }
        }
        drop(running);
        self.changed.notify_waiters();
    }

    pub(crate) async fn none_left(&self) {
        loop {
            let changed = self.changed.notified();
            if self.by_entity.lock().expect("no panic while counting").is_empty() {
                return;
            }
            changed.await;
        }
    }
}
