//! What a store must answer: the simplest thing that keeps the contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Batch, Direction, EntityId, Operation, Position, Removal, Store, StoredChunk, StoredHead, Table};

/// The entities and rows that a prefix of batches comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    entities: BTreeMap<EntityId, Journal>,
    rows: BTreeMap<(Table, Bytes), Bytes>,
    latest_time: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Journal {
    chunks: Vec<StoredChunk>,
    heads: Vec<StoredHead>,
}

impl Model {
    /// Whether a store with this in it takes the batch.
    pub fn admits(&self, batch: &Batch) -> bool {
        let positions = batch.entries.iter().all(|entry| self.position(entry.entity) == entry.expected);
        let mut rows = self.rows.clone();
        let keys = batch.changes.iter().all(|change| {
            let at = (change.table, change.key.clone());
            let (before, may_be_taken) = match &change.operation {
                Operation::Put(value) => (rows.insert(at, value.clone()), true),
                Operation::PutIfAbsent(value) => (rows.insert(at, value.clone()), false),
                Operation::Delete => (rows.remove(&at), true),
            };
            may_be_taken || before.is_none()
        });
        positions && keys
    }

    /// # Panics
    /// When the batch must not be taken.
    pub fn apply(&mut self, batch: &Batch) {
        assert!(self.admits(batch), "a batch was taken that conflicts: {batch:?}");
        for entry in &batch.entries {
            let position = self.position(entry.entity);
            if entry.chunk.is_none() && entry.head.is_none() {
                continue;
            }
            let journal = self.entities.entry(entry.entity).or_default();
            if let Some(chunk) = &entry.chunk {
                let first = Position(position.0 + 1);
                journal.chunks.push(StoredChunk { first, count: chunk.count, bytes: chunk.bytes.clone() });
            }
            if let Some(bytes) = &entry.head {
                let position = journal.chunks.last().map_or(Position(0), StoredChunk::last);
                journal.heads.push(StoredHead { position, bytes: bytes.clone() });
            }
        }
        for change in &batch.changes {
            let at = (change.table, change.key.clone());
            match &change.operation {
                Operation::Put(value) | Operation::PutIfAbsent(value) => self.rows.insert(at, value.clone()),
                Operation::Delete => self.rows.remove(&at),
            };
        }
        self.latest_time = self.latest_time.max(batch.at);
    }

    /// # Panics
    /// When the removal must not be done.
    pub fn remove(&mut self, removal: &Removal) {
        self.apply(&removal.condition());
        for (entity, _) in &removal.entities {
            // It is still asked about: nothing must be left of it.
            self.entities.insert(*entity, Journal::default());
        }
    }

    /// From now on the store is asked about the entity even before it has records.
    pub fn mention(&mut self, entity: EntityId) {
        self.entities.entry(entity).or_default();
    }

    pub fn position(&self, entity: EntityId) -> Position {
        self.chunks(entity).last().map_or(Position(0), StoredChunk::last)
    }

    pub fn chunks(&self, entity: EntityId) -> &[StoredChunk] {
        self.entities.get(&entity).map_or(&[], |journal| &journal.chunks)
    }

    pub fn entities(&self) -> impl Iterator<Item = EntityId> {
        self.entities.keys().copied()
    }

    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// # Panics
    /// When the store answers anything else than this.
    pub async fn compare(&self, store: &Arc<dyn Store>) {
        if let Err(difference) = self.difference(store).await {
            panic!("{difference}");
        }
    }

    /// What the store answers otherwise.
    ///
    /// # Errors
    /// The first difference, in words.
    pub async fn difference(&self, store: &Arc<dyn Store>) -> Result<(), String> {
        for (&entity, journal) in &self.entities {
            self.compare_entity(store, entity, journal).await?;
        }
        for table in Table::ALL {
            let rows: Vec<(Bytes, Bytes)> =
                self.rows.iter().filter(|((of, _), _)| *of == table).map(|((_, key), value)| (key.clone(), value.clone())).collect();
            for (key, value) in &rows {
                same("get", &store.get(table, key).await, &Ok(Some(value.clone())))?;
            }
            let end = [0xFF; 40];
            same("scan", &store.scan(table, b"", &end, Direction::Forward, usize::MAX).await, &Ok(rows.clone()))?;
            let falling = rows.into_iter().rev().collect();
            same("scan backward", &store.scan(table, b"", &end, Direction::Backward, usize::MAX).await, &Ok(falling))?;
        }
        same("latest time", &store.latest_time(), &self.latest_time)
    }

    async fn compare_entity(&self, store: &Arc<dyn Store>, entity: EntityId, journal: &Journal) -> Result<(), String> {
        same("position", &store.position(entity).await, &Ok(self.position(entity)))?;
        let head = store.head(entity).await.map_err(|error| error.to_string())?;
        if head.as_ref() != journal.heads.last() {
            return Err(format!("the head of {entity:?} is {head:?}, not {:?}", journal.heads.last()));
        }
        let mut read: Vec<StoredChunk> = Vec::new();
        loop {
            let after = read.last().map_or(Position(0), StoredChunk::last);
            let page = store.read(entity, after, 64).await.map_err(|error| error.to_string())?;
            if page.is_empty() {
                break;
            }
            read.extend(page);
        }
        same("read", &read, &journal.chunks)?;
        let mut read: Vec<StoredChunk> = Vec::new();
        loop {
            let before = read.last().map_or(Position(u64::MAX), |chunk| chunk.first);
            let page = store.read_back(entity, before, 64).await.map_err(|error| error.to_string())?;
            if page.is_empty() {
                break;
            }
            read.extend(page);
        }
        read.reverse();
        same("read back", &read, &journal.chunks)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}
