//! Activity queues in front of the store's table: oldest first, nothing lost, nothing handed out twice.

use std::sync::Arc;

use bytes::Bytes;
use skald_asl::Timestamp;
use skald_store::memory::MemoryStore;
use skald_store::{Batch, Change, EntityId, Operation, PartitionId, Store, Table};

use crate::activity::{NoPlace, Place, Queues, Taken};
use crate::keys;

const ARN: &str = "arn:aws:states:us-east-1:123456789012:activity:a";

fn key(number: i64) -> Bytes {
    keys::activity_task(ARN, Timestamp::from_millis(number), EntityId::new(PartitionId(0), 1, 1), 3)
}

/// Schedules a task as an owner does: a row in the table, then an offer.
async fn schedule(store: &MemoryStore, queues: &Arc<Queues>, number: i64) {
    change(store, number, Operation::Put(Bytes::new())).await;
    queues.offer(ARN, key(number));
}

async fn change(store: &MemoryStore, number: i64, operation: Operation) {
    let epoch = store.claim(PartitionId(0)).await.expect("a memory store");
    let change = Change { table: Table::ActivityTasks, key: key(number), operation };
    let batch = Batch {
        partition: PartitionId(0),
        epoch,
        urgency: skald_store::Urgency::RunningWork,
        at: number,
        entries: Vec::new(),
        changes: vec![change],
    };
    store.append(batch).await.expect("a memory store");
}

/// What a poll gets at once.
async fn poll(store: &MemoryStore, queues: &Arc<Queues>) -> Option<Taken> {
    match queues.take(store, ARN).await {
        Ok(Place::Task(taken)) => Some(taken),
        Ok(Place::Line(_)) => None,
        Err(NoPlace::Crowded | NoPlace::Fault(_)) => panic!("a place in the line"),
    }
}

/// The worker has it: the owner removes the row.
async fn deliver(store: &MemoryStore, queues: &Arc<Queues>, taken: Taken, number: i64) {
    assert_eq!(taken.key(), &key(number));
    taken.keep();
    change(store, number, Operation::Delete).await;
    queues.withdraw(ARN, &key(number));
}

#[tokio::test]
async fn a_backlog_beyond_the_prefetch_is_served_oldest_first_while_more_arrives() {
    let (store, queues) = (MemoryStore::new(), Arc::new(Queues::default()));
    let (backlog, arriving) = (1_500, 600);
    for number in 0..backlog {
        schedule(&store, &queues, number).await;
    }
    for number in 0..backlog + arriving {
        if number < arriving {
            schedule(&store, &queues, backlog + number).await;
        }
        let taken = poll(&store, &queues).await.expect("a task waits");
        deliver(&store, &queues, taken, number).await;
    }
    assert!(poll(&store, &queues).await.is_none());
}

#[tokio::test]
async fn what_comes_late_is_not_passed_over() {
    let (store, queues) = (MemoryStore::new(), Arc::new(Queues::default()));
    for number in 1..1_501 {
        schedule(&store, &queues, number).await;
    }
    // As much as is read of the table at once.
    for number in 1..1_001 {
        let taken = poll(&store, &queues).await.expect("a task waits");
        deliver(&store, &queues, taken, number).await;
    }
    // Its time is older than that of tasks which were taken already: an owner had to wait for its flush.
    schedule(&store, &queues, 0).await;
    let late = poll(&store, &queues).await.expect("a task waits");
    deliver(&store, &queues, late, 0).await;
    // It did not reach its worker, while the next ones were read.
    let dropped = poll(&store, &queues).await.expect("a task waits");
    for number in 1_002..1_501 {
        let taken = poll(&store, &queues).await.expect("a task waits");
        deliver(&store, &queues, taken, number).await;
    }
    drop(dropped);
    let again = poll(&store, &queues).await.expect("offered again");
    deliver(&store, &queues, again, 1_001).await;
    assert!(poll(&store, &queues).await.is_none());
}

#[tokio::test]
async fn what_did_not_reach_its_worker_goes_to_the_next_one() {
    let (store, queues) = (MemoryStore::new(), Arc::new(Queues::default()));
    schedule(&store, &queues, 1).await;
    let taken = poll(&store, &queues).await.expect("a task waits");
    assert!(poll(&store, &queues).await.is_none(), "handed out once");
    drop(taken);
    let again = poll(&store, &queues).await.expect("offered again");
    deliver(&store, &queues, again, 1).await;
}

#[tokio::test]
async fn a_poll_that_vanishes_with_a_task_in_its_hands_loses_nothing() {
    let (store, queues) = (MemoryStore::new(), Arc::new(Queues::default()));
    let Ok(Place::Line(vanishing)) = queues.take(&store, ARN).await else { panic!("nothing waits yet") };
    let Ok(Place::Line(mut patient)) = queues.take(&store, ARN).await else { panic!("nothing waits yet") };
    schedule(&store, &queues, 1).await;
    assert!(patient.try_recv().is_err(), "the first in the line has it");
    drop(vanishing);
    let taken = patient.try_recv().expect("the next in the line has it");
    deliver(&store, &queues, taken, 1).await;
}

#[tokio::test]
async fn a_task_that_ended_is_not_offered_again() {
    let (store, queues) = (MemoryStore::new(), Arc::new(Queues::default()));
    schedule(&store, &queues, 1).await;
    let taken = poll(&store, &queues).await.expect("a task waits");
    change(&store, 1, Operation::Delete).await;
    queues.withdraw(ARN, &key(1));
    drop(taken);
    assert!(poll(&store, &queues).await.is_none());
}
