//! Whether a start is let in. Starts are throttled before anything else is: by the memory that live executions take, by
//! their machine's pace, and by how many wait for their answer already, of all machines and of theirs.
//!
//! Children are let in wherever there is a place in the inbox: their parents were let in before, and wait for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use skald_asl::Timestamp;

/// An execution beside its payloads, in memory. SOURCE: measured: 2 to 3 KiB with a task running.
const EXECUTION_BYTES: u64 = 3 * 1024;
/// From this part of the live bytes on, idle executions leave memory at once.
const PRESSURE_PERCENT: u64 = 75;
/// From this part of the starts that may wait on, one machine may have no more than …
const CROWDED_PERCENT: u64 = 25;
/// … this part of them.
const SHARE_PERCENT: u64 = 12;

/// Whether whoever starts was let in already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Client,
    Child,
}

/// What all live executions take.
#[derive(Debug, Default)]
pub(crate) struct LiveBytes(Arc<AtomicU64>);

impl LiveBytes {
    /// Counts one execution, for as long as it is held.
    pub(crate) fn weigh(&self, payload_bytes: usize) -> Weight {
        let mut weight = Weight { all: Arc::clone(&self.0), bytes: 0 };
        weight.set(payload_bytes);
        weight
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn is_pressing(&self, bytes_max: u64) -> bool {
        self.bytes() >= bytes_max / 100 * PRESSURE_PERCENT
    }
}

/// What one live execution takes.
#[derive(Debug)]
pub(crate) struct Weight {
    all: Arc<AtomicU64>,
    bytes: u64,
}

impl Weight {
    pub(crate) fn set(&mut self, payload_bytes: usize) {
        let bytes = EXECUTION_BYTES + payload_bytes as u64;
        self.all.fetch_add(bytes.wrapping_sub(self.bytes), Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What one machine starts: its pace, and how many starts wait for their answer.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Starts that may come at once, in thousandths, and when that was so.
    bucket: Mutex<Option<(u64, Timestamp)>>,
    waiting: Arc<AtomicU64>,
}

/// A start that waits for its answer, counted among its machine's and among all.
pub(crate) struct WaitingStart([Arc<AtomicU64>; 2]);

impl Drop for WaitingStart {
    fn drop(&mut self) {
        for count in &self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Pace {
    /// Takes one start of `per_second`, a second's worth at once at most; whether there was one.
    pub(crate) fn take(&self, per_second: u32, now: Timestamp) -> bool {
        let full = u64::from(per_second) * 1_000;
        let mut bucket = self.bucket.lock().expect("no panic while starts are counted");
        let (left, since) = bucket.unwrap_or((full, now));
        let passed_ms = u64::try_from(now.millis - since.millis).unwrap_or(0);
        let left = left.saturating_add(passed_ms.saturating_mul(u64::from(per_second))).min(full);
        let taken = left.checked_sub(1_000);
        *bucket = Some((taken.unwrap_or(left), now.max(since)));
        taken.is_some()
    }

    /// A place among the starts that wait, of which there may be `all_max`; none when there is none, or when they are a
    /// crowd and this machine has its share of it.
    pub(crate) fn wait(&self, standing: Standing, all: &Arc<AtomicU64>, all_max: u64) -> Option<WaitingStart> {
        let waiting = all.load(Ordering::Relaxed);
        let is_crowd = waiting >= all_max * CROWDED_PERCENT / 100;
        let share = (all_max * SHARE_PERCENT / 100).max(1);
        let is_let_in = match standing {
            Standing::Child => true,
            Standing::Client => waiting < all_max && !(is_crowd && self.waiting.load(Ordering::Relaxed) >= share),
        };
        is_let_in.then(|| {
            let counts = [Arc::clone(&self.waiting), Arc::clone(all)];
            for count in &counts {
                count.fetch_add(1, Ordering::Relaxed);
            }
            WaitingStart(counts)
        })
    }
}

#[cfg(test)]
mod tests;
