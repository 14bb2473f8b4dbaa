//! Measures appends to the embedded store: how many a second, and how much CPU each.
//!
//! `cargo run --release -p skald-store --example append -- FOLDER [latency | events] [SECONDS]`
//!
//! * `latency`: 1, 16 or 256 tasks append a chunk of 1 KB at a time, each to an entity of its own, and wait for it;
//!   *executions* have twenty of them, with two rows at the first and the last and a head of 500 bytes at the last.
//! * `events`: two drivers hand over 256 appends at a time, each two events of 350 bytes, and wait for all of them.
//!   *executions* have 24 events, with the rows that the engine writes and a head at the end; the time includes flushing
//!   and compacting the cold store to the end.
//!
//! CPU is that of the whole process, the load generator included.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use skald_store::embedded::{EmbeddedStore, Options};
use skald_store::{Batch, Change, Chunk, EntityId, Entry, Epoch, Operation, PartitionId, Position, Store, Table, Urgency};

#[path = "append/events.rs"]
mod events;
#[path = "append/usage.rs"]
mod usage;

use usage::{Usage, folder_bytes};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHUNK_BYTES: usize = 1024;
const HEAD_BYTES: usize = 500;
const STEPS: u64 = 20;

/// What each task appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// Chunks only; the entity gets a head now and then so that the log stays short.
    Chunks,
    /// Whole executions.
    Executions,
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("usage: append FOLDER [latency | events] [SECONDS]"));
    let mode = arguments.next().unwrap_or_else(|| "latency".to_owned());
    let time = Duration::from_secs(arguments.next().map_or(4, |text| text.parse().expect("a number of seconds")));
    match mode.as_str() {
        "latency" => measure_latencies(&folder, time).await,
        "events" => events::measure(&folder, time).await,
        other => panic!("{other}: neither latency nor events"),
    }
}

async fn measure_latencies(folder: &Path, time: Duration) {
    println!(
        "{:<11} {:>9} {:>12} {:>11} {:>13} {:>9} {:>9}",
        "load", "in flight", "appends/s", "CPU µs each", "of these sys", "p50 µs", "p99 µs"
    );
    for load in [Load::Chunks, Load::Executions] {
        for in_flight in [1, 16, 256] {
            measure(&folder.join(format!("{load:?}-{in_flight}")), load, in_flight, time).await;
        }
    }
}

async fn measure(folder: &Path, load: Load, in_flight: u64, time: Duration) {
    let store = Arc::new(EmbeddedStore::open(folder, Options::default()).expect("the store opens"));
    let epoch = store.claim(PartitionId(1)).await.expect("the partition can be claimed");
    let appended = Arc::new(AtomicU64::new(0));
    let (began, before) = (Instant::now(), Usage::now());
    let tasks: Vec<_> = (0..in_flight)
        .map(|task| tokio::spawn(append_until(Arc::clone(&store), epoch, load, task, began + time, Arc::clone(&appended))))
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("the task ends well"));
    }
    let (elapsed, used) = (began.elapsed(), Usage::now().since(&before));
    let count = appended.load(Ordering::Relaxed);
    latencies.sort_unstable();
    let percentile = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    let rate = count as f64 / elapsed.as_secs_f64();
    let (p50, p99) = (percentile(0.5), percentile(0.99));
    let (all, system) = (used.micros_each(count), used.system_micros_each(count));
    println!("{:<11} {in_flight:>9} {rate:>12.0} {all:>11.1} {system:>13.1} {p50:>9} {p99:>9}", format!("{load:?}"));
    store.close().await.expect("the store closes");
}

/// The time of each append, in microseconds.
async fn append_until(store: Arc<EmbeddedStore>, epoch: Epoch, load: Load, task: u64, end: Instant, appended: Arc<AtomicU64>) -> Vec<u32> {
    let (payload, head) = (Bytes::from(vec![b'x'; CHUNK_BYTES]), Bytes::from(vec![b'h'; HEAD_BYTES]));
    let mut latencies = Vec::new();
    let steps_a_head = match load {
        Load::Chunks => 1000,
        Load::Executions => STEPS,
    };
    let (mut number, mut position) = (0, 0);
    while Instant::now() < end {
        let entity = EntityId::new(PartitionId(1), 1_700_000_000_000 + number, task);
        let chunk = Some(Chunk { count: 3, bytes: payload.clone() });
        let is_last = position + 1 == steps_a_head;
        let entry = Entry { entity, expected: Position(position * 3), chunk, head: is_last.then(|| head.clone()) };
        let row =
            |table| Change { table, key: Bytes::from(format!("{number:016}/{task:016}")), operation: Operation::Put(head.slice(..60)) };
        let changes = match load {
            Load::Executions if position == 0 || is_last => vec![row(Table::Names), row(Table::Lists)],
            Load::Executions | Load::Chunks => Vec::new(),
        };
        let urgency = if position == 0 { Urgency::Start } else { Urgency::RunningWork };
        let began = Instant::now();
        let batch = Batch { partition: PartitionId(1), epoch, urgency, at: 1_700_000_000_000, entries: vec![entry], changes };
        store.append(batch).await.expect("the batch can be appended");
        latencies.push(began.elapsed().as_micros() as u32);
        appended.fetch_add(1, Ordering::Relaxed);
        (number, position) = if is_last { (number + 1, 0) } else { (number, position + 1) };
    }
    latencies
}
