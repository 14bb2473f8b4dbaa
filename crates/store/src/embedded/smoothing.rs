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

/// Whatever goes wrong is found by the flush that counts, the tree's own. SOURCE: fsync(2): since Linux 4.13 an error is
/// reported to everyone who has the file open, and the tree has it open since it made it.
fn flush_grown(table: &Path, flushed: &mut u64) {
    let Ok(file) = File::open(table) else { return };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if length >= *flushed + GROWN_MIN {
        let _ = file.sync_data();
        *flushed = length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_flushed_when_it_has_grown_enough() {
        let folder = tempfile::tempdir().expect("a folder");
        let table = folder.path().join("7");
        let mut flushed = 0;
        flush_grown(&table, &mut flushed);
        assert_eq!(flushed, 0, "one that is not there yet");
        for (length, wanted) in [(GROWN_MIN - 1, 0), (GROWN_MIN, GROWN_MIN), (2 * GROWN_MIN - 1, GROWN_MIN), (3 * GROWN_MIN, 3 * GROWN_MIN)]
        {
            std::fs::write(&table, vec![0; length as usize]).expect("written");
            flush_grown(&table, &mut flushed);
            assert_eq!(flushed, wanted, "at {length} bytes");
        }
    }

    #[test]
    fn what_is_written_meanwhile_ends_with_its_own_result() {
        let folder = tempfile::tempdir().expect("a folder");
        let (seen, looked) = channel();
        let next = move || {
            let _ = seen.send(());
            2
        };
        // The write goes on until it was looked at.
        let written = smoothly(folder.path(), 1, next, || looked.recv().map(|()| "done"));
        assert_eq!(written, Ok("done"));
    }
}
