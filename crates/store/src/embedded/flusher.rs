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

use super::cold;
use super::files::Files;
use super::log::Segments;
use super::shared::Shared;
use super::writer::{Flush, Request};
use crate::Error;

pub(super) struct Flusher {
    pub(super) shared: Arc<Shared>,
    pub(super) files: Arc<dyn Files>,
    pub(super) segments: Arc<Segments>,
    pub(super) tree: PathBuf,
    pub(super) jobs: Receiver<Flush>,
    pub(super) writer: Sender<Request>,
    pub(super) compactor: Sender<Compact>,
}

pub(super) struct Compactor {
    pub(super) shared: Arc<Shared>,
    pub(super) tree: PathBuf,
    pub(super) jobs: Receiver<Compact>,
    pub(super) writer: Sender<Request>,
}

/// What the compactor is told.
pub(super) enum Compact {
    Now,
    /// The store is being closed: answers when everything before is done, and ends.
    Last(oneshot::Sender<()>),
}

const PAUSE: Duration = Duration::from_millis(200);
/// While compaction is so far behind, flushing waits. SOURCE: `lsm-tree` 3.1 counts the runs of a level in one byte of its
/// manifest: with 256 it could not be read again, and the tables that it does not mention would be deleted.
const RUNS_MAX: usize = 128;
const BEHIND_PAUSE: Duration = Duration::from_millis(10);

impl Flusher {
    pub(super) fn run(self) {
        while let Ok(Flush { floor }) = self.jobs.recv() {
            if self.flush() {
                note_manifest(&self.tree, &self.writer);
                // While the log is copied it stays; the next flush makes up for it.
                if let Ok(_free) = self.shared.log_hold.try_lock()
                    && let Err(error) = self.segments.remove_below(floor, &*self.files)
                {
                    tracing::warn!(%error, "a log segment that is no longer needed could not be removed");
                }
                // It has ended when the store is being closed.
                let _ = self.compactor.send(Compact::Now);
            }
            if self.writer.send(Request::Flushed).is_err() {
                return;
            }
        }
    }

    /// Whether it was done; given up only when the store is closed.
    fn flush(&self) -> bool {
        let is_behind = || self.shared.cold.newest_runs() >= RUNS_MAX && !self.shared.is_closing.load(Ordering::Acquire);
        let mut pauses = 0;
        while is_behind() && self.shared.check_usable().is_ok() {
            // Once more now and then: a compaction that failed for want of room is not repeated by itself.
            if pauses % 100 == 0 {
                let _ = self.compactor.send(Compact::Now);
            }
            pauses += 1;
            std::thread::sleep(BEHIND_PAUSE);
        }
        loop {
            match self.shared.cold.flush() {
                Ok(()) => return true,
                Err(error) => tracing::warn!(%error, "the cold store could not be flushed; trying again"),
            }
            if self.shared.is_closing.load(Ordering::Acquire) || self.shared.check_usable().is_err() {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Compactor {
    pub(super) fn run(self) {
        while let Ok(job) = self.jobs.recv() {
            match job {
                // Nobody waits for the tree's shape while the store is being closed.
                Compact::Now if self.shared.is_closing.load(Ordering::Acquire) => {}
                Compact::Now => {
                    if let Err(error) = self.shared.cold.compact() {
                        tracing::warn!(%error, "the cold store could not be compacted; trying again after the next flush");
                    }
                    note_manifest(&self.tree, &self.writer);
                }
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
