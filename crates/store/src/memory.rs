//! The store in memory: the whole contract, no disk.
//!
//! A [`MemoryStore`] is a handle to a "disk": clones share it, so it outlives a crashed engine, and [`MemoryStore::fork`]
//! copies what is durable at this moment, so that a simulation can crash at every append. An append takes effect at the
//! call; the future it answers is ready. No randomness, no clock, no thread: the same calls give the same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;

use crate::page::Page;
use crate::{
    Appending, Batch, Change, Direction, EntityId, Entry, Epoch, Error, Operation, PartitionId, Position, Removal, Store, StoredChunk,
    StoredHead, Table,
};

#[cfg(test)]
mod tests;

/// A cheap handle to a store in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Clone, Default)]
struct Disk {
    /// The greatest epoch ever handed out.
    epoch: u64,
    owners: BTreeMap<PartitionId, Epoch>,
    journals: BTreeMap<EntityId, Journal>,
    tables: BTreeMap<Table, BTreeMap<Bytes, Bytes>>,
    latest_time: i64,
    /// How many records were ever appended: where the log ends.
    log_end: u64,
    /// Entities with records since their last head, by where in the log the first of these lies.
    tails: BTreeSet<(u64, EntityId)>,
    pin_threshold_records: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct Journal {
    chunks: Vec<StoredChunk>,
    position: Position,
    head: Option<StoredHead>,
    /// Where in the log its first record since the last head lies.
    tail: Option<u64>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on, an entity whose first record since its last head lies more than `records` records back is pinned.
    /// Without a threshold none ever is.
    pub fn with_pin_threshold(self, records: u64) -> Self {
        self.disk().pin_threshold_records = Some(records);
        self
    }

    /// A store of its own with what is durable at this moment.
    pub fn fork(&self) -> MemoryStore {
        Self { disk: Arc::new(Mutex::new(self.disk().clone())) }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("nothing panics while it holds the disk")
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn claim(&self, partition: PartitionId) -> Result<Epoch, Error> {
        let mut disk = self.disk();
        disk.epoch += 1;
        let epoch = Epoch(disk.epoch);
        disk.owners.insert(partition, epoch);
        Ok(epoch)
    }

    fn append(&self, batch: Batch) -> Appending {
        let answer = self.disk().append(batch);
        Box::pin(std::future::ready(answer))
    }

    async fn remove(&self, removal: Removal) -> Result<(), Error> {
        let mut disk = self.disk();
        disk.append(removal.condition())?;
        for (entity, _) in removal.entities {
            if let Some(at) = disk.journals.remove(&entity).and_then(|journal| journal.tail) {
                disk.tails.remove(&(at, entity));
            }
        }
        Ok(())
    }

    async fn read(&self, entity: EntityId, after: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        Ok(self.disk().journals.get(&entity).map_or_else(Vec::new, |journal| {
            let start = journal.chunks.partition_point(|chunk| chunk.last() <= after);
            Page::of(journal.chunks[start..].iter(), bytes_max)
        }))
    }

    async fn read_back(&self, entity: EntityId, before: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        Ok(self.disk().journals.get(&entity).map_or_else(Vec::new, |journal| {
            let end = journal.chunks.partition_point(|chunk| chunk.first < before);
            Page::of(journal.chunks[..end].iter().rev(), bytes_max)
        }))
    }

    async fn head(&self, entity: EntityId) -> Result<Option<StoredHead>, Error> {
        Ok(self.disk().journals.get(&entity).and_then(|journal| journal.head.clone()))
    }

    async fn position(&self, entity: EntityId) -> Result<Position, Error> {
        Ok(self.disk().position(entity))
    }

    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.disk().tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    async fn scan(&self, table: Table, from: &[u8], to: &[u8], direction: Direction, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let disk = self.disk();
        let Some(rows) = disk.tables.get(&table) else { return Ok(Vec::new()) };
        if from >= to {
            return Ok(Vec::new());
        }
        let range = rows.range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)));
        let pair = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(match direction {
            Direction::Forward => range.take(limit).map(pair).collect(),
            Direction::Backward => range.rev().take(limit).map(pair).collect(),
        })
    }

    fn pinned(&self, limit: usize) -> Vec<EntityId> {
        let disk = self.disk();
        let Some(threshold) = disk.pin_threshold_records else { return Vec::new() };
        let too_old = |&&(at, _): &&(u64, EntityId)| disk.log_end - at > threshold;
        disk.tails.iter().take_while(too_old).take(limit).map(|&(_, entity)| entity).collect()
    }

    fn latest_time(&self) -> i64 {
        self.disk().latest_time
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Disk {
    fn append(&mut self, batch: Batch) -> Result<(), Error> {
        self.check(&batch)?;
        for entry in batch.entries {
            self.apply_entry(entry);
        }
        for change in batch.changes {
            self.apply_change(change);
        }
        self.latest_time = self.latest_time.max(batch.at);
        Ok(())
    }

    /// Whether the whole batch may be written; changes nothing.
    fn check(&self, batch: &Batch) -> Result<(), Error> {
        if self.owners.get(&batch.partition).is_some_and(|owner| batch.epoch < *owner) {
            return Err(Error::Fenced);
        }
        batch.check_entries(|entity| Ok(self.position(entity)))?;
        batch.check_changes(|table, key| Ok(self.tables.get(&table).is_some_and(|rows| rows.contains_key(key))))
    }

    fn position(&self, entity: EntityId) -> Position {
        self.journals.get(&entity).map_or(Position(0), |journal| journal.position)
    }

    fn apply_entry(&mut self, entry: Entry) {
        if entry.chunk.is_none() && entry.head.is_none() {
            return;
        }
        let journal = self.journals.entry(entry.entity).or_default();
        if let Some(chunk) = entry.chunk {
            let first = Position(journal.position.0 + 1);
            journal.position.0 += u64::from(chunk.count);
            journal.chunks.push(StoredChunk { first, count: chunk.count, bytes: chunk.bytes });
            if journal.tail.is_none() {
                journal.tail = Some(self.log_end);
                self.tails.insert((self.log_end, entry.entity));
            }
            self.log_end += u64::from(chunk.count);
        }
        if let Some(bytes) = entry.head {
            journal.head = Some(StoredHead { position: journal.position, bytes });
            if let Some(at) = journal.tail.take() {
                self.tails.remove(&(at, entry.entity));
            }
        }
    }

    fn apply_change(&mut self, change: Change) {
        let rows = self.tables.entry(change.table).or_default();
        match change.operation {
            Operation::Put(value) | Operation::PutIfAbsent(value) => rows.insert(change.key, value),
            Operation::Delete => rows.remove(&change.key),
        };
    }
}
