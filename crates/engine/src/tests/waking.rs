//! Waking: a parked execution goes on from its head, and from its journal when the head does not help.

use skald_query::Payload;
use skald_store::{Position, Store, StoredHead};

use super::rig::{Found, Nothing, Watched, open, run, scope};
use super::*;
use crate::options::Compute;

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
