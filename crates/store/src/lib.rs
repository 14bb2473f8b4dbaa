//! Where entities live: an append-only journal each, ordered tables beside them, all in one log, durable across power loss.
//!
//! [`Store`] is the contract; [`contract`] is the suite that every implementation passes, crashed at each write.
//! [`memory`] keeps the whole contract in memory, for tests and `--memory`; [`embedded`] is the durable one.
//!
//! Not here, on purpose: what records mean. Chunks, heads and values are bytes; `interpreter` and `engine` own their
//! formats, and `engine` owns the keys of the tables.

pub mod batch;
mod by_entity;
pub mod contract;
pub mod memory;
pub mod embedded;
mod page;

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;

pub use batch::{
    Batch, Change, Chunk, EntityId, Entry, Epoch, Operation, PartitionId, Position, Removal, StoredChunk, StoredHead, Table, Urgency,
};
pub use by_entity::{EntityMap, EntitySet};

/// What an append comes to, as a future that does not borrow the store.
pub type Appending = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'static>>;

/// What each of several appends comes to, in their order.
pub type AppendingAll = Pin<Box<dyn Future<Output = Vec<Result<(), Error>>> + Send + 'static>>;

/// The store's promise.
///
/// # Contract
/// [`contract`] holds every store to this, crashing it at each write:
/// 1. **Durable first.** An append answers `Ok` only once the batch would survive power loss; nothing of a batch is
///    visible to a read before.
/// 2. **All or none.** After a crash the whole batch is there, or nothing of it.
/// 3. **One writer wins.** An entity that is not at its expected position, or a key that [`Operation::PutIfAbsent`] finds
///    taken: nothing is written, [`Error::Conflict`].
/// 4. **One owner writes.** An epoch older than the partition's: nothing is written, [`Error::Fenced`].
/// 5. **No gaps.** Reading yields what was appended, in order; an entity's records are numbered 1, 2, 3, …
/// 6. **Broken stays broken.** After an I/O error on written space every call fails until the store is reopened.
/// 7. **Heads** may be lost and are never ahead of the records; the newest that survived is answered.
/// 8. **In order.** Batches take effect in the order in which `append` was called, and become durable as a prefix of it.
/// 9. **Full is no fault.** Without room [`Urgency::Start`]s are refused first ([`Error::Full`], nothing written), running
///    work later; reads are served, and everything goes on by itself once there is room.
///
/// 9. **Removed is gone.** A removed entity has no record and no head, whatever happens then; its id may begin anew.
///
/// Many batches may be in flight at once; a store is free to make them durable with one flush.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Takes a partition over: every earlier epoch of it is fenced from now on.
    async fn claim(&self, partition: PartitionId) -> Result<Epoch, Error>;

    /// Appends a batch. It takes its place in the order at the call, before the future is polled.
    ///
    /// # Errors
    /// `Conflict`, `Fenced`, `Full`: nothing was written. `Damaged`: the store is broken. `Unknown`: it cannot tell.
    fn append(&self, batch: Batch) -> Appending;

    /// Appends each of `batches`, in this order: as as many calls of [`Store::append`], at the price of one where the
    /// store can.
    fn append_all(&self, batches: Vec<Batch>) -> AppendingAll {
        let appending: Vec<Appending> = batches.into_iter().map(|batch| self.append(batch)).collect();
        Box::pin(async move {
            let mut results = Vec::with_capacity(appending.len());
            for append in appending {
                results.push(append.await);
            }
            results
        })
    }

    /// Removes entities that are where the removal expects them, and changes rows with them. What else is on its way for
    /// these entities must be answered before.
    ///
    /// # Errors
    /// As those of [`Store::append`].
    async fn remove(&self, removal: Removal) -> Result<(), Error>;

    /// Chunks that hold records after position `after`, oldest first, about `bytes_max` bytes of them and at least one;
    /// empty at the end. The first may begin at or before `after`.
    async fn read(&self, entity: EntityId, after: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error>;

    /// Chunks that hold records before position `before`, newest first; otherwise as [`Store::read`].
    async fn read_back(&self, entity: EntityId, before: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error>;

    /// The entity's newest head.
    async fn head(&self, entity: EntityId) -> Result<Option<StoredHead>, Error>;

    /// The position of the entity's last record; 0 when there is no such entity.
    async fn position(&self, entity: EntityId) -> Result<Position, Error>;

    /// The value under `key`.
    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Up to `limit` pairs with `from <= key < to`, in key order; in falling order when `backward`.
    async fn scan(&self, table: Table, from: &[u8], to: &[u8], direction: Direction, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error>;

    /// Checkpoint pressure: entities whose records since their last head hold back the dropping of more log than the
    /// store likes, the oldest first; at most `limit`. An owner answers by appending a head for each.
    fn pinned(&self, limit: usize) -> Vec<EntityId>;

    /// The greatest [`Batch::at`] that was ever made durable, milliseconds since 1970; 0 for an empty store.
    fn latest_time(&self) -> i64;

    /// Waits until the store is broken, and says why: nothing more can be acknowledged until it is opened again.
    async fn broken(&self) -> String {
        std::future::pending().await
    }

    /// Finishes what is in flight, writes what makes the next opening quick, and closes.
    async fn close(&self) -> Result<(), Error>;
}

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was written: someone else was first.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Nothing was written: the partition has a newer owner.
    #[error("fenced: the partition has a newer owner")]
    Fenced,
    /// Nothing was written: there is no room. Try again later.
    #[error("the store is full: {0}")]
    Full(String),
    /// What is on disk is not what was written, or can no longer be written. Names the place.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Whether the batch is durable is not known: drop what was built on it and read again.
    #[error("it is not known whether the batch was written: {0}")]
    Unknown(String),
}
