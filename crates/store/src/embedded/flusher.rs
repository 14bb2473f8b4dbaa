//! The two threads behind the log: one flushes the cold tree and drops the log that this makes superfluous, the other
//! compacts. A full disk stops neither the writer nor them: they try again while the log holds.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
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
    pub(super) compactor: SyncSender<()>,
}

const PAUSE: Duration = Duration::from_millis(200);

impl Flusher {
    pub(super) fn run(self) {
        while let Ok(Flush { floor }) = self.jobs.recv() {
            if self.flush() {
                self.note_manifest();
                if let Err(error) = self.segments.remove_below(floor, &*self.files) {
                    tracing::warn!(%error, "a log segment that is no longer needed could not be removed");
                }
                // When it is at work already, it will see the new table.
                let _ = self.compactor.try_send(());
            }
            if self.writer.send(Request::Flushed).is_err() {
                return;
            }
        }
    }

    /// Whether it was done; given up only when the store is closed.
    fn flush(&self) -> bool {
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

    /// Writes down which manifest is the right one, so that a damaged one is found when the store is opened.
    fn note_manifest(&self) {
        let noted = cold::manifest(&self.tree).and_then(|found| {
            let Some((version, checksum)) = found else { return Ok(()) };
            let (answer, answered) = oneshot::channel();
            let closed = |_| Error::Unknown("the store was closed".to_owned());
            self.writer.send(Request::Manifest { version, checksum, answer }).map_err(|_| Error::Damaged("it is closed".to_owned()))?;
            answered.blocking_recv().map_err(closed)?
        });
        // A manifest that is replaced just now is noted the next time; what is not noted is not checked.
        if let Err(error) = noted {
            tracing::debug!(%error, "the manifest was not noted");
        }
    }
}

/// Compacts whenever it is told to, until nobody can.
pub(super) fn compact(shared: &Shared, told: &Receiver<()>) {
    while told.recv().is_ok() {
        if let Err(error) = shared.cold.compact() {
            tracing::warn!(%error, "the cold store could not be compacted; trying again after the next flush");
        }
    }
}
