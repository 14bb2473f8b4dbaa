//! What a machine's executions and its last starts see of it: whether it is going away, and how long they are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::admission::Pace;

/// Shared by a machine's records and its executions, for one incarnation.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    deleting: AtomicBool,
    /// Starts whose first append is not durable: no list shows them.
    starting: AtomicU64,
    /// How long its executions are kept after their end, in seconds; 0 when its tags do not say.
    retention_seconds: AtomicU64,
    pub(crate) pace: Pace,
}

/// A start on its way.
pub(crate) struct StartInFlight {
    fate: Arc<Fate>,
}

impl Fate {
    pub(crate) fn of(deleting: bool) -> Arc<Self> {
        Arc::new(Self { deleting: AtomicBool::new(deleting), ..Self::default() })
    }

    /// Its executions end at their next transition.
    pub(crate) fn is_deleting(&self) -> bool {
        self.deleting.load(Ordering::SeqCst)
    }

    pub(crate) fn delete(&self) {
        self.deleting.store(true, Ordering::SeqCst);
    }

    /// What its tags say of it.
    pub(crate) fn set_retention(&self, retention: Option<Duration>) {
        self.retention_seconds.store(retention.map_or(0, |retention| retention.as_secs()), Ordering::Relaxed);
    }

    pub(crate) fn retention(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.retention_seconds.load(Ordering::Relaxed))).filter(|retention| !retention.is_zero())
    }

    pub(crate) fn begin_start(self: &Arc<Self>) -> StartInFlight {
        self.starting.fetch_add(1, Ordering::SeqCst);
        StartInFlight { fate: Arc::clone(self) }
    }

    pub(crate) fn has_starts_in_flight(&self) -> bool {
        self.starting.load(Ordering::SeqCst) > 0
    }
}

impl Drop for StartInFlight {
    fn drop(&mut self) {
        self.fate.starting.fetch_sub(1, Ordering::SeqCst);
    }
}
