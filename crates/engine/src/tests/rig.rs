//! What tests of whole engines stand on: a store that is watched, an engine in virtual time, one machine.

use std::sync::Mutex;

use async_trait::async_trait;
use skald_integrations::{Call, Outcome, Perform};
use skald_query::Payload;
use skald_store::memory::MemoryStore;
use skald_store::{Appending, AppendingAll, Batch, Direction, Epoch, Error, Position, Removal, Store, StoredChunk, StoredHead, Table};

use super::*;
use crate::catalog::{Configuration, CreateMachine, MachineType};
use crate::engine::Engine;
use crate::execution::StartExecution;
use crate::options::{Compute, Options};

/// When every test begins.
pub(super) const BEGINNING_MS: i64 = 1_700_000_000_000;

/// How an engine finds a head.
pub(super) type Found = fn(StoredHead) -> StoredHead;

/// Hears of an append before it takes effect.
type Told = Box<dyn Fn(&MemoryStore) + Send + Sync>;

/// A store that notes after which positions journals are read to be folded, takes its time for a flush, and tells of
/// appends.
pub(super) struct Watched {
    pub(super) store: MemoryStore,
    found: Found,
    flush: Duration,
    told: Told,
    /// Whose journal cannot be read.
    pub(super) unreadable: Mutex<Option<EntityId>>,
    pub(super) reads: Mutex<Vec<Position>>,
    /// The bytes of each call that appends.
    pub(super) appended_bytes: Mutex<Vec<usize>>,
    /// Who holds back the dropping of the log.
    pub(super) pinned: Mutex<Vec<EntityId>>,
}

impl Watched {
    pub(super) fn finding(found: Found) -> Arc<Self> {
        Arc::new(Self { found, ..Self::new() })
    }

    pub(super) fn flushing_for(flush: Duration) -> Arc<Self> {
        Arc::new(Self { flush, ..Self::new() })
    }

    pub(super) fn told_of_appends(flush: Duration, told: impl Fn(&MemoryStore) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { flush, told: Box::new(told), ..Self::new() })
    }

    /// A store with what is there already, of which one journal cannot be read.
    pub(super) fn with_unreadable(store: MemoryStore, entity: EntityId) -> Arc<Self> {
        Arc::new(Self { store, unreadable: Mutex::new(Some(entity)), ..Self::new() })
    }

    fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            found: |head| head,
            flush: Duration::ZERO,
            told: Box::new(|_| ()),
            unreadable: Mutex::default(),
            reads: Mutex::default(),
            appended_bytes: Mutex::default(),
            pinned: Mutex::default(),
        }
    }
}

#[async_trait]
impl Store for Watched {
    async fn claim(&self, partition: PartitionId) -> Result<Epoch, Error> {
        self.store.claim(partition).await
    }

    fn append(&self, batch: Batch) -> Appending {
        (self.told)(&self.store);
        let (appending, flush) = (self.store.append(batch), self.flush);
        Box::pin(async move {
            tokio::time::sleep(flush).await;
            appending.await
        })
    }

    fn append_all(&self, batches: Vec<Batch>) -> AppendingAll {
        let bytes = batches.iter().map(Batch::byte_count).sum();
        self.appended_bytes.lock().expect("no panic while appending").push(bytes);
        let appending: Vec<_> = batches.into_iter().map(|batch| self.append(batch)).collect();
        Box::pin(async move {
            let mut results = Vec::with_capacity(appending.len());
            for append in appending {
                results.push(append.await);
            }
            results
        })
    }

    async fn remove(&self, removal: Removal) -> Result<(), Error> {
        self.store.remove(removal).await
    }

    async fn read(&self, entity: EntityId, after: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        if *self.unreadable.lock().expect("no panic while reading") == Some(entity) {
            return Err(Error::Damaged("its block".to_owned()));
        }
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
        self.pinned.lock().expect("no panic while asking").iter().take(limit).copied().collect()
    }

    fn latest_time(&self) -> i64 {
        self.store.latest_time()
    }

    async fn close(&self) -> Result<(), Error> {
        self.store.close().await
    }
}

/// Performs nothing.
pub(super) struct Nothing;

#[async_trait]
impl Perform for Nothing {
    async fn perform(&self, _: Arc<Call>) -> Outcome {
        Outcome::GaveUp
    }

    async fn shut_down(&self) {}
}

pub(super) fn scope() -> Scope {
    Scope { partition: "aws".to_owned(), account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
}

pub(super) async fn open(store: Arc<dyn Store>, perform: Arc<dyn Perform>, compute: Compute) -> Engine {
    open_with(store, perform, Options { compute, ..options() }).await
}

pub(super) async fn open_with(store: Arc<dyn Store>, perform: Arc<dyn Perform>, options: Options) -> Engine {
    Engine::open(store, perform, options).await.expect("the store is whole")
}

pub(super) fn options() -> Options {
    Options {
        owners: 1,
        clock: Arc::new(Wall(AtomicI64::new(BEGINNING_MS))),
        seed: 1,
        token_secret: [1; 32],
        park_after: Duration::from_secs(1),
        retention: crate::retention::DAY,
        nap_max: Duration::from_secs(1),
        compute: Compute::Owner,
        inbox_commands_max: 64,
        live_bytes_max: 1 << 30,
        starts_per_second_max: None,
        ..Options::default()
    }
}

/// Makes the machine `M`; its ARN.
pub(super) async fn create_machine(engine: &Engine, definition: &str) -> String {
    create_machine_of(engine, MachineType::Standard, definition).await
}

pub(super) async fn create_machine_of(engine: &Engine, machine_type: MachineType, definition: &str) -> String {
    let machine = CreateMachine {
        name: "M".to_owned(),
        definition: definition.to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
        machine_type,
        configuration: Configuration { logging: "{}".into(), tracing: "{}".into(), encryption: "{}".into(), tags: "[]".into() },
    };
    engine.create_machine(&scope(), machine).await.expect("the definition is right").arn
}

/// What starts the machine `M` under this name.
pub(super) fn start_of(name: &str) -> StartExecution {
    StartExecution {
        machine_arn: "arn:aws:states:us-east-1:123456789012:stateMachine:M".to_owned(),
        name: Some(name.to_owned()),
        input: Payload::parse(r#"{"order":17}"#).expect("JSON"),
        trace_header: None,
        parent: None,
        starter_key: None,
    }
}

/// Makes `M` of this definition and starts it; the execution's ARN.
pub(super) async fn run(engine: &Engine, definition: &str) -> String {
    create_machine(engine, definition).await;
    engine.start_execution(&scope(), start_of("run")).await.expect("the name is free").execution_arn
}
