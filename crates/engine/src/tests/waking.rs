//! Waking: a parked execution goes on from its head, and from its journal when the head does not help.

use std::sync::Mutex;

use async_trait::async_trait;
use skald_integrations::{Call, Outcome, Perform};
use skald_query::Payload;
use skald_store::memory::MemoryStore;
use skald_store::{Appending, Batch, Direction, Epoch, Error, Position, Removal, Store, StoredChunk, StoredHead, Table};

use super::*;
use crate::catalog::{Configuration, CreateMachine, MachineType};
use crate::engine::Engine;
use crate::execution::StartExecution;
use crate::options::Options;

/// How an engine finds a head.
type Found = fn(StoredHead) -> StoredHead;

/// A store that notes after which positions journals are read to be folded.
struct Watched {
    store: MemoryStore,
    found: Found,
    reads: Mutex<Vec<Position>>,
}

#[async_trait]
impl Store for Watched {
    async fn claim(&self, partition: PartitionId) -> Result<Epoch, Error> {
        self.store.claim(partition).await
    }

    fn append(&self, batch: Batch) -> Appending {
        self.store.append(batch)
    }

    async fn remove(&self, removal: Removal) -> Result<(), Error> {
        self.store.remove(removal).await
    }

    async fn read(&self, entity: EntityId, after: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        // A description reads no more than the first chunk.
        if bytes_max > 1 {
            self.reads.lock().expect("no panic while reading").push(after);
        }
        self.store.read(entity, after, bytes_max).await
    }

    async fn read_back(&self, entity: EntityId, before: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        self.store.read_back(entity, before, bytes_max).await
    }

    async fn head(&self, entity: EntityId) -> Result<Option<StoredHead>, Error> {
        self.store.head(entity).await.map(|head| head.map(self.found))
    }

    async fn position(&self, entity: EntityId) -> Result<Position, Error> {
        self.store.position(entity).await
    }

    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.store.get(table, key).await
    }

    async fn scan(&self, table: Table, from: &[u8], to: &[u8], direction: Direction, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.store.scan(table, from, to, direction, limit).await
    }

    fn pinned(&self, limit: usize) -> Vec<EntityId> {
        self.store.pinned(limit)
    }

    fn latest_time(&self) -> i64 {
        self.store.latest_time()
    }

    async fn close(&self) -> Result<(), Error> {
        self.store.close().await
    }
}

struct Nothing;

#[async_trait]
impl Perform for Nothing {
    async fn perform(&self, _: Call) -> Outcome {
        Outcome::GaveUp
    }

    async fn shut_down(&self) {}
}

const WAITS: &str = r#"{ "StartAt": "A", "States": {
    "A": { "Type": "Wait", "Seconds": 60, "Next": "B" }, "B": { "Type": "Wait", "Seconds": 60, "End": true } } }"#;

/// Runs two waits, parked in each; after which positions was the journal read?
async fn reads_of_two_waits(found: Found) -> Vec<u64> {
    let store = Arc::new(Watched { store: MemoryStore::new(), found, reads: Mutex::default() });
    let options = Options {
        owners: 1,
        clock: Arc::new(Wall(AtomicI64::new(1_700_000_000_000))),
        seed: 1,
        token_secret: [1; 32],
        park_after: Duration::from_secs(1),
        nap_max: Duration::from_secs(1),
        compute: crate::options::Compute::Owner,
        retention: crate::retention::DAY,
        inbox_commands_max: 64,
    };
    let engine = Engine::open(Arc::clone(&store) as Arc<dyn Store>, Arc::new(Nothing), options).await.expect("the store is new");
    let scope = Scope { partition: "aws".to_owned(), account: "123456789012".to_owned(), region: "us-east-1".to_owned() };
    let machine = CreateMachine {
        name: "M".to_owned(),
        definition: WAITS.to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
        machine_type: MachineType::Standard,
        configuration: Configuration { logging: "{}".into(), tracing: "{}".into(), encryption: "{}".into(), tags: "[]".into() },
    };
    let machine_arn = engine.create_machine(&scope, machine).await.expect("the definition is right").arn;
    let start = StartExecution {
        machine_arn,
        name: Some("waits".to_owned()),
        input: Payload::parse(r#"{"order":17}"#).expect("JSON"),
        trace_header: None,
        starter_key: None,
    };
    let arn = engine.start_execution(&scope, start).await.expect("the name is free").execution_arn;
    // Virtual time: two waits of a minute each.
    tokio::time::sleep(Duration::from_secs(125)).await;
    let described = engine.describe_execution(&scope, &arn).await.expect("it was started");
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
