//! The two threads behind the log: one flushes the cold tree and drops the log that this makes superfluous, the other
//! compacts. A full disk stops neither the writer nor them: they try again while the log holds.
//!
//! After each they write the tree's manifest down in the log, so that a damaged one is found when the store is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use tokio::sync::oneshot;

use super::cold::{self, WriteError};
use super::files::{Files, Worker};
use super::log::Segments;
use super::shared::Shared;
use super::space::{self, Space};
use super::writer::{Flush, Request};
use crate::Error;

pub(super) struct Flusher {
    pub(super) shared: Arc<Shared>,
    pub(super) files: Arc<dyn Files>,
    pub(super) segments: Arc<Segments>,
    pub(super) space: Arc<Space>,
    pub(super) tree: PathBuf,
    pub(super) jobs: Receiver<Flush>,
    pub(super) writer: Sender<Request>,
    pub(super) compactor: Sender<Compact>,
}

pub(super) struct Compactor {
    pub(super) shared: Arc<Shared>,
    pub(super) files: Arc<dyn Files>,
    pub(super) tree: PathBuf,
    pub(super) jobs: Receiver<Compact>,
    pub(super) writer: Sender<Request>,
}

/// What the compactor is told.
pub(super) enum Compact {
    Now,
    /// Answers when everything before is done.
    Until(oneshot::Sender<()>),
    /// The store is being closed: answers when everything before is done, and ends.
    Last(oneshot::Sender<()>),
}

/// While compaction is so far behind, flushing waits. SOURCE: `lsm-tree` 3.1 counts the runs of a level in one byte of its
/// manifest: with 256 it could not be read again, and the tables that it does not mention would be deleted.
const RUNS_MAX: usize = 128;
const BEHIND_PAUSE: Duration = Duration::from_millis(10);
/// After so many of these pauses compaction is asked for again: one that failed for want of room is not repeated by itself.
const BEHIND_PAUSES: u32 = 100;
/// Between tries.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl Flusher {
    pub(super) fn run(self) {
        while let Ok(Flush { floor }) = self.jobs.recv() {
            self.files.await_turn(Worker::Flusher);
            if self.flush() {
                note_manifest(&self.tree, &self.writer);
                self.drop_log(floor);
                // It has ended when the store is being closed.
                let _ = self.compactor.send(Compact::Now);
            }
            if self.writer.send(Request::Flushed).is_err() {
                return;
            }
        }
    }

    fn drop_log(&self, floor: u64) {
        // While the log is copied it stays; the next flush makes up for it.
        let Ok(_free) = self.shared.log_hold.try_lock() else { return };
        match self.segments.retire_below(floor, |generation, size| self.space.retire(generation, size)) {
            Ok(()) => {}
            Err(error) if space::is_full(&error) => {
                tracing::warn!(%error, "a log segment that is no longer needed cannot be put away; trying again after the next flush");
            }
            Err(error) => self.shared.break_down(&format!("a log segment that is no longer needed cannot be put away: {error}")),
        }
    }

    fn wait_for_compaction(&self) {
        let mut pauses = 0;
        while self.shared.cold.newest_runs() >= RUNS_MAX
            && !self.shared.is_closing.load(Ordering::Acquire)
            && self.shared.check_usable().is_ok()
        {
            if pauses % BEHIND_PAUSES == 0 {
                let _ = self.compactor.send(Compact::Now);
            }
            pauses += 1;
            std::thread::sleep(BEHIND_PAUSE);
        }
    }

    /// Whether it was done; given up only when the store is closed or broken.
    fn flush(&self) -> bool {
        self.wait_for_compaction();
        if let Err(error) = self.files.begin_tree_write() {
            self.shared.break_down(&error.to_string());
            return false;
        }
        let mut pause = PAUSE_MIN;
        let mut flushed = self.shared.cold.flush();
        loop {
            match flushed {
                Ok(()) => return true,
                Err(WriteError::Passing(why)) => {
                    if pause == PAUSE_MIN {
                        tracing::warn!(why, "the cold store cannot be flushed; trying again");
                    }
                    self.space.yield_to_tree(Some(why));
                }
                Err(WriteError::Broken(why)) => {
                    tracing::error!(why, "the cold store cannot be written: the store stops");
                    self.shared.break_down(&why);
                }
            }
            if self.shared.is_closing.load(Ordering::Acquire) || self.shared.check_usable().is_err() {
                return false;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
            flushed = self.shared.cold.flush_again();
            if flushed.is_ok() {
                self.space.yield_to_tree(None);
            }
        }
    }
}

impl Compactor {
    pub(super) fn run(self) {
        while let Ok(job) = self.jobs.recv() {
            self.files.await_turn(Worker::Compactor);
            match job {
                // Nobody waits for the tree's shape while the store is being closed.
                Compact::Now if self.shared.is_closing.load(Ordering::Acquire) => {}
                Compact::Now => {
                    match self
                        .files
                        .begin_tree_write()
                        .map_err(|error| WriteError::Broken(error.to_string()))
                        .and_then(|()| self.shared.cold.compact(|| !self.shared.is_closing.load(Ordering::Acquire)))
                    {
                        Ok(()) => {}
                        Err(WriteError::Passing(why)) => {
                            tracing::warn!(why, "the cold store could not be compacted; trying again after the next flush");
                        }
                        // Nothing was lost by this: what is damaged is said to whoever reads it.
                        Err(WriteError::Broken(why)) => tracing::error!(why, "the cold store cannot be compacted"),
                    }
                    note_manifest(&self.tree, &self.writer);
                }
                Compact::Until(answer) => drop(answer.send(())),
                Compact::Last(answer) => {
                    let _ = answer.send(());
                    return;
                }
            }
        }
    }
}

fn note_manifest(tree: &Path, writer: &Sender<Request>) {
    let noted = cold::manifest(tree).and_then(|found| {
        let Some((version, checksum)) = found else { return Ok(()) };
        let (answer, answered) = oneshot::channel();
        let closed = || Error::Damaged("it is closed".to_owned());
        writer.send(Request::Manifest { version, checksum, answer }).map_err(|_| closed())?;
        answered.blocking_recv().map_err(|_| closed())?
    });
    // One that was replaced just now is noted by who replaced it; what is not noted is not checked.
    if let Err(error) = noted {
        tracing::debug!(%error, "the manifest was not noted");
    }
}
