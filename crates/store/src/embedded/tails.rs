//! Records since an entity's last head: they live in the log and here, and hold the log back until a head follows.

use std::collections::BTreeSet;

use crate::{Chunk, EntityId, EntityMap, Position, StoredChunk};

#[derive(Debug, Default)]
pub(super) struct Tails {
    entities: EntityMap<Tail>,
    by_age: BTreeSet<(u64, EntityId)>,
}

#[derive(Debug)]
struct Tail {
    /// The sequence number of the oldest chunk.
    since: u64,
    /// At least one.
    chunks: Vec<StoredChunk>,
}

impl Tails {
    /// Adds a chunk that follows position `after`.
    pub(super) fn push(&mut self, entity: EntityId, sequence: u64, after: Position, chunk: Chunk) {
        let chunk = StoredChunk { first: Position(after.0 + 1), count: chunk.count, bytes: chunk.bytes };
        let tail = self.entities.entry(entity).or_insert_with(|| {
            self.by_age.insert((sequence, entity));
            Tail { since: sequence, chunks: Vec::new() }
        });
        tail.chunks.push(chunk);
    }

    /// Removes the entity's chunks; a head follows.
    pub(super) fn take(&mut self, entity: EntityId) -> Vec<StoredChunk> {
        let Some(tail) = self.entities.remove(&entity) else { return Vec::new() };
        self.by_age.remove(&(tail.since, entity));
        tail.chunks
    }

    /// Oldest first; empty when the entity has none.
    pub(super) fn chunks(&self, entity: EntityId) -> &[StoredChunk] {
        self.entities.get(&entity).map_or(&[], |tail| &tail.chunks)
    }

    /// Where the entity is, when it has a tail.
    pub(super) fn position(&self, entity: EntityId) -> Option<Position> {
        self.chunks(entity).last().map(StoredChunk::last)
    }

    /// The sequence number of the oldest chunk of all.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.by_age.first().map(|(since, _)| *since)
    }

    /// Entities with chunks before `end`, the oldest first.
    pub(super) fn before(&self, end: u64) -> impl Iterator<Item = EntityId> {
        self.by_age.iter().take_while(move |(since, _)| *since < end).map(|(_, entity)| *entity)
    }

    /// Each entity with a tail and the position of its first record.
    pub(super) fn firsts(&self) -> impl Iterator<Item = (EntityId, Position)> {
        self.entities.iter().map(|(entity, tail)| (*entity, tail.chunks[0].first))
    }
}
