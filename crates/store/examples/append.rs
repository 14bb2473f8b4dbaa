//! Measures appends to the embedded store: how many a second, and how much CPU each.
//!
//! `cargo run --release -p skald-store --example append -- FOLDER [SECONDS]`
//!
//! Each task appends a chunk of 1 KB at a time to an entity of its own; with `head`, each twentieth append carries a
//! head of 500 bytes, after which a new entity and two rows follow, as an execution of twenty steps would.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use skald_store::embedded::{EmbeddedStore, Options};
use skald_store::{Batch, Change, Chunk, EntityId, Entry, Epoch, Operation, PartitionId, Position, Store, Table};

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
    let folder = PathBuf::from(arguments.next().expect("usage: append FOLDER [SECONDS]"));
    let seconds = arguments.next().map_or(4, |text| text.parse().expect("a number of seconds"));
    println!(
        "{:<11} {:>9} {:>12} {:>11} {:>13} {:>9} {:>9}",
        "load", "in flight", "appends/s", "CPU µs each", "of these sys", "p50 µs", "p99 µs"
    );
    for load in [Load::Chunks, Load::Executions] {
        for in_flight in [1, 16, 256] {
            measure(&folder.join(format!("{load:?}-{in_flight}")), load, in_flight, Duration::from_secs(seconds)).await;
        }
    }
}

async fn measure(folder: &Path, load: Load, in_flight: u64, time: Duration) {
    let store = Arc::new(EmbeddedStore::open(folder, Options::default()).expect("the store opens"));
    let epoch = store.claim(PartitionId(1)).await.expect("the partition can be claimed");
    let appended = Arc::new(AtomicU64::new(0));
    let (began, cpu_began) = (Instant::now(), cpu());
    let tasks: Vec<_> = (0..in_flight)
        .map(|task| tokio::spawn(append_until(Arc::clone(&store), epoch, load, task, began + time, Arc::clone(&appended))))
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("the task ends well"));
    }
    let (elapsed, cpu_ended) = (began.elapsed(), cpu());
    let count = appended.load(Ordering::Relaxed);
    let each = |duration: Duration| duration.as_secs_f64() * 1e6 / count as f64;
    let (user, system) = (each(cpu_ended.0 - cpu_began.0), each(cpu_ended.1 - cpu_began.1));
    latencies.sort_unstable();
    let percentile = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    let rate = count as f64 / elapsed.as_secs_f64();
    let (p50, p99) = (percentile(0.5), percentile(0.99));
    println!("{:<11} {in_flight:>9} {rate:>12.0} {:>11.1} {system:>13.1} {p50:>9} {p99:>9}", format!("{load:?}"), user + system);
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
        let began = Instant::now();
        let batch = Batch { partition: PartitionId(1), epoch, at: 1_700_000_000_000, entries: vec![entry], changes };
        store.append(batch).await.expect("the batch can be appended");
        latencies.push(began.elapsed().as_micros() as u32);
        appended.fetch_add(1, Ordering::Relaxed);
        (number, position) = if is_last { (number + 1, 0) } else { (number, position + 1) };
    }
    latencies
}

/// User and system time of this process.
fn cpu() -> (Duration, Duration) {
    // SOURCE: proc_pid_stat(5), fields 14 and 15; a tick is 10 ms on every Linux of today.
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc is there");
    let behind_name = stat.rsplit(") ").next().expect("a name in brackets");
    let mut fields = behind_name.split(' ').skip(11).map(|field| field.parse::<u64>().expect("a number"));
    let mut time = || Duration::from_millis(10 * fields.next().expect("a field"));
    (time(), time())
}
