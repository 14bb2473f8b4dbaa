//! Batches from a seed: a handful of entities and keys, so that conflicts, long journals and replaced rows come often.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Batch, Change, Chunk, EntityId, Entry, Epoch, Operation, Position, Table};

use super::{batch, entity};

/// A sequence of dice that a seed replays: splitmix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// In `0..end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}

/// Makes batches that are mostly admitted.
#[derive(Debug, Clone)]
pub struct Workload {
    random: Random,
    /// Where each entity will be when everything so far was admitted.
    positions: BTreeMap<EntityId, u64>,
    at: i64,
}

impl Workload {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed ^ 0x5EED), positions: BTreeMap::new(), at: 1_700_000_000_000 }
    }

    /// A batch that may conflict now and then.
    pub fn next_batch(&mut self, epoch: Epoch) -> Batch {
        self.next(epoch, true)
    }

    /// The entity was removed: it begins anew.
    pub fn forget(&mut self, entity: EntityId) {
        self.positions.remove(&entity);
    }

    /// A batch that is admitted when all before it were.
    pub fn next_admitted(&mut self, epoch: Epoch) -> Batch {
        self.next(epoch, false)
    }

    fn next(&mut self, epoch: Epoch, may_conflict: bool) -> Batch {
        self.at += self.random.below(1000) as i64 - 100;
        let mut batch = Batch { at: self.at, ..batch(epoch) };
        let spoil = may_conflict && self.random.below(10) == 0;
        let mut positions = self.positions.clone();
        for number in 0..6 {
            if self.random.below(3) == 0 {
                let entry = self.entry(entity(number), &mut positions, spoil);
                batch.entries.push(entry);
            }
        }
        for _ in 0..self.random.below(4) {
            let change = self.change(may_conflict);
            batch.changes.push(change);
        }
        if batch.entries.is_empty() && batch.changes.is_empty() {
            let entry = self.entry(entity(0), &mut positions, spoil);
            batch.entries.push(entry);
        }
        let conflicts = spoil || batch.changes.iter().any(|change| matches!(change.operation, Operation::PutIfAbsent(_)));
        if !conflicts {
            self.positions = positions;
        }
        batch
    }

    fn entry(&mut self, entity: EntityId, positions: &mut BTreeMap<EntityId, u64>, spoil: bool) -> Entry {
        let position = positions.entry(entity).or_default();
        let expected = if spoil { *position + 1 + self.random.below(3) } else { *position };
        let count = 1 + self.random.below(4) as u32;
        let (chunk, head) = match self.random.below(8) {
            0 => (None, Some(self.bytes())),
            1 | 2 => (Some(Chunk { count, bytes: self.bytes() }), Some(self.bytes())),
            _ => (Some(Chunk { count, bytes: self.bytes() }), None),
        };
        if chunk.is_some() {
            *position += u64::from(count);
        }
        Entry { entity, expected: Position(expected), chunk, head }
    }

    fn change(&mut self, may_conflict: bool) -> Change {
        let table = [Table::Names, Table::Lists, Table::Timers][self.random.below(3) as usize];
        let key = Bytes::from(format!("key {}", self.random.below(8)));
        let value = self.bytes();
        let operation = match self.random.below(6) {
            0 if may_conflict => Operation::PutIfAbsent(value),
            0 | 1 => Operation::Delete,
            _ => Operation::Put(value),
        };
        Change { table, key, operation }
    }

    /// Mostly small, now and then several sectors long.
    fn bytes(&mut self) -> Bytes {
        let length = match self.random.below(8) {
            0 => self.random.below(3000),
            _ => self.random.below(60),
        };
        let letter = b'a' + self.random.below(26) as u8;
        Bytes::from(vec![letter; length as usize])
    }
}
