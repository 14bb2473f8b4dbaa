use super::*;
use crate::Urgency;
use crate::contract::model::Model;
use crate::contract::workload::{Random, Workload};
use crate::contract::{self, Disk, batch, entity, put, records};

mod crashes;
mod anywhere;
mod copying;
mod damage;
mod faults;
mod mending;

use super::simulated::SimulatedFiles;

/// So small that a test sees many segments and flushes.
fn small() -> Options {
    Options { segment_bytes: 8 << 10, reserve_bytes: 16 << 10, log_bytes_max: 32 << 10, memtable_bytes_max: 16 << 10, cache_bytes: 1 << 20 }
}

/// In memory where there is such a disk: what the cold tree survives is not tested here, and its flushes take long.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for the test")
}

/// A log that loses what was not flushed, and a cold tree on a real disk.
struct SimulatedDisk {
    folder: tempfile::TempDir,
    files: Arc<SimulatedFiles>,
}

#[async_trait]
impl Disk for SimulatedDisk {
    async fn open(&mut self) -> Arc<dyn Store> {
        Arc::new(EmbeddedStore::open_with(self.folder.path(), small(), self.files.clone()).expect("the store opens"))
    }

    fn crash(&mut self) {
        self.files.crash();
        self.files = Arc::new(self.files.survivors(&mut Random::new(1)));
    }
}

#[tokio::test]
async fn it_keeps_the_contract_on_a_disk_that_crashes() {
    let new_disk = || -> Box<dyn Disk> { Box::new(SimulatedDisk { folder: folder(), files: Arc::new(SimulatedFiles::new()) }) };
    contract::check(&new_disk, 0..8).await;
}

/// A store in a folder; a crash ends the process at best.
struct RealDisk(tempfile::TempDir, Option<u64>);

#[async_trait]
impl Disk for RealDisk {
    async fn open(&mut self) -> Arc<dyn Store> {
        let options = Options { memtable_bytes_max: self.1.unwrap_or(8 << 20), ..small() };
        Arc::new(EmbeddedStore::open(self.0.path(), options).expect("the store opens"))
    }

    fn crash(&mut self) {}
}

#[tokio::test]
async fn it_keeps_the_contract_in_a_folder() {
    contract::check(&|| Box::new(RealDisk(folder(), None)), 100..102).await;
}

/// Every group is flushed to the cold tree at once, so that each read goes to tables.
#[tokio::test]
async fn it_keeps_the_contract_when_it_flushes_all_the_time() {
    contract::check(&|| Box::new(RealDisk(folder(), Some(0))), 200..202).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_append_at_once() {
    const TASKS: u64 = 64;
    const EACH: u64 = 50;
    let folder = folder();
    let files = Arc::new(SimulatedFiles::new());
    let store = Arc::new(EmbeddedStore::open_with(folder.path(), small(), files.clone()).expect("the store opens"));
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let before = files.syncs();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0..EACH {
                    let entry = records(entity(task), number, 1, &format!("{task} {number}"));
                    let entry = if number % 10 == 9 { entry.with_head("head") } else { entry };
                    let batch = batch(epoch).entry(entry).change(put(Table::Lists, &format!("{task}"), &number.to_string()));
                    store.append(batch).await.expect("appended");
                    assert_eq!(store.position(entity(task)).await, Ok(Position(number + 1)), "what was answered is visible");
                    assert_eq!(store.get(Table::Lists, task.to_string().as_bytes()).await, Ok(Some(Bytes::from(number.to_string()))));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task ends well");
    }
    let syncs = files.syncs() - before;
    assert!(syncs < TASKS * EACH / 2, "{syncs} flushes for {} appends", TASKS * EACH);
    drop(store);
    let store = EmbeddedStore::open_with(folder.path(), small(), files).expect("the store opens again");
    for task in 0..TASKS {
        let chunks = store.read(entity(task), Position(0), usize::MAX).await.expect("readable");
        let texts: Vec<&[u8]> = chunks.iter().map(|chunk| &chunk.bytes[..]).collect();
        let expected: Vec<String> = (0..EACH).map(|number| format!("{task} {number}")).collect();
        assert_eq!(texts, expected.iter().map(String::as_bytes).collect::<Vec<_>>());
    }
}

/// Readers see the tree change under them: every row of a batch, or none, and never fewer records than before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_see_whole_batches_while_everything_is_flushed() {
    let folder = folder();
    let options = Options { memtable_bytes_max: 0, ..small() };
    let store = Arc::new(EmbeddedStore::open(folder.path(), options).expect("the store opens"));
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let rows =
        |number: u64| (0..5).fold(batch(epoch), |batch, key| batch.change(put(Table::Lists, &format!("{key}"), &number.to_string())));
    store.append(rows(0)).await.expect("appended");
    let reader = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let (mut last, mut position) = (0, Position(0));
            while last < 300 {
                let rows = store.scan(Table::Lists, b"", b"9", Direction::Forward, 9).await.expect("readable");
                let numbers: Vec<u64> = rows.iter().map(|(_, value)| String::from_utf8_lossy(value).parse().expect("a number")).collect();
                assert_eq!(numbers.len(), 5);
                assert!(numbers.iter().all(|number| *number == numbers[0] && *number >= last), "{numbers:?} after {last}");
                last = numbers[0];
                let chunks = store.read(entity(1), Position(0), usize::MAX).await.expect("readable");
                assert!(chunks.iter().zip(1..).all(|(chunk, first)| chunk.first == Position(first)), "{chunks:?}");
                let found = chunks.last().map_or(Position(0), StoredChunk::last);
                assert!(found >= position && found.0 >= last, "{found:?} after {position:?}");
                position = found;
                tokio::task::yield_now().await;
            }
        })
    };
    for number in 1..=300 {
        let entry = records(entity(1), number - 1, 1, "x");
        let entry = if number % 3 == 0 { entry.with_head("head") } else { entry };
        store.append(rows(number).entry(entry)).await.expect("appended");
    }
    reader.await.expect("the reader ends well");
}

#[tokio::test]
async fn a_long_log_pins_its_oldest_entities_until_they_have_heads() {
    let folder = folder();
    let options = Options { segment_bytes: 4 << 10, log_bytes_max: 16 << 10, ..Options::default() };
    let store = EmbeddedStore::open(folder.path(), options.clone()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let mut number = 0;
    while store.pinned(100).is_empty() {
        number += 1;
        store.append(batch(epoch).entry(records(entity(number), 0, 1, &"x".repeat(1000)))).await.expect("appended");
    }
    assert_eq!(store.pinned(2), [entity(1), entity(2)]);
    assert!(store.pinned(1000).len() < 10);
    store.checkpoint().await;
    assert!(!store.pinned(1000).is_empty(), "a flush alone does not free them");
    for entity in store.pinned(1000) {
        let head = contract::records(entity, 1, 1, "").with_head("head");
        store.append(batch(epoch).entry(crate::Entry { chunk: None, ..head })).await.expect("appended");
    }
    store.checkpoint().await;
    assert_eq!(store.pinned(1000), []);
    assert!(store.segments.bytes() <= options.log_bytes_max);
    drop(store);
    let store = EmbeddedStore::open(folder.path(), options).expect("the store opens again");
    for number in 1..=number {
        assert_eq!(store.read(entity(number), Position(0), 9).await.map(|chunks| chunks.len()), Ok(1), "{number}");
    }
}

#[tokio::test]
async fn a_closed_store_opens_with_an_empty_log_to_replay() {
    let folder = folder();
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    for number in 0..100 {
        let entry = records(entity(number), 0, 1, &"x".repeat(500)).with_head("head");
        store.append(batch(epoch).entry(entry)).await.expect("appended");
    }
    store.close().await.expect("closed");
    assert_eq!(store.segments.bytes(), small().segment_bytes, "only the active segment is left");
    assert!(matches!(store.position(entity(1)).await, Err(Error::Damaged(_))), "a closed store answers nothing");
    assert!(matches!(store.append(batch(epoch)).await, Err(Error::Damaged(_))));
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens again");
    assert_eq!(store.shared.cold.memtable_bytes(), 0);
    assert_eq!(store.position(entity(99)).await, Ok(Position(1)));
}

#[tokio::test]
async fn claims_outlive_their_log() {
    let folder = folder();
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens");
    let old = store.claim(contract::HERE).await.expect("claimed");
    let new = store.claim(contract::HERE).await.expect("claimed");
    for number in 0..100 {
        let change = put(Table::Lists, &number.to_string(), &"x".repeat(500));
        store.append(Batch { at: 5_000 - number, ..batch(new) }.change(change)).await.expect("appended");
    }
    store.close().await.expect("closed");
    assert!(!folder.path().join("log").join(log::name(1)).exists(), "the claims are no longer in the log");
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens again");
    assert_eq!(store.append(batch(old)).await, Err(Error::Fenced));
    assert_eq!(store.latest_time(), 5_000);
    assert_eq!(store.append(batch(new)).await, Ok(()));
    assert!(store.claim(contract::HERE).await.is_ok_and(|epoch| epoch > new));
}

/// A new segment is active before its first frame is written: until then the last frame is in the one before.
#[test]
fn the_segment_with_the_last_frame_stays() {
    let segments = Segments::of(&[(1, 1100), (2, 1200), (3, 1200)]);
    let mut retired = Vec::new();
    let retire = |generation, _| {
        retired.push(generation);
        Ok(())
    };
    segments.retire_below(1200, retire).expect("retired");
    assert_eq!(retired, [1]);
}

#[tokio::test]
async fn a_frame_larger_than_a_segment_gets_one_of_its_own() {
    let folder = folder();
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    for number in 0..5 {
        store.append(batch(epoch).entry(records(entity(1), number, 1, &"x".repeat(100_000)))).await.expect("appended");
    }
    drop(store);
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens again");
    let chunks = store.read(entity(1), Position(0), 250_000).await.expect("readable");
    assert_eq!(chunks.iter().map(|chunk| chunk.bytes.len()).collect::<Vec<_>>(), [100_000, 100_000]);
}

#[tokio::test]
async fn what_is_removed_leaves_its_room_when_nothing_more_is_written() {
    let folder = folder();
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let numbers = (0..4_000).collect::<Vec<u64>>();
    for numbers in numbers.chunks(50) {
        let batch = numbers.iter().fold(batch(epoch), |batch, number| {
            batch.entry(records(entity(*number), 0, 1, &format!("{number} ").repeat(50)).with_head("head"))
        });
        store.append(batch).await.expect("appended");
    }
    store.settle().await.expect("settled");
    let table_bytes = || {
        let files = fs::read_dir(folder.path().join("tree/tables")).expect("readable");
        files.map(|file| file.and_then(|file| file.metadata()).map_or(0, |file| file.len())).sum::<u64>()
    };
    let before = table_bytes();
    let (gone, kept) = numbers.split_at(3_600);
    for numbers in gone.chunks(50) {
        let entities = numbers.iter().map(|number| (entity(*number), Position(1))).collect();
        let removal = Removal { partition: contract::HERE, epoch, at: 0, entities, changes: Vec::new() };
        store.remove(removal).await.expect("removed");
    }
    store.settle().await.expect("settled");
    let after = table_bytes();
    assert!(after < before / 2, "{before} bytes before, {after} after");
    for number in kept {
        assert_eq!(store.read(entity(*number), Position(0), 9).await.expect("readable").len(), 1, "{number}");
    }
}

#[tokio::test]
async fn a_folder_is_opened_once() {
    let folder = folder();
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens");
    let second = EmbeddedStore::open(folder.path(), small()).map(drop);
    assert!(matches!(&second, Err(Error::Conflict(why)) if why.contains("another process")), "{second:?}");
    drop(store);
    EmbeddedStore::open(folder.path(), small()).expect("the folder is free again");
}

#[tokio::test]
async fn an_unknown_format_is_refused_by_name() {
    let folder = folder();
    drop(EmbeddedStore::open(folder.path(), small()).expect("the store opens"));
    fs::write(folder.path().join("format"), "skald store 7\n").expect("written");
    let refused = EmbeddedStore::open(folder.path(), small()).map(drop);
    assert!(matches!(&refused, Err(Error::Damaged(why)) if why.contains("skald store 7")), "{refused:?}");
}
