//! What readers, the writer and the flusher look at together.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use lsm_tree::UserKey;

use tokio::sync::Notify;

use super::cold::Cold;
use super::frame::Item;
use super::tails::Tails;
use crate::{Batch, Change, EntityMap, Entry, Error, Operation, Position, Removal, StoredChunk, StoredHead};

/// Everything durable, readable.
pub(super) struct Shared {
    pub(super) cold: Cold,
    /// INVARIANT: nobody holds this while the log is flushed. A reader looks here first and at the cold tree after, so
    /// that it sees records twice, never not at all, when a head moves them meanwhile.
    tails: RwLock<Tails>,
    latest_time: AtomicI64,
    /// Why the store no longer works.
    broken: OnceLock<String>,
    broke_down: Notify,
    /// No more tries: the store is being closed.
    pub(super) is_closing: AtomicBool,
    /// While it is held, no segment of the log is given up.
    pub(super) log_hold: Mutex<()>,
}

impl Shared {
    pub(super) fn new(cold: Cold, tails: Tails, latest_time: i64) -> Self {
        Self {
            cold,
            tails: RwLock::new(tails),
            latest_time: AtomicI64::new(latest_time),
            broken: OnceLock::new(),
            broke_down: Notify::new(),
            is_closing: AtomicBool::new(false),
            log_hold: Mutex::new(()),
        }
    }

    pub(super) fn tails(&self) -> std::sync::RwLockReadGuard<'_, Tails> {
        self.tails.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn latest_time(&self) -> i64 {
        self.latest_time.load(Ordering::Acquire)
    }

    /// # Errors
    /// `Damaged` once the store is broken or closed.
    pub(super) fn check_usable(&self) -> Result<(), Error> {
        self.broken.get().map_or(Ok(()), |why| Err(Error::Damaged(why.clone())))
    }

    /// The first reason stays.
    pub(super) fn break_down(&self, why: &str) {
        if self.broken.set(why.to_owned()).is_ok() {
            self.broke_down.notify_waiters();
        }
    }

    /// Waits until the store is broken. One that is closed on purpose is not.
    pub(super) async fn broken(&self) -> String {
        loop {
            let mut waiting = std::pin::pin!(self.broke_down.notified());
            // From here on no news is missed.
            waiting.as_mut().enable();
            match self.broken.get() {
                Some(why) if !self.is_closing.load(Ordering::Acquire) => return why.clone(),
                Some(_) | None => waiting.await,
            }
        }
    }

    /// Makes durable items readable, all at once; the first has sequence number `first`. `known` has the keys of entities
    /// that are removed, as far as they were looked up before.
    ///
    /// # Errors
    /// `Damaged` when the keys of a removed entity cannot be read.
    pub(super) fn apply(&self, first: u64, items: impl Iterator<Item = Item>, known: &mut Known) -> Result<(), Error> {
        let mut tails = self.tails.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = first;
        for item in items {
            match item {
                Item::Batch(batch) => {
                    self.latest_time.fetch_max(batch.at, Ordering::AcqRel);
                    apply(&self.cold, &mut tails, next, batch);
                }
                Item::Removal(removal) => {
                    self.latest_time.fetch_max(removal.at, Ordering::AcqRel);
                    remove(&self.cold, &mut tails, next, removal, known)?;
                }
                Item::Claim { .. } | Item::Manifest { .. } => {}
            }
            next += 1;
        }
        if next > first {
            self.cold.publish(next - 1);
        }
        Ok(())
    }
}

/// Applies a batch from the log.
pub(super) fn apply(cold: &Cold, tails: &mut Tails, sequence: u64, batch: Batch) {
    for entry in batch.entries {
        let Entry { entity, expected, chunk, head } = entry;
        let Some(head) = head else {
            if let Some(chunk) = chunk {
                tails.push(entity, sequence, expected, chunk);
            }
            continue;
        };
        let mut chunks = tails.take(entity);
        let mut position = expected;
        if let Some(chunk) = chunk {
            position.0 += u64::from(chunk.count);
            chunks.push(StoredChunk { first: Position(expected.0 + 1), count: chunk.count, bytes: chunk.bytes });
        }
        cold.put_records(entity, &chunks, sequence);
        cold.put_head(entity, &StoredHead { position, bytes: head }, sequence);
    }
    apply_changes(cold, sequence, batch.changes);
}

/// Keys of entities in the cold tree, looked up ahead.
pub(super) type Known = EntityMap<Vec<UserKey>>;

/// Applies a removal from the log.
///
/// # Errors
/// `Damaged` when the keys of an entity cannot be read.
pub(super) fn remove(cold: &Cold, tails: &mut Tails, sequence: u64, removal: Removal, known: &mut Known) -> Result<(), Error> {
    let mut removed = removal.changes.len();
    for (entity, _) in removal.entities {
        tails.take(entity);
        let keys = known.remove(&entity).map_or_else(|| cold.entity_keys(entity, sequence), Ok)?;
        removed += keys.len();
        cold.delete_keys(keys, sequence);
    }
    cold.note_removed(removed as u64);
    apply_changes(cold, sequence, removal.changes);
    Ok(())
}

fn apply_changes(cold: &Cold, sequence: u64, changes: Vec<Change>) {
    for Change { table, key, operation } in changes {
        match operation {
            Operation::Put(value) | Operation::PutIfAbsent(value) => cold.put_row(table, &key, value, sequence),
            Operation::Delete => cold.delete_row(table, &key, sequence),
        }
    }
}

/// Applies a batch that the cold tree already has: only the tails are rebuilt.
pub(super) fn apply_to_tails(tails: &mut Tails, sequence: u64, batch: Batch) {
    for Entry { entity, expected, chunk, head } in batch.entries {
        match (chunk, head) {
            (_, Some(_)) => drop(tails.take(entity)),
            (Some(chunk), None) => tails.push(entity, sequence, expected, chunk),
            (None, None) => {}
        }
    }
}
