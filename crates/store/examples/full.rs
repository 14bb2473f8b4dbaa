//! Shows what the embedded store does on a disk that fills up, and after.
//!
//! `mount -t tmpfs -o size=200m tmpfs FOLDER; cargo run --release -p skald-store --example full -- FOLDER`
//!
//! Writes starts and running work until the disk is full, starts are refused, and then running work too. Then it makes
//! room, waits until everything is taken again, and opens the store once more.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use skald_store::embedded::{EmbeddedStore, Options};
use skald_store::{Batch, Chunk, EntityId, Entry, Epoch, Error, PartitionId, Position, Store, Urgency};

const PARTITION: PartitionId = PartitionId(1);
/// Room that is made later.
const BALLAST_BYTES: usize = 80 << 20;
const CHUNK_BYTES: usize = 20_000;

#[tokio::main]
async fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("usage: full FOLDER"));
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST_BYTES]).expect("there is room for the ballast");
    let options = Options { segment_bytes: 4 << 20, reserve_bytes: 16 << 20, memtable_bytes_max: 4 << 20, ..Options::default() };
    let store = EmbeddedStore::open(&folder.join("store"), options.clone()).expect("the store opens");
    let epoch = store.claim(PARTITION).await.expect("the partition can be claimed");
    let mut written = 0;
    let mut starts_refused = None;
    let running_refused = loop {
        let urgency = if written % 2 == 0 && starts_refused.is_none() { Urgency::Start } else { Urgency::RunningWork };
        match (store.append(batch(epoch, written, urgency)).await, urgency) {
            (Ok(()), _) => written += 1,
            (Err(Error::Full(why)), Urgency::Start) => {
                println!("after {written} appends starts are refused: {why}");
                starts_refused = Some(written);
            }
            (Err(Error::Full(why)), Urgency::RunningWork) => break why,
            (Err(other), _) => panic!("{other}"),
        }
    };
    println!("after {written} appends running work is refused: {running_refused}");
    check(&store, written).await;
    println!("everything can be read; the folder: {:?}", sizes(&folder));
    let began = Instant::now();
    std::fs::remove_file(&ballast).expect("the ballast is there");
    for urgency in [Urgency::RunningWork, Urgency::Start] {
        while let Err(error) = store.append(batch(epoch, written, urgency)).await {
            assert!(matches!(error, Error::Full(_)), "{error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        written += 1;
        println!("{urgency:?} is taken {:?} after there is room", began.elapsed());
    }
    for _ in 0..500 {
        while store.append(batch(epoch, written, Urgency::RunningWork)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        written += 1;
    }
    store.settle().await.expect("the store settles");
    check(&store, written).await;
    drop(store);
    let store = EmbeddedStore::open(&folder.join("store"), options).expect("the store opens again");
    check(&store, written).await;
    println!("all {written} appends are there; the folder: {:?}", sizes(&folder));
}

fn entity(number: u64) -> EntityId {
    EntityId::new(PARTITION, 1_700_000_000_000, number)
}

/// Noise, so that nothing is compressed.
fn batch(epoch: Epoch, number: u64, urgency: Urgency) -> Batch {
    let mut dice = number + 1;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 56) as u8
    })
    .take(CHUNK_BYTES)
    .collect();
    let chunk = Some(Chunk { count: 1, bytes: Bytes::from(bytes) });
    let entry = Entry { entity: entity(number), expected: Position(0), chunk, head: Some(Bytes::from_static(b"head")) };
    Batch { partition: PARTITION, epoch, urgency, at: 1_700_000_000_000, entries: vec![entry], changes: Vec::new() }
}

async fn check(store: &EmbeddedStore, written: u64) {
    for number in 0..written {
        assert_eq!(store.position(entity(number)).await, Ok(Position(1)), "{number}");
        let chunks = store.read(entity(number), Position(0), 1).await.expect("readable");
        assert_eq!(chunks[0].bytes.len(), CHUNK_BYTES);
    }
    assert_eq!(store.position(entity(written)).await, Ok(Position(0)));
}

/// Megabytes in each folder.
fn sizes(folder: &Path) -> Vec<(String, u64)> {
    let of = |name: &str| {
        let entries = std::fs::read_dir(folder.join(name)).expect("readable").flatten();
        entries.map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).sum::<u64>() >> 20
    };
    ["store/log", "store/tree/tables"].map(|name| (name.to_owned(), of(name))).to_vec()
}
