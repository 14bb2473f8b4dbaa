//! Measures what parked entities cost: memory, disk, and the time of an opening.
//!
//! `cargo run --release -p skald-store --example parked -- FOLDER [ENTITIES]`
//!
//! Each entity has one chunk of 600 bytes, a head of 300, and rows among the timers, the names and (twice) the lists. The
//! store is then dropped as a kill would leave it, and opened by a process of its own, which finds every head.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use skald_store::embedded::{EmbeddedStore, Options};
use skald_store::{Batch, Change, Chunk, Direction, EntityId, Entry, Epoch, Operation, PartitionId, Position, Store, Table, Urgency};

#[path = "append/usage.rs"]
mod usage;

use usage::{Usage, folder_bytes};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOGETHER: u64 = 256;
const PARTITIONS: u64 = 256;
const CHUNK_BYTES: usize = 600;
const HEAD_BYTES: usize = 300;
const ENVELOPE_BYTES: usize = 180;
const BEGAN: u64 = 1_700_000_000_000;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("usage: parked FOLDER [ENTITIES] [open]"));
    let entities: u64 = arguments.next().map_or(1_000_000, |text| text.parse().expect("a number of entities"));
    if arguments.next().is_some() {
        return open(&folder, entities).await;
    }
    park(&folder, entities).await;
    let program = std::env::current_exe().expect("this program has a path");
    let opened = Command::new(program).arg(&folder).arg(entities.to_string()).arg("open").status();
    assert!(opened.is_ok_and(|status| status.success()), "the store opens again");
}

async fn park(folder: &Path, entities: u64) {
    let store = EmbeddedStore::open(folder, Options::default()).expect("the store opens");
    let mut epoch = Epoch(0);
    for partition in 0..PARTITIONS {
        epoch = store.claim(PartitionId(partition as u16)).await.expect("the partition can be claimed");
    }
    let memory = anonymous_bytes();
    let (began, before) = (Instant::now(), Usage::now());
    let mut most = memory;
    for first in (0..entities).step_by(TOGETHER as usize) {
        let flights: Vec<_> = (first..(first + TOGETHER).min(entities)).map(|number| store.append(batch(epoch, number))).collect();
        for flight in flights {
            flight.await.expect("the batch can be appended");
        }
        if first % (TOGETHER * 64) == 0 {
            most = most.max(anonymous_bytes());
        }
    }
    let (elapsed, used) = (began.elapsed(), Usage::now().since(&before));
    let rate = entities as f64 / elapsed.as_secs_f64();
    let (all, system) = (used.micros_each(entities), used.system_micros_each(entities));
    println!("{entities} parked at {rate:.0}/s, {all:.1} µs CPU each, of these {system:.1} in the kernel");
    let each = |bytes: u64| bytes.saturating_sub(memory) as f64 / entities as f64;
    println!("memory each: {:.0} bytes while parking, {:.0} at most", each(anonymous_bytes()), each(most));
    store.settle().await.expect("the store settles");
    println!("memory each: {:.0} bytes when all is flushed and compacted", each(anonymous_bytes()));
    drop(store);
    println!("disk each: {} bytes", folder_bytes(folder) / entities);
}

async fn open(folder: &Path, entities: u64) {
    let memory = anonymous_bytes();
    let each = |bytes: u64| bytes.saturating_sub(memory) as f64 / entities as f64;
    let began = Instant::now();
    let store = EmbeddedStore::open(folder, Options::default()).expect("the store opens");
    println!("opened in {:?}, memory each: {:.0} bytes", began.elapsed(), each(anonymous_bytes()));
    let began = Instant::now();
    let due = store.scan(Table::Timers, b"", b"\xff", Direction::Forward, 1000).await.expect("readable");
    println!("the first {} timers in {:?}", due.len(), began.elapsed());
    let began = Instant::now();
    for number in 0..entities {
        let head = store.head(entity(number)).await.expect("readable").expect("every entity is there");
        assert_eq!(head.bytes.len(), HEAD_BYTES);
    }
    let time = began.elapsed() / entities as u32;
    println!("every head was read, {time:?} each, memory each: {:.0} bytes", each(anonymous_bytes()));
}

fn entity(number: u64) -> EntityId {
    let random = spread(number);
    EntityId::new(PartitionId((random % PARTITIONS) as u16), BEGAN + number / 20, random)
}

/// As a hash would be.
fn spread(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn batch(epoch: Epoch, number: u64) -> Batch {
    let (entity, random) = (entity(number), spread(number));
    let text = |length: usize| {
        let texts = (0..).flat_map(|part: u64| format!(r#"{{"order":{},"state":"Hold"}},"#, random.wrapping_mul(part + 1)).into_bytes());
        Bytes::from(texts.take(length).collect::<Vec<u8>>())
    };
    let list = |kind: char| format!("123456789012/us-east-1/machine/1/{kind}/{:016x}/{:032x}", u64::MAX - number / 20, entity.0);
    let due = BEGAN + 3_600_000 + spread(number) % 86_400_000;
    let changes = vec![
        change(Table::Names, format!("123456789012/us-east-1/machine/1/{random:016x}"), Operation::PutIfAbsent(text(48))),
        change(Table::Timers, format!("{due:016x}/{:032x}", entity.0), Operation::Put(Bytes::new())),
        change(Table::Lists, list('a'), Operation::Put(text(ENVELOPE_BYTES))),
        change(Table::Lists, list('r'), Operation::Put(text(ENVELOPE_BYTES))),
    ];
    let chunk = Some(Chunk { count: 3, bytes: text(CHUNK_BYTES) });
    let entry = Entry { entity, expected: Position(0), chunk, head: Some(text(HEAD_BYTES)) };
    Batch { partition: entity.partition(), epoch, urgency: Urgency::Start, at: BEGAN as i64, entries: vec![entry], changes }
}

fn change(table: Table, key: String, operation: Operation) -> Change {
    Change { table, key: Bytes::from(key), operation }
}

/// Memory of this process that no file backs.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is there");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux says so");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}
