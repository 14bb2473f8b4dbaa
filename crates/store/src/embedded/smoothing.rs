//! Tables go to disk while they are written, not all at once when they are complete.
//!
//! The tree flushes a table at its end: tens of megabytes, for which the log's own flushes, and everybody who starts
//! something, wait behind it. Here a thread flushes what is being written every few milliseconds, a few megabytes each time.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How often tables are looked at. What is written faster than this needs no help.
const EVERY: Duration = Duration::from_millis(10);
/// A table that has grown by less is left alone.
const GROWN_MIN: u64 = 1 << 20;

/// Does `write`, and flushes meanwhile the tables in `folder` whose numbers are from `first` on and below `next`.
pub(super) fn smoothly<T>(folder: &Path, first: u64, next: impl Fn() -> u64 + Send, write: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (writing, written) = channel::<()>();
        let help = move || {
            let mut flushed = BTreeMap::new();
            while written.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                for number in first..next() {
                    flush_grown(&folder.join(number.to_string()), flushed.entry(number).or_insert(0));
                }
            }
        };
        // Without a thread to spare it is only less smooth.
        let _ = thread::Builder::new().name("skald-smooth".to_owned()).spawn_scoped(scope, help);
        let result = write();
        drop(writing);
        result
    })
}

/// Whatever goes wrong is found by the flush that counts: the tree's own.
fn flush_grown(table: &Path, flushed: &mut u64) {
    let Ok(file) = File::open(table) else { return };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if length >= *flushed + GROWN_MIN {
        let _ = file.sync_data();
        *flushed = length;
    }
}
