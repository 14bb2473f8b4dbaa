//! What is appended: batches of records, heads and table changes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::Error;

/// The longest key of a table.
pub const KEY_BYTES_MAX: usize = 32_768;

/// Where an entity is placed; fixed by its key for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u16);

/// Which owner of a partition writes; a later claim has a greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Whatever owns a journal: an execution or a map run. The partition is in the upper 16 bits, then 48 bits of
/// milliseconds, then 64 random ones, so that ids of one partition sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u128);

/// How many records an entity has, and the number of the last: 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// As 32 hexadecimal digits.
impl std::fmt::Display for EntityId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl EntityId {
    /// An id of `partition`, sorted by `millis`.
    pub fn new(partition: PartitionId, millis: u64, random: u64) -> Self {
        Self(u128::from(partition.0) << 112 | u128::from(millis & 0xFFFF_FFFF_FFFF) << 64 | u128::from(random))
    }

    pub fn partition(self) -> PartitionId {
        PartitionId((self.0 >> 112) as u16)
    }

    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// All or none of this becomes durable.
#[derive(Debug, Clone)]
pub struct Batch {
    pub partition: PartitionId,
    pub epoch: Epoch,
    pub urgency: Urgency,
    /// The owner's clock, milliseconds since 1970.
    pub at: i64,
    /// At most one an entity.
    pub entries: Vec<Entry>,
    pub changes: Vec<Change>,
}

/// Entities that leave the store: all of this becomes durable, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub partition: PartitionId,
    pub epoch: Epoch,
    /// The owner's clock, milliseconds since 1970.
    pub at: i64,
    /// Each with its last position.
    pub entities: Vec<(EntityId, Position)>,
    pub changes: Vec<Change>,
}

/// What a store that runs out of room does with a batch. Not written down: it is about this moment only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// What goes on or comes to its end: it may use the reserve.
    RunningWork,
    /// What could as well begin later: refused while there is no more than the reserve.
    Start,
}

/// What a batch does to one entity.
#[derive(Debug, Clone)]
pub struct Entry {
    pub entity: EntityId,
    /// The entity's last position before this.
    pub expected: Position,
    /// Records to append; `None` when only the head is replaced.
    pub chunk: Option<Chunk>,
    /// A new head, true for the position after `chunk`. The store may then drop the log up to here for this entity.
    pub head: Option<Bytes>,
}

/// Records that were appended together: a store hands them out as they came in, and never looks inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// How many records the bytes hold; at least one.
    pub count: u32,
    pub bytes: Bytes,
}

/// A chunk and the position of its first record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    pub first: Position,
    pub count: u32,
    pub bytes: Bytes,
}

impl StoredChunk {
    /// The position of its last record.
    pub fn last(&self) -> Position {
        Position(self.first.0 + u64::from(self.count) - 1)
    }
}

/// A head and the position it is true for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHead {
    pub position: Position,
    pub bytes: Bytes,
}

/// A change of a table. Later changes of a batch see earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub table: Table,
    pub key: Bytes,
    pub operation: Operation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Put(Bytes),
    /// Conflict when the key is taken.
    PutIfAbsent(Bytes),
    /// Nothing happens when the key is not there.
    Delete,
}

/// The ordered tables beside the journals. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Machines, revisions, activities.
    Catalog = 1,
    /// Execution names and starter keys → entity.
    Names = 2,
    /// Executions in list order.
    Lists = 3,
    /// Open entities that are to be loaded at start.
    Awake = 4,
    /// Parked entities by due time.
    Timers = 5,
    /// Undelivered activity tasks, oldest first.
    ActivityTasks = 6,
    /// The store's own facts: token keys, settings of the engine.
    Meta = 7,
    /// Express executions that have begun and not ended.
    Express = 8,
    /// Ended executions by the time at which they go.
    Retention = 9,
}

impl Table {
    pub const ALL: [Self; 9] = [
        Self::Catalog,
        Self::Names,
        Self::Lists,
        Self::Awake,
        Self::Timers,
        Self::ActivityTasks,
        Self::Meta,
        Self::Express,
        Self::Retention,
    ];
}

impl Removal {
    /// The batch that demands the same of the store, and changes the same rows.
    pub(crate) fn condition(&self) -> Batch {
        let condition = |&(entity, expected): &(EntityId, Position)| Entry { entity, expected, chunk: None, head: None };
        Batch {
            partition: self.partition,
            epoch: self.epoch,
            urgency: Urgency::RunningWork,
            at: self.at,
            entries: self.entities.iter().map(condition).collect(),
            changes: self.changes.clone(),
        }
    }
}

impl Batch {
    /// Of its records, heads, keys and values.
    pub fn byte_count(&self) -> usize {
        let of_entries = self
            .entries
            .iter()
            .map(|Entry { chunk, head, .. }| chunk.as_ref().map_or(0, |chunk| chunk.bytes.len()) + head.as_ref().map_or(0, Bytes::len));
        let of_changes = self.changes.iter().map(|change| {
            let value = match &change.operation {
                Operation::Put(value) | Operation::PutIfAbsent(value) => value.len(),
                Operation::Delete => 0,
            };
            change.key.len() + value
        });
        of_entries.sum::<usize>() + of_changes.sum::<usize>()
    }

    /// Every entity is where the batch expects it. `position` answers where an entity is.
    ///
    /// # Errors
    /// [`Error::Conflict`] when one is not, is named twice, or a chunk holds no record.
    pub(crate) fn check_entries(&self, position: impl Fn(EntityId) -> Result<Position, Error>) -> Result<(), Error> {
        for (index, entry) in self.entries.iter().enumerate() {
            if self.entries[..index].iter().any(|earlier| earlier.entity == entry.entity) {
                return Err(Error::Conflict(format!("entity {:032x} is in the batch twice", entry.entity.0)));
            }
            if entry.chunk.as_ref().is_some_and(|chunk| chunk.count == 0) {
                return Err(Error::Conflict(format!("entity {:032x}: a chunk without records", entry.entity.0)));
            }
            let found = position(entry.entity)?;
            if found != entry.expected {
                let (entity, found, expected) = (entry.entity.0, found.0, entry.expected.0);
                return Err(Error::Conflict(format!("entity {entity:032x} is at {found}, not at {expected}")));
            }
        }
        Ok(())
    }

    /// Every key of a [`Operation::PutIfAbsent`] is free. `taken` answers whether one was, before the batch.
    ///
    /// # Errors
    /// [`Error::Conflict`] when one is taken, or is longer than [`KEY_BYTES_MAX`].
    pub(crate) fn check_changes(&self, taken: impl Fn(Table, &[u8]) -> Result<bool, Error>) -> Result<(), Error> {
        if let Some(change) = self.changes.iter().find(|change| change.key.len() > KEY_BYTES_MAX) {
            let (length, table) = (change.key.len(), change.table);
            return Err(Error::Conflict(format!("a key of {length} bytes for {table:?}, {KEY_BYTES_MAX} at most")));
        }
        let only_puts = self.changes.iter().all(|change| !matches!(change.operation, Operation::PutIfAbsent(_)));
        if only_puts {
            return Ok(());
        }
        let mut changed: BTreeMap<(Table, &[u8]), bool> = BTreeMap::new();
        for change in &self.changes {
            let at = (change.table, &change.key[..]);
            match change.operation {
                Operation::Put(_) => changed.insert(at, true),
                Operation::Delete => changed.insert(at, false),
                Operation::PutIfAbsent(_) => {
                    let is_taken = match changed.get(&at) {
                        Some(is_taken) => *is_taken,
                        None => taken(change.table, &change.key)?,
                    };
                    if is_taken {
                        let key = change.key.escape_ascii();
                        return Err(Error::Conflict(format!("key {key} of {:?} is taken", change.table)));
                    }
                    changed.insert(at, true)
                }
            };
        }
        Ok(())
    }
}
