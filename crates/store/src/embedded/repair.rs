//! Carries what is whole in a damaged store into a new one. The damaged one is only read.
//!
//! An entity keeps its records up to the first that is missing, and the newest head that is not ahead of them: it goes on
//! from there, and what it did since is forgotten. The report names each. Rows are carried over as they are.

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::check::{Counter, Report};
use super::salvage::{Salvage, Salvaged, Visitor};
use super::writer::Request;
use super::{EmbeddedStore, Options, closed, lost, require_empty};
use crate::{Batch, Change, Chunk, Entry, Epoch, Error, Operation, PartitionId, Position, StoredChunk, Table, Urgency};

/// Batches are made this large, and this many are on their way at once.
const BATCH_BYTES_MAX: usize = 1 << 20;
const IN_FLIGHT_MAX: usize = 8;
/// Batches of the old store's owners are not told apart: no owner is there.
const PARTITION: PartitionId = PartitionId(0);

/// Makes a store in `to` of everything that is whole in `folder`. Blocks until all of it is durable.
///
/// # Errors
/// As [`super::check::check`], and `Conflict` when there is something in `to` already; those of the new store.
///
/// # Panics
/// In an async task: it blocks.
pub fn repair(folder: &Path, to: &Path) -> Result<Report, Error> {
    let salvage = Salvage::read(folder)?;
    require_empty(to)?;
    let store = EmbeddedStore::open(to, Options::default())?;
    let (answer, claimed) = oneshot::channel();
    store.writer.send(Request::Claim { partition: PARTITION, answer }).map_err(|_| closed())?;
    let epoch = claimed.blocking_recv().unwrap_or_else(|_| Err(lost()))?;
    let mut carrier = Carrier {
        store: &store,
        batch: empty(epoch, salvage.facts.latest_time),
        bytes: 0,
        in_flight: VecDeque::new(),
        counter: Counter::default(),
    };
    salvage.visit(&mut carrier)?;
    let counter = carrier.finish()?;
    let (answer, flushed) = oneshot::channel();
    store.writer.send(Request::Checkpoint { answer }).map_err(|_| closed())?;
    flushed.blocking_recv().map_err(|_| lost())?;
    store.shared.check_usable()?;
    store.stop();
    Ok(Report { files: salvage.files, losses: salvage.losses, ..counter.report })
}

/// Appends what it is shown to the new store.
struct Carrier<'a> {
    store: &'a EmbeddedStore,
    batch: Batch,
    bytes: usize,
    in_flight: VecDeque<oneshot::Receiver<Vec<Result<(), Error>>>>,
    counter: Counter,
}

fn empty(epoch: Epoch, at: i64) -> Batch {
    Batch { partition: PARTITION, epoch, urgency: Urgency::RunningWork, at, entries: Vec::new(), changes: Vec::new() }
}

impl Carrier<'_> {
    fn add(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes;
        if self.bytes > BATCH_BYTES_MAX { self.append() } else { Ok(()) }
    }

    fn append(&mut self) -> Result<(), Error> {
        let next = empty(self.batch.epoch, self.batch.at);
        let batch = std::mem::replace(&mut self.batch, next);
        self.bytes = 0;
        let (answer, answered) = oneshot::channel();
        self.store.writer.send(Request::Append { batches: vec![batch], answer }).map_err(|_| closed())?;
        self.in_flight.push_back(answered);
        if self.in_flight.len() < IN_FLIGHT_MAX { Ok(()) } else { self.wait() }
    }

    /// For the oldest that is on its way.
    fn wait(&mut self) -> Result<(), Error> {
        let Some(answered) = self.in_flight.pop_front() else { return Ok(()) };
        answered.blocking_recv().map_err(|_| lost())?.into_iter().collect()
    }

    fn finish(mut self) -> Result<Counter, Error> {
        self.append()?;
        while !self.in_flight.is_empty() {
            self.wait()?;
        }
        Ok(self.counter)
    }
}

impl Visitor for Carrier<'_> {
    fn entity(&mut self, salvaged: Salvaged) -> Result<(), Error> {
        let entity = salvaged.entity;
        let mut head = salvaged.head.clone();
        for StoredChunk { first, count, bytes } in &salvaged.chunks {
            // An entity is in a batch once.
            if self.batch.entries.last().is_some_and(|entry| entry.entity == entity) {
                self.append()?;
            }
            let last = Position(first.0 + u64::from(*count) - 1);
            let head = head.take_if(|head| head.position == last).map(|head| head.bytes);
            let size = bytes.len() + head.as_ref().map_or(0, Bytes::len);
            let chunk = Some(Chunk { count: *count, bytes: bytes.clone() });
            self.batch.entries.push(Entry { entity, expected: Position(first.0 - 1), chunk, head });
            self.add(size)?;
        }
        self.counter.entity(salvaged)
    }

    fn row(&mut self, table: Table, key: Bytes, value: Bytes) -> Result<(), Error> {
        let size = key.len() + value.len();
        self.batch.changes.push(Change { table, key: key.clone(), operation: Operation::Put(value.clone()) });
        self.add(size)?;
        self.counter.row(table, key, value)
    }
}
