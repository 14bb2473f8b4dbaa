//! Waking: a parked execution goes on from its head, and from its journal when the head does not help.

use skald_query::Payload;
use skald_store::{Direction, Position, Store, StoredHead, Table};

use super::rig::{Found, Nothing, Watched, create_machine, open, open_with, options, run, scope, start_of};
use super::*;
use crate::error::StopExecutionError;
use crate::execution::Listed;
use crate::options::{Compute, Options};

const WAITS: &str = r#"{ "StartAt": "A", "States": {
    "A": { "Type": "Wait", "Seconds": 60, "Next": "B" }, "B": { "Type": "Wait", "Seconds": 60, "End": true } } }"#;

/// Runs two waits, parked in each; after which positions was the journal read?
async fn reads_of_two_waits(found: Found) -> Vec<u64> {
    let store = Watched::finding(found);
    let engine = open(Arc::clone(&store) as Arc<dyn Store>, Arc::new(Nothing), Compute::Owner).await;
    let arn = run(&engine, WAITS).await;
    // Virtual time: two waits of a minute each.
    tokio::time::sleep(Duration::from_secs(125)).await;
    let described = engine.describe_execution(&scope(), &arn).await.expect("it was started");
    assert_eq!(described.listed.status, ExecutionStatus::Succeeded);
    assert_eq!(described.output.as_ref().map(Payload::text), Some(r#"{"order":17}"#));
    let reads = store.reads.lock().expect("no panic while reading");
    reads.iter().map(|after| after.0).collect()
}

fn with_snapshot(head: StoredHead, change: impl FnOnce(&mut Vec<u8>)) -> StoredHead {
    let Some(Head { envelope, folded: Some(Folded { revision, snapshot }) }) = Head::decode(&head.bytes) else { return head };
    let mut snapshot = snapshot.to_vec();
    change(&mut snapshot);
    let folded = Some(Folded { revision, snapshot: snapshot.into() });
    StoredHead { bytes: Head { envelope, folded }.encode(), ..head }
}

#[tokio::test(start_paused = true)]
async fn waking_reads_what_came_after_the_head() {
    // Created, ExecutionStarted and Entered A; then Exited A and Entered B. Tests fold everything once more to compare.
    assert_eq!(reads_of_two_waits(|head| head).await, [3, 0, 3, 5, 0, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_help_leaves_the_journal_to_be_folded() {
    let whole = [0, 3, 0, 5];
    let cases: [(&str, Found); 4] = [
        ("of another fold", |head| with_snapshot(head, |snapshot| snapshot[0] = 127)),
        ("cut", |head| with_snapshot(head, |snapshot| snapshot.truncate(20))),
        ("of another position", |head| StoredHead { position: Position(head.position.0 - 1), ..head }),
        ("without a folded state", |head| with_snapshot(head, Vec::clear)),
    ];
    for (case, found) in cases {
        assert_eq!(reads_of_two_waits(found).await, whole, "{case}");
    }
}

/// More than are brought in, read of the store, or read by it in one go.
const AT_ONCE: usize = 1_100;

#[tokio::test(start_paused = true)]
async fn however_many_are_due_at_once_all_are_woken_then() {
    let engine = open(Watched::finding(|head| head), Arc::new(Nothing), Compute::Owner).await;
    let machine = create_machine(&engine, WAITS).await;
    let names = (0..).map(|number| format!("n{number}")).filter(|name| keys::partition_of(&machine, name) == PartitionId(7));
    let mut arns = Vec::new();
    for name in names.take(AT_ONCE) {
        arns.push(engine.start_execution(&scope(), start_of(&name)).await.expect("the name is free").execution_arn);
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(engine.metrics().live_executions.load(Ordering::Relaxed), 0, "all are parked");
    tokio::time::sleep(Duration::from_secs(95)).await;
    for arn in &arns {
        let Listed { status, started_at, stopped_at, .. } = engine.describe_execution(&scope(), arn).await.expect("it was started").listed;
        let ran_ms = stopped_at.map(|stopped_at| stopped_at.millis - started_at.millis);
        assert!(status == ExecutionStatus::Succeeded && ran_ms.is_some_and(|ran_ms| (120_000..120_100).contains(&ran_ms)), "{ran_ms:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_read_keeps_no_engine_from_opening_and_is_tried_again() {
    let store = Watched::finding(|head| head);
    let first = open(store.clone(), Arc::new(Nothing), Compute::Owner).await;
    let mut arns = vec![run(&first, WAITS).await];
    arns.push(first.start_execution(&scope(), start_of("other")).await.expect("the name is free").execution_arn);
    let left = store.store.fork();
    let awake = left.scan(Table::Awake, &[], &[0xFF; 17], Direction::Forward, 10).await.expect("a memory store");
    assert_eq!(awake.len(), arns.len());
    let unreadable = EntityId::from_bytes(awake[0].0.as_ref().try_into().expect("an entity"));

    let store = Watched::with_unreadable(left, unreadable);
    let opening = open(store.clone(), Arc::new(Nothing), Compute::Owner);
    let second = tokio::time::timeout(Duration::from_secs(10), opening).await.expect("nobody waits for what cannot be read");
    let mut refused = Vec::new();
    for arn in arns {
        match second.stop_execution(&scope(), &arn, None, None).await {
            Ok(_) => {}
            Err(StopExecutionError::InternalFailure(_)) => refused.push(arn),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(refused.len(), 1, "{refused:?}");
    *store.unreadable.lock().expect("no panic while reading") = None;
    tokio::time::sleep(Duration::from_secs(2)).await;
    second.stop_execution(&scope(), &refused[0], None, None).await.expect("it was read again");
}

#[tokio::test(start_paused = true)]
async fn who_holds_back_the_log_gets_a_head_also_when_nothing_is_appended() {
    let store = Watched::finding(|head| head);
    let options = Options { park_after: Duration::from_secs(3_600), ..options() };
    let engine = open_with(store.clone(), Arc::new(Nothing), options).await;
    let holds = r#"{ "StartAt": "A", "States": { "A": { "Type": "Wait", "Seconds": 600, "End": true } } }"#;
    run(&engine, holds).await;
    let awake = store.store.scan(Table::Awake, &[], &[0xFF; 17], Direction::Forward, 10).await.expect("a memory store");
    let entity = EntityId::from_bytes(awake[0].0.as_ref().try_into().expect("an entity"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(store.store.head(entity).await, Ok(None), "it waits in memory");
    // As when the log grows by what others append.
    store.pinned.lock().expect("no panic while asking").push(entity);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let head = store.store.head(entity).await.expect("a memory store").map(|head| head.position);
    assert_eq!(head, store.store.position(entity).await.ok());
}
