//! Activity queues: which tasks wait for workers, and which workers wait for tasks.
//!
//! The queue proper is the store's table of undelivered tasks; memory holds waiting polls and a bounded prefetch of its
//! oldest keys.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use skald_query::Payload;
use skald_store::{Direction, Store, Table};
use tokio::sync::oneshot;

use crate::error::Fault;
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
    pollers: VecDeque<oneshot::Sender<Taken>>,
    /// The table holds nothing that is neither ready nor handed. Otherwise it holds nothing older than the last of `ready`.
    complete: bool,
    /// How many offers were left to the table: one that came while the table was read may be in no page of it.
    left_to_table: u64,
    /// Where the table is read on: what is there before this key is ready or handed. A store may take long to pass what was
    /// deleted.
    from: Bytes,
}

/// A place in a queue, or the task that was at its head.
pub(crate) enum Place {
    Task(Taken),
    Line(oneshot::Receiver<Taken>),
}

/// Why a poll got neither.
pub(crate) enum NoPlace {
    /// Too many polls wait already.
    Crowded,
    Fault(Fault),
}

/// A key that was taken from its queue: goes back unless it is kept, wherever it is dropped.
pub(crate) struct Taken {
    queues: Arc<Queues>,
    activity_arn: String,
    key: Option<Bytes>,
}

impl Queues {
    /// A task is scheduled and undelivered; a waiting poll gets it at once.
    pub(crate) fn offer(self: &Arc<Self>, activity_arn: &str, key: Bytes) {
        let mut queues = self.lock();
        let queue = queues.entry(activity_arn.to_owned()).or_default();
        if !queue.handed.contains(&key) {
            self.hand_or_keep(queue, activity_arn, key);
        }
    }

    /// The task ended, or reached its worker.
    pub(crate) fn withdraw(&self, activity_arn: &str, key: &Bytes) {
        if let Some(queue) = self.lock().get_mut(activity_arn) {
            queue.ready.remove(key);
            queue.handed.remove(key);
        }
    }

    /// The oldest waiting task, or a place in the line of polls.
    pub(crate) async fn take(self: &Arc<Self>, store: &dyn Store, activity_arn: &str) -> Result<Place, NoPlace> {
        loop {
            {
                let mut queues = self.lock();
                let queue = queues.entry(activity_arn.to_owned()).or_default();
                if let Some(key) = queue.ready.pop_first() {
                    queue.handed.insert(key.clone());
                    return Ok(Place::Task(self.taken(activity_arn, key)));
                }
                if queue.complete {
                    queue.pollers.retain(|poller| !poller.is_closed());
                    if queue.pollers.len() >= POLLERS_MAX {
                        return Err(NoPlace::Crowded);
                    }
                    let (sender, receiver) = oneshot::channel();
                    queue.pollers.push_back(sender);
                    return Ok(Place::Line(receiver));
                }
            }
            self.fetch(store, activity_arn).await.map_err(NoPlace::Fault)?;
        }
    }

    /// Reads the oldest keys of the table into the prefetch.
    async fn fetch(self: &Arc<Self>, store: &dyn Store, activity_arn: &str) -> Result<(), Fault> {
        let (first, to) = keys::activity_range(activity_arn);
        let (mut from, left_before) = {
            let mut queues = self.lock();
            let queue = queues.entry(activity_arn.to_owned()).or_default();
            (queue.from.to_vec().max(first), queue.left_to_table)
        };
        loop {
            let rows = store.scan(Table::ActivityTasks, &from, &to, Direction::Forward, PREFETCH_TASKS_MAX).await?;
            let at_end = rows.len() < PREFETCH_TASKS_MAX;
            let mut queues = self.lock();
            let queue = queues.entry(activity_arn.to_owned()).or_default();
            for (key, _) in rows {
                from = key.to_vec();
                from.push(0);
                if !queue.handed.contains(&key) {
                    queue.ready.insert(key);
                }
            }
            if queue.left_to_table == left_before {
                queue.from = Bytes::copy_from_slice(&from);
            }
            if at_end {
                queue.complete = queue.left_to_table == left_before;
                return Ok(());
            }
            if !queue.ready.is_empty() {
                return Ok(());
            }
        }
    }

    /// Gives the key to the first poll that still waits, or keeps it in order.
    fn hand_or_keep(self: &Arc<Self>, queue: &mut Queue, activity_arn: &str, mut key: Bytes) {
        while let Some(poller) = queue.pollers.pop_front() {
            queue.handed.insert(key.clone());
            match poller.send(self.taken(activity_arn, key)) {
                Ok(()) => return,
                // Not dropped: its drop would want the lock that is held here.
                Err(returned) => key = returned.into_key(),
            }
            queue.handed.remove(&key);
        }
        queue.keep(key);
    }

    fn taken(self: &Arc<Self>, activity_arn: &str, key: Bytes) -> Taken {
        Taken { queues: Arc::clone(self), activity_arn: activity_arn.to_owned(), key: Some(key) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        self.queues.lock().expect("no panic while queueing")
    }
}

impl Queue {
    /// Newer keys than the prefetch holds stay in the table while older ones may be there: oldest first.
    fn keep(&mut self, key: Bytes) {
        let in_order = self.complete || self.ready.last().is_some_and(|last| key < *last);
        if !in_order {
            return self.leave_to_table(key);
        }
        self.ready.insert(key);
        if self.ready.len() > PREFETCH_TASKS_MAX
            && let Some(newest) = self.ready.pop_last()
        {
            self.complete = false;
            self.leave_to_table(newest);
        }
    }

    fn leave_to_table(&mut self, key: Bytes) {
        self.left_to_table += 1;
        if key < self.from {
            self.from = key;
        }
    }
}

impl Taken {
    pub(crate) fn key(&self) -> &Bytes {
        self.key.as_ref().expect("taken out only when it is given up")
    }

    /// It is with its worker: the owner withdraws it.
    pub(crate) fn keep(mut self) {
        self.key = None;
    }

    /// There is no such task any more.
    pub(crate) fn forget(self) {
        let queues = Arc::clone(&self.queues);
        let activity_arn = self.activity_arn.clone();
        let key = self.into_key();
        if let Some(queue) = queues.lock().get_mut(&activity_arn) {
            queue.handed.remove(&key);
        }
    }

    fn into_key(mut self) -> Bytes {
        self.key.take().expect("taken out only when it is given up")
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let queues = Arc::clone(&self.queues);
        let mut locked = queues.lock();
        let queue = locked.entry(self.activity_arn.clone()).or_default();
        // Not when the task ended meanwhile.
        if queue.handed.remove(&key) {
            queues.hand_or_keep(queue, &self.activity_arn, key);
        }
    }
}
