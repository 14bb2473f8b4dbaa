//! Whether a machine is going away, as its executions and its last starts see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::admission::Pace;

/// Shared by a machine's records and its executions, for one incarnation.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    deleting: AtomicBool,
    /// Starts whose first append is not durable: no list shows them.
    starting: AtomicU64,
    pub(crate) pace: Pace,
}

/// A start on its way.
pub(crate) struct StartInFlight {
    fate: Arc<Fate>,
}

impl Fate {
    pub(crate) fn of(deleting: bool) -> Arc<Self> {
        Arc::new(Self { deleting: AtomicBool::new(deleting), starting: AtomicU64::new(0), pace: Pace::default() })
    }

    /// Its executions end at their next transition.
    pub(crate) fn is_deleting(&self) -> bool {
        self.deleting.load(Ordering::SeqCst)
    }

    pub(crate) fn delete(&self) {
        self.deleting.store(true, Ordering::SeqCst);
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
