//! Measures how long appends wait while ended executions are removed, as retention does it.
//!
//! `cargo run --release -p skald-store --example remove -- FOLDER`
//!
//! Fills the store with executions of 5 KB in twenty records, appends all the time, first alone, then while they go, and
//! says how long appends took. Exits with 1 when one took 50 ms longer than the longest alone, or no room came back.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use skald_store::embedded::{EmbeddedStore, Options};
use skald_store::{Batch, Change, Chunk, EntityId, Entry, Epoch, Operation, PartitionId, Position, Removal, Store, Table, Urgency};

const PARTITION: PartitionId = PartitionId(1);
const AT: i64 = 1_700_000_000_000;
const EXECUTIONS: u64 = 20_000;
const EXECUTION_BYTES: usize = 5_000;
const RECORDS: u32 = 20;
const AT_ONCE: u64 = 64;
const ALONE: Duration = Duration::from_secs(5);
const STALL_MAX: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() -> ExitCode {
    let folder = PathBuf::from(std::env::args().nth(1).expect("usage: remove FOLDER")).join("store");
    let store = Arc::new(EmbeddedStore::open(&folder, Options::default()).expect("the store opens"));
    let epoch = store.claim(PARTITION).await.expect("the partition can be claimed");
    for first in (0..EXECUTIONS).step_by(AT_ONCE as usize) {
        let mut batch = empty(epoch);
        for number in first..(first + AT_ONCE).min(EXECUTIONS) {
            batch.entries.push(entry(number, RECORDS, noise(number)));
            batch.changes.push(name(number, Operation::Put(Bytes::from_static(b"x"))));
        }
        store.append(batch).await.expect("appended");
    }
    store.settle().await.expect("the store settles");
    let before = table_bytes(&folder);

    let stop = Arc::new(AtomicBool::new(false));
    let alone = tokio::spawn(append_until(Arc::clone(&store), epoch, 1_000_000, Arc::clone(&stop)));
    tokio::time::sleep(ALONE).await;
    stop.store(true, Ordering::Release);
    let alone = alone.await.expect("the writer ends well");
    stop.store(false, Ordering::Release);
    let beside = tokio::spawn(append_until(Arc::clone(&store), epoch, 2_000_000, Arc::clone(&stop)));
    let began = Instant::now();
    for first in (0..EXECUTIONS).step_by(AT_ONCE as usize) {
        let at_once = Instant::now();
        remove(&store, epoch, first..(first + AT_ONCE).min(EXECUTIONS)).await;
        // Retention, too, leaves most of the time to everyone else.
        tokio::time::sleep(at_once.elapsed() * 2).await;
    }
    let took = began.elapsed();
    store.settle().await.expect("the store settles");
    stop.store(true, Ordering::Release);
    let beside = beside.await.expect("the writer ends well");
    let after = table_bytes(&folder);

    println!("{EXECUTIONS} executions went in {took:.1?}; tables had {} MiB, then {} MiB", before >> 20, after >> 20);
    println!("appends alone:  {alone}");
    println!("appends beside: {beside}");
    if beside.longest > alone.longest + STALL_MAX || after * 2 > before { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// How long appends took, one after the other.
struct Waited {
    count: usize,
    p99: Duration,
    longest: Duration,
}

impl std::fmt::Display for Waited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, p99, longest } = self;
        write!(f, "{count}, p99 {p99:.1?}, longest {longest:.1?}")
    }
}

async fn append_until(store: Arc<EmbeddedStore>, epoch: Epoch, first: u64, stop: Arc<AtomicBool>) -> Waited {
    let mut waited = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let began = Instant::now();
        let entries = vec![entry(first + waited.len() as u64, 1, Bytes::from_static(b"x"))];
        store.append(Batch { entries, ..empty(epoch) }).await.expect("appended");
        waited.push(began.elapsed());
    }
    waited.sort_unstable();
    Waited { count: waited.len(), p99: waited[waited.len() * 99 / 100], longest: waited[waited.len() - 1] }
}

async fn remove(store: &EmbeddedStore, epoch: Epoch, numbers: std::ops::Range<u64>) {
    let entities = numbers.clone().map(|number| (entity(number), Position(u64::from(RECORDS)))).collect();
    let changes = numbers.map(|number| name(number, Operation::Delete)).collect();
    store.remove(Removal { partition: PARTITION, epoch, at: AT, entities, changes }).await.expect("removed");
}

fn empty(epoch: Epoch) -> Batch {
    Batch { partition: PARTITION, epoch, urgency: Urgency::RunningWork, at: AT, entries: Vec::new(), changes: Vec::new() }
}

fn entity(number: u64) -> EntityId {
    EntityId::new(PARTITION, AT as u64, number)
}

fn entry(number: u64, count: u32, bytes: Bytes) -> Entry {
    let head = Some(Bytes::from_static(b"head"));
    Entry { entity: entity(number), expected: Position(0), chunk: Some(Chunk { count, bytes }), head }
}

fn name(number: u64, operation: Operation) -> Change {
    Change { table: Table::Names, key: Bytes::from(number.to_string()), operation }
}

/// So that nothing is compressed.
fn noise(number: u64) -> Bytes {
    let mut dice = number + 1;
    let next = || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 56) as u8
    };
    std::iter::repeat_with(next).take(EXECUTION_BYTES).collect()
}

fn table_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder.join("tree/tables")).expect("readable").flatten();
    entries.map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).sum()
}
