//! Counters and gauges, rendered as Prometheus text by `server`.
//!
//! Plain atomics behind one lock-free face; labels are few (machine, status) and bounded.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the engine counts. Latencies are histograms with fixed bounds, in seconds.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By machine ARN.
    started: Mutex<BTreeMap<String, u64>>,
    /// By machine ARN and status.
    ended: Mutex<BTreeMap<(String, &'static str), u64>>,
    pub records: AtomicU64,
    pub appends: AtomicU64,
    pub append_failures: AtomicU64,
    /// Starts that were refused for want of room.
    pub starts_throttled: AtomicU64,
    /// Bytes of live executions now, as far as they are counted.
    pub live_bytes: AtomicU64,
    /// Owed cancellations that were given up after a day.
    pub cancels_given_up: AtomicU64,
    /// Commands waiting in inboxes now.
    pub inbox_depth: AtomicU64,
    /// Polls of activities that wait for a task now.
    pub polls_waiting: AtomicU64,
    /// Calls running now.
    pub calls_running: AtomicU64,
    /// Live executions in memory now.
    pub live_executions: AtomicU64,
    /// Express executions running now.
    pub express_running: AtomicU64,
    /// Events that the execution log had no room for.
    pub log_events_dropped: AtomicU64,
    pub flush_seconds: Histogram,
    pub task_seconds: Histogram,
}

/// SOURCE: our own choice: from 100 µs to 60 s, the range of an append and of a task.
pub const BUCKETS_SECONDS: [f64; 12] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 5.0, 20.0, 60.0];

/// How often a duration fell into each bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One a bound, not cumulative; the last is for everything longer.
    counts: [AtomicU64; BUCKETS_SECONDS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    pub fn observe(&self, duration: std::time::Duration) {
        let seconds = duration.as_secs_f64();
        let index = BUCKETS_SECONDS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS_SECONDS.len());
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Cumulative counts by bound, the total last; and the sum in seconds.
    pub fn snapshot(&self) -> (Vec<u64>, f64) {
        let mut total = 0;
        let cumulative = self
            .counts
            .iter()
            .map(|count| {
                total += count.load(Ordering::Relaxed);
                total
            })
            .collect();
        (cumulative, self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6)
    }
}

impl Metrics {
    pub fn count_started(&self, machine_arn: &str) {
        let mut started = self.started.lock().expect("no panic while counting");
        match started.get_mut(machine_arn) {
            Some(count) => *count += 1,
            None => {
                started.insert(machine_arn.to_owned(), 1);
            }
        }
    }

    pub fn count_ended(&self, machine_arn: &str, status: &'static str) {
        *self.ended.lock().expect("no panic while counting").entry((machine_arn.to_owned(), status)).or_default() += 1;
    }

    /// (machine ARN, count)
    pub fn started(&self) -> Vec<(String, u64)> {
        self.started.lock().expect("no panic while counting").iter().map(|(arn, count)| (arn.clone(), *count)).collect()
    }

    /// (machine ARN, status, count)
    pub fn ended(&self) -> Vec<(String, &'static str, u64)> {
        self.ended.lock().expect("no panic while counting").iter().map(|((arn, status), count)| (arn.clone(), *status, *count)).collect()
    }
}
