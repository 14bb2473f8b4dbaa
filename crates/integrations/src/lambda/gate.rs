//! The gate before a function: so many invocations run at once, and so many more wait, first come, first served.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Invocations of one function that may wait.
pub const WAITING_INVOCATIONS_MAX: usize = 10_000;

/// Gates that nobody stands at are kept up to so many.
const GATES_KEPT_MAX: usize = 1_000;

/// See the module.
#[derive(Debug)]
pub struct Gate {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// An invocation that may run, until this is dropped.
#[derive(Debug)]
pub struct Pass {
    _permit: OwnedSemaphorePermit,
    _gate: Arc<Gate>,
}

/// Why an invocation may not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// Too many wait already.
    Crowded,
    /// The server is going down.
    Closed,
}

impl Gate {
    pub fn new(running_max: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(running_max)), waiting: AtomicUsize::new(0) }
    }

    pub async fn pass(self: &Arc<Self>) -> Result<Pass, Shut> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(TryAcquireError::Closed) => return Err(Shut::Closed),
            Err(TryAcquireError::NoPermits) => {
                let place = Place::take(&self.waiting).ok_or(Shut::Crowded)?;
                let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Shut::Closed)?;
                drop(place);
                permit
            }
        };
        Ok(Pass { _permit: permit, _gate: Arc::clone(self) })
    }

    /// Lets nobody in any more; those that wait are told.
    pub fn close(&self) {
        self.permits.close();
    }
}

/// Gates of functions that nobody declared, made as they are called.
#[derive(Debug)]
pub struct Gates {
    running_max: usize,
    by_function: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Gates {
    /// Each lets `running_max` in at once.
    pub fn new(running_max: usize) -> Self {
        Self { running_max, by_function: Mutex::default() }
    }

    pub fn of(&self, function: &str) -> Arc<Gate> {
        let mut gates = self.by_function.lock().expect("no panic while a gate is looked up");
        if let Some(gate) = gates.get(function) {
            return Arc::clone(gate);
        }
        if gates.len() >= GATES_KEPT_MAX {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let gate = Arc::new(Gate::new(self.running_max));
        gates.insert(function.to_owned(), Arc::clone(&gate));
        gate
    }

    /// As [`Gate::close`], of those there are.
    pub fn close(&self) {
        for gate in self.by_function.lock().expect("no panic while a gate is looked up").values() {
            gate.close();
        }
    }
}

/// A place in the queue, given back when dropped.
struct Place<'a> {
    waiting: &'a AtomicUsize,
}

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let one_more = |count| (count < WAITING_INVOCATIONS_MAX).then_some(count + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self { waiting })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
