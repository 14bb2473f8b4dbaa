//! Activity queues: which tasks wait for workers, and which workers wait for tasks.
//!
//! The queue proper is the store's table of undelivered tasks; memory holds waiting polls and a bounded prefetch of keys.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use skald_query::Payload;
use skald_store::{Direction, Store, Table};
use tokio::sync::oneshot;

use crate::keys;

/// Keys of waiting tasks held in memory, an activity.
const PREFETCH_TASKS_MAX: usize = 1_000;
/// Polls that may wait, an activity. SOURCE: limits.md §1.
const POLLERS_MAX: usize = 1_000;

/// A task handed to a worker.
///
/// [`Delivery::written`] is called once the answer is in the worker's socket; dropping the delivery before that offers the
/// task again, with the same token and without a second event.
#[derive(Debug)]
pub struct ActivityTask {
    pub token: String,
    pub input: Payload,
    pub delivery: Delivery,
}

/// The outcome of handing a task over.
#[derive(Debug)]
pub struct Delivery {
    written: Option<oneshot::Sender<Written>>,
}

/// The answer reached the socket.
#[derive(Debug)]
pub(crate) struct Written;

impl Delivery {
    pub(crate) fn tracked() -> (Self, oneshot::Receiver<Written>) {
        let (sender, receiver) = oneshot::channel();
        (Self { written: Some(sender) }, receiver)
    }

    /// The answer was written.
    pub fn written(mut self) {
        if let Some(sender) = self.written.take() {
            let _ = sender.send(Written);
        }
    }
}

/// All queues of an engine, by activity ARN.
#[derive(Default)]
pub(crate) struct Queues {
    queues: Mutex<HashMap<String, Queue>>,
}

#[derive(Default)]
struct Queue {
    /// Keys of the store's table, oldest first.
    ready: BTreeSet<Bytes>,
    /// Handed to a worker and not known to have arrived.
    handed: HashSet<Bytes>,
    pollers: VecDeque<oneshot::Sender<Bytes>>,
    /// The table holds nothing that is in neither set.
    complete: bool,
}

/// Too many polls wait already.
pub(crate) struct Crowded;

/// A key that was taken from its queue: goes back unless it is kept.
pub(crate) struct Taken {
    queues: Arc<crate::shared::Shared>,
    activity_arn: String,
    pub(crate) key: Bytes,
    kept: bool,
}

impl Queues {
    /// A task is scheduled and undelivered; a waiting poll gets it at once.
    pub(crate) fn offer(&self, activity_arn: &str, key: Bytes) {
        let mut queues = self.queues.lock().expect("no panic while queueing");
        let queue = queues.entry(activity_arn.to_owned()).or_default();
        if queue.handed.contains(&key) {
            return;
        }
        queue.hand_or_keep(key);
    }

    /// The task ended, or reached its worker.
    pub(crate) fn withdraw(&self, activity_arn: &str, key: &Bytes) {
        let mut queues = self.queues.lock().expect("no panic while queueing");
        if let Some(queue) = queues.get_mut(activity_arn) {
            queue.ready.remove(key);
            queue.handed.remove(key);
        }
    }

    /// The oldest waiting task's key, or a place in the line of polls.
    ///
    /// # Errors
    /// [`Crowded`] when too many polls wait.
    pub(crate) async fn take(&self, store: &dyn Store, activity_arn: &str) -> Result<Result<Bytes, oneshot::Receiver<Bytes>>, Crowded> {
        loop {
            {
                let mut queues = self.queues.lock().expect("no panic while queueing");
                let queue = queues.entry(activity_arn.to_owned()).or_default();
                if let Some(key) = queue.ready.pop_first() {
                    queue.handed.insert(key.clone());
                    return Ok(Ok(key));
                }
                if queue.complete {
                    queue.pollers.retain(|poller| !poller.is_closed());
                    if queue.pollers.len() >= POLLERS_MAX {
                        return Err(Crowded);
                    }
                    let (sender, receiver) = oneshot::channel();
                    queue.pollers.push_back(sender);
                    return Ok(Err(receiver));
                }
                // Whatever is offered while the table is read lands in `ready` as well.
                queue.complete = true;
            }
            self.fetch(store, activity_arn).await;
        }
    }

    /// Reads keys from the table into the prefetch.
    async fn fetch(&self, store: &dyn Store, activity_arn: &str) {
        let (mut from, to) = keys::activity_range(activity_arn);
        loop {
            let rows = match store.scan(Table::ActivityTasks, &from, &to, Direction::Forward, PREFETCH_TASKS_MAX).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!(%error, activity_arn, "the activity's queue cannot be read");
                    return;
                }
            };
            let mut queues = self.queues.lock().expect("no panic while queueing");
            let queue = queues.entry(activity_arn.to_owned()).or_default();
            let at_end = rows.len() < PREFETCH_TASKS_MAX;
            for (key, _) in rows {
                from = key.to_vec();
                from.push(0);
                if !queue.handed.contains(&key) {
                    queue.hand_or_keep(key);
                }
            }
            if at_end || !queue.ready.is_empty() {
                queue.complete &= at_end;
                return;
            }
        }
    }

    fn put_back(&self, activity_arn: &str, key: Bytes) {
        let mut queues = self.queues.lock().expect("no panic while queueing");
        let queue = queues.entry(activity_arn.to_owned()).or_default();
        if queue.handed.remove(&key) {
            queue.hand_or_keep(key);
        }
    }

    fn forget(&self, activity_arn: &str, key: &Bytes) {
        let mut queues = self.queues.lock().expect("no panic while queueing");
        if let Some(queue) = queues.get_mut(activity_arn) {
            queue.handed.remove(key);
        }
    }
}

impl Queue {
    fn hand_or_keep(&mut self, mut key: Bytes) {
        while let Some(poller) = self.pollers.pop_front() {
            self.handed.insert(key.clone());
            match poller.send(key) {
                Ok(()) => return,
                Err(returned) => {
                    self.handed.remove(&returned);
                    key = returned;
                }
            }
        }
        if self.ready.len() < PREFETCH_TASKS_MAX {
            self.ready.insert(key);
        } else {
            self.complete = false;
        }
    }
}

impl Taken {
    pub(crate) fn new(shared: Arc<crate::shared::Shared>, activity_arn: String, key: Bytes) -> Self {
        Self { queues: shared, activity_arn, key, kept: false }
    }

    /// It is with its worker: the owner withdraws it.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    /// There is no such task any more.
    pub(crate) fn forget(mut self) {
        self.kept = true;
        self.queues.queues.forget(&self.activity_arn, &self.key);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.kept {
            self.queues.queues.put_back(&self.activity_arn, self.key.clone());
        }
    }
}
