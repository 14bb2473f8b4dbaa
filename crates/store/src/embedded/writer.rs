//! The one thread that writes the log: takes whatever waits, checks it in order, writes one frame, flushes, applies,
//! answers everybody.
//!
//! A request is checked against what is durable and what its group adds before it. So nothing is locked while a flush
//! runs, and the order of the calls is the order of everything.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Options;
use super::frame::{FrameBuffer, Item};
use super::log::{Log, WriteError};
use super::marker::{Facts, Marker};
use super::shared::{Known, Shared};
use super::space::Space;
use crate::{Batch, Change, EntityId, EntityMap, Epoch, Error, Operation, PartitionId, Position, Removal, Table, Urgency};

/// What the writer is asked.
pub(super) enum Request {
    /// Answers for each batch.
    Append {
        batches: Vec<Batch>,
        answer: oneshot::Sender<Vec<Result<(), Error>>>,
    },
    /// `known`: keys in the cold tree of entities that had no tail when these were looked up.
    Remove {
        removal: Removal,
        known: Known,
        answer: Answer<()>,
    },
    Claim {
        partition: PartitionId,
        answer: Answer<Epoch>,
    },
    /// The flusher's news: the cold tree has a new manifest.
    Manifest {
        version: u64,
        checksum: u32,
        answer: Answer<()>,
    },
    /// Flushes the cold tree; answers when that is done, or was given up.
    Checkpoint {
        answer: oneshot::Sender<()>,
    },
    /// Where the log ends; everything before is durable.
    End {
        answer: oneshot::Sender<LogEnd>,
    },
    /// The flusher has done, or given up, what it was last told to do.
    Flushed,
    /// Answers when everything before is done, and no flush of the cold tree goes on or is due.
    #[cfg(any(test, feature = "simulation"))]
    Rest {
        answer: oneshot::Sender<()>,
    },
    Close,
}

/// The segment that is written, and where the next frame goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogEnd {
    pub(super) generation: u64,
    pub(super) offset: u64,
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What the flusher is told: flush the sealed memtable, then drop the log before `floor`.
pub(super) struct Flush {
    pub(super) floor: u64,
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) log: Log,
    pub(super) space: Arc<Space>,
    pub(super) options: Options,
    pub(super) facts: Facts,
    pub(super) requests: Receiver<Request>,
    pub(super) flusher: Sender<Flush>,
    pub(super) group: Group,
    pub(super) checkpoints: Checkpoints,
    /// So much waits to be flushed to the cold tree that nothing new is to begin.
    pub(super) is_tree_behind: bool,
}

/// What goes into the next frame.
#[derive(Default)]
pub(super) struct Group {
    frame: FrameBuffer,
    items: Vec<Item>,
    answers: Vec<Waiting>,
    /// Where entities are after the group's batches.
    positions: EntityMap<Position>,
    /// Whether keys are taken after the group's batches, by table.
    keys: BTreeMap<Table, HashMap<Bytes, bool>>,
    facts: Option<Facts>,
    /// Keys of entities that are removed.
    known: Known,
}

/// Who is answered, and what, if the group is written.
enum Waiting {
    Append(oneshot::Sender<Vec<Result<(), Error>>>, Vec<Result<(), Error>>),
    Claim(Answer<Epoch>, Result<Epoch, Error>),
    Other(Answer<()>, Result<(), Error>),
}

#[derive(Default)]
pub(super) struct Checkpoints {
    /// The flusher is at work.
    is_running: bool,
    /// Answered when it is done.
    running: Vec<oneshot::Sender<()>>,
    /// Asked for since it began.
    waiting: Vec<oneshot::Sender<()>>,
    /// Answered when no flush goes on.
    #[cfg(any(test, feature = "simulation"))]
    resting: Vec<oneshot::Sender<()>>,
    /// The last item that was sealed.
    sealed: u64,
    /// A log that was too long when it had this many bytes was answered with a flush.
    log_bytes: u64,
}

/// A frame takes no more requests above this: a flush then costs more than its latency.
const GROUP_BYTES_MAX: usize = 4 << 20;
const GROUP_ITEMS_MAX: usize = 8192;

/// While one memtable is flushed, this many are filled before starts are refused.
const MEMTABLES_MAX: u64 = 8;
/// However small memtables are, there may be so much in them.
const MEMTABLES_BYTES_MIN: u64 = 16 << 20;

/// What a request asks of the loop, beside its place in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    Close,
}

impl Writer {
    /// Works until the store is closed or dropped.
    pub(super) fn run(mut self) {
        self.group.clear();
        self.flush_when_due();
        let mut go = Go::On;
        while go == Go::On {
            let Ok(first) = self.requests.recv() else { break };
            go = self.take(first);
            while go == Go::On && self.group.frame.size() < GROUP_BYTES_MAX && self.group.items.len() < GROUP_ITEMS_MAX {
                let Ok(next) = self.requests.try_recv() else { break };
                go = self.take(next);
            }
            self.commit();
            self.flush_when_due();
            #[cfg(any(test, feature = "simulation"))]
            if !self.checkpoints.is_running {
                for answer in self.checkpoints.resting.drain(..) {
                    let _ = answer.send(());
                }
            }
        }
        self.close();
    }

    fn take(&mut self, request: Request) -> Go {
        match request {
            Request::Append { batches, answer } => {
                let checked = batches.into_iter().map(|batch| self.check(&batch).map(|()| self.group.add_batch(batch))).collect();
                self.group.answers.push(Waiting::Append(answer, checked));
            }
            Request::Remove { removal, known, answer } => {
                let condition = removal.condition();
                let checked = self.shared.check_usable().and_then(|()| self.check(&condition));
                if checked.is_ok() {
                    self.group.add_removal(removal, known);
                }
                self.group.answers.push(Waiting::Other(answer, checked));
            }
            Request::Claim { partition, answer } => {
                let facts = self.group.facts.get_or_insert_with(|| self.facts.clone());
                facts.epoch += 1;
                let epoch = Epoch(facts.epoch);
                facts.owners.insert(partition, epoch);
                self.group.add(Item::Claim { partition, epoch });
                self.group.answers.push(Waiting::Claim(answer, self.shared.check_usable().map(|()| epoch)));
            }
            Request::Manifest { version, checksum, answer } => {
                self.group.add(Item::Manifest { version, checksum });
                self.group.answers.push(Waiting::Other(answer, self.shared.check_usable()));
            }
            Request::Checkpoint { answer } => self.checkpoints.waiting.push(answer),
            Request::End { answer } => {
                let _ = answer.send(LogEnd { generation: self.log.generation(), offset: self.log.offset() });
            }
            Request::Flushed => {
                self.checkpoints.is_running = false;
                for answer in self.checkpoints.running.drain(..) {
                    let _ = answer.send(());
                }
            }
            #[cfg(any(test, feature = "simulation"))]
            Request::Rest { answer } => self.checkpoints.resting.push(answer),
            Request::Close => return Go::Close,
        }
        Go::On
    }

    /// Whether the batch may follow what is durable and what is in the group.
    fn check(&self, batch: &Batch) -> Result<(), Error> {
        self.shared.check_usable()?;
        match batch.urgency {
            Urgency::Start if self.space.is_short() => return Err(Error::Full(self.space.shortage())),
            Urgency::Start if self.is_tree_behind => return Err(Error::Full("the cold store does not keep up".to_owned())),
            Urgency::Start | Urgency::RunningWork => {}
        }
        let facts = self.group.facts.as_ref().unwrap_or(&self.facts);
        if facts.owners.get(&batch.partition).is_some_and(|owner| batch.epoch < *owner) {
            return Err(Error::Fenced);
        }
        batch.check_entries(|entity| match self.group.positions.get(&entity) {
            Some(position) => Ok(*position),
            None => {
                let in_tail = self.shared.tails().position(entity);
                in_tail.map_or_else(|| self.shared.cold.position(entity), Ok)
            }
        })?;
        batch.check_changes(|table, key| match self.group.keys.get(&table).and_then(|keys| keys.get(key)) {
            Some(is_taken) => Ok(*is_taken),
            None => self.shared.cold.has_row(table, key),
        })
    }

    /// Makes the group durable, then visible, then answers.
    fn commit(&mut self) {
        let failed = match self.write() {
            Ok(()) => None,
            Err(WriteError::Full(why)) => Some(Error::Full(why)),
            Err(WriteError::Broken(why)) => {
                tracing::error!(why, "the log cannot be written: the store stops");
                self.shared.break_down(&why);
                Some(Error::Damaged(why))
            }
        };
        for waiting in self.group.answers.drain(..) {
            waiting.answer(failed.as_ref());
        }
        self.group.clear();
    }

    fn write(&mut self) -> Result<(), WriteError> {
        if self.group.items.is_empty() {
            return Ok(());
        }
        if let Err(Error::Damaged(why)) = self.shared.check_usable() {
            return Err(WriteError::Broken(why));
        }
        let first = self.log.append(&mut self.group.frame)?;
        if let Some(facts) = self.group.facts.take() {
            self.facts = facts;
        }
        let applied = self.shared.apply(first, self.group.items.drain(..), &mut self.group.known);
        applied.map_err(|error| WriteError::Broken(error.to_string()))
    }

    /// Seals the memtable and wakes the flusher when it is large, the log too long, much was removed, or somebody asked.
    fn flush_when_due(&mut self) {
        self.is_tree_behind = false;
        if self.checkpoints.is_running {
            let bytes_max = self.options.memtable_bytes_max.saturating_mul(MEMTABLES_MAX).max(MEMTABLES_BYTES_MIN);
            self.is_tree_behind = self.shared.cold.memtable_bytes() > bytes_max;
            return;
        }
        if self.checkpoints.sealed == self.log.last_sequence() || self.shared.check_usable().is_err() {
            for answer in self.checkpoints.waiting.drain(..) {
                let _ = answer.send(());
            }
            return;
        }
        let log_bytes = self.log.segments().bytes();
        let is_log_too_long = log_bytes > self.options.log_bytes_max && log_bytes != self.checkpoints.log_bytes;
        let is_memtable_large = self.shared.cold.memtable_bytes() > self.options.memtable_bytes_max;
        if is_log_too_long || is_memtable_large || self.shared.cold.wants_room() || !self.checkpoints.waiting.is_empty() {
            self.checkpoints.log_bytes = log_bytes;
            self.seal();
        }
    }

    fn seal(&mut self) {
        let sequence = self.log.last_sequence();
        self.facts.latest_time = self.shared.latest_time();
        // Tails that a head has ended by now are in the memtable that is sealed: they no longer need the log.
        let floor = self.shared.tails().oldest().unwrap_or(sequence + 1);
        self.shared.cold.seal(&Marker { sequence, floor, facts: self.facts.clone() });
        self.checkpoints.sealed = sequence;
        self.checkpoints.is_running = true;
        self.checkpoints.running = mem::take(&mut self.checkpoints.waiting);
        // Without a flusher the log stays as it is, which only happens while the store is closed.
        let _ = self.flusher.send(Flush { floor });
    }

    /// An empty frame: from now on damage in the last one that holds something cannot be taken for a crash.
    fn close(&mut self) {
        if self.shared.check_usable().is_ok() {
            self.group.clear();
            if let Err(WriteError::Broken(why) | WriteError::Full(why)) = self.log.append(&mut self.group.frame) {
                tracing::warn!(why, "the log could not be ended");
            }
        }
        self.shared.break_down("it is closed");
    }
}

impl Waiting {
    /// What the group failed with, everybody is told: a refusal, too, may rest on a batch of it.
    fn answer(self, failed: Option<&Error>) {
        // Nobody may be there to hear it.
        match (self, failed) {
            (Self::Append(sender, checked), None) => drop(sender.send(checked)),
            (Self::Append(sender, checked), Some(error)) => drop(sender.send(vec![Err(error.clone()); checked.len()])),
            (Self::Claim(sender, checked), failed) => drop(sender.send(failed.cloned().map_or(checked, Err))),
            (Self::Other(sender, checked), failed) => drop(sender.send(failed.cloned().map_or(checked, Err))),
        }
    }
}

impl Group {
    fn clear(&mut self) {
        self.frame.clear();
        self.items.clear();
        self.positions.clear();
        self.keys.values_mut().for_each(HashMap::clear);
        self.facts = None;
        self.known.clear();
    }

    fn add_batch(&mut self, batch: Batch) {
        for entry in &batch.entries {
            if let Some(chunk) = &entry.chunk {
                self.positions.insert(entry.entity, Position(entry.expected.0 + u64::from(chunk.count)));
            }
        }
        self.note_changes(&batch.changes);
        self.add(Item::Batch(batch));
    }

    fn add_removal(&mut self, removal: Removal, known: Known) {
        // What the group appends to an entity is not among the keys.
        let is_untouched = |(entity, _): &(EntityId, Vec<_>)| !self.positions.contains_key(entity);
        self.known.extend(known.into_iter().filter(is_untouched));
        self.positions.extend(removal.entities.iter().map(|(entity, _)| (*entity, Position(0))));
        self.note_changes(&removal.changes);
        self.add(Item::Removal(removal));
    }

    fn note_changes(&mut self, changes: &[Change]) {
        for Change { table, key, operation } in changes {
            let is_taken = match operation {
                Operation::Put(_) | Operation::PutIfAbsent(_) => true,
                Operation::Delete => false,
            };
            self.keys.entry(*table).or_default().insert(key.clone(), is_taken);
        }
    }

    fn add(&mut self, item: Item) {
        self.frame.push(&item);
        self.items.push(item);
    }
}
