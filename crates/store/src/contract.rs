//! What every store promises, as a test suite: each numbered rule of [`Store`], and a random workload against a model.
//!
//! An implementation brings a [`Disk`] that its store can be opened on, crashed and opened again; [`check`] panics at
//! the first broken rule, naming it. [`workload`] makes batches from a seed, [`model`] knows what a store must answer.
//!
//! Not here, on purpose: rule 6 (broken stays broken) and the crash at each write. They need faults inside the
//! implementation, so they are its own tests, with this model and this workload.

pub mod model;
pub mod workload;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Batch, Change, Chunk, Direction, EntityId, Entry, Epoch, Error, Operation, PartitionId, Position, Removal, Store, StoredChunk,
    StoredHead, Table, Urgency,
};
use model::Model;
use workload::{Random, Workload};

/// What a store is opened on.
#[async_trait]
pub trait Disk: Send {
    /// Opens what lies on it. The store that was opened before is closed, or crashed, and dropped.
    async fn open(&mut self) -> Arc<dyn Store>;

    /// Power loss: what is not durable at this moment is gone, whatever the running store does from now on.
    fn crash(&mut self);
}

/// Makes an empty disk.
pub type NewDisk<'a> = &'a (dyn Fn() -> Box<dyn Disk> + Sync);

/// Every rule, each on a disk of its own.
///
/// # Panics
/// When a rule is broken.
pub async fn check(new_disk: NewDisk<'_>, seeds: std::ops::Range<u64>) {
    what_was_answered_survives(new_disk()).await;
    conflicts_write_nothing(new_disk()).await;
    an_older_epoch_is_fenced(new_disk()).await;
    epochs_only_grow(new_disk()).await;
    records_come_back_in_order(new_disk()).await;
    heads_are_replaced(new_disk()).await;
    batches_take_effect_in_order(new_disk()).await;
    several_in_one_call_are_judged_one_by_one(new_disk()).await;
    tables_are_ordered(new_disk()).await;
    later_changes_see_earlier_ones(new_disk()).await;
    the_latest_time_is_kept(new_disk()).await;
    what_was_removed_is_gone(new_disk()).await;
    for seed in seeds {
        a_random_workload_matches_the_model(new_disk(), seed).await;
    }
}

pub(crate) const HERE: PartitionId = PartitionId(3);
const THERE: PartitionId = PartitionId(200);

/// An entity of [`HERE`].
pub(crate) fn entity(number: u64) -> EntityId {
    EntityId::new(HERE, 1_700_000_000_000, number)
}

pub(crate) fn batch(epoch: Epoch) -> Batch {
    Batch { partition: HERE, epoch, urgency: Urgency::RunningWork, at: 1_700_000_000_000, entries: Vec::new(), changes: Vec::new() }
}

pub(crate) fn records(entity: EntityId, expected: u64, count: u32, text: &str) -> Entry {
    let chunk = Chunk { count, bytes: Bytes::copy_from_slice(text.as_bytes()) };
    Entry { entity, expected: Position(expected), chunk: Some(chunk), head: None }
}

pub(crate) fn put(table: Table, key: &str, value: &str) -> Change {
    let value = Bytes::copy_from_slice(value.as_bytes());
    Change { table, key: Bytes::copy_from_slice(key.as_bytes()), operation: Operation::Put(value) }
}

pub(crate) fn put_if_absent(table: Table, key: &str, value: &str) -> Change {
    let value = Bytes::copy_from_slice(value.as_bytes());
    Change { table, key: Bytes::copy_from_slice(key.as_bytes()), operation: Operation::PutIfAbsent(value) }
}

pub(crate) fn delete(table: Table, key: &str) -> Change {
    Change { table, key: Bytes::copy_from_slice(key.as_bytes()), operation: Operation::Delete }
}

impl Batch {
    pub(crate) fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    pub(crate) fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }
}

impl Entry {
    pub(crate) fn with_head(mut self, text: &str) -> Self {
        self.head = Some(Bytes::copy_from_slice(text.as_bytes()));
        self
    }
}

async fn claim(store: &Arc<dyn Store>, partition: PartitionId) -> Epoch {
    store.claim(partition).await.expect("a partition can be claimed")
}

async fn append(store: &Arc<dyn Store>, batch: Batch) {
    store.append(batch).await.expect("the batch can be appended");
}

async fn crash_and_open(disk: &mut Box<dyn Disk>, store: Arc<dyn Store>) -> Arc<dyn Store> {
    disk.crash();
    drop(store);
    disk.open().await
}

async fn close_and_open(disk: &mut Box<dyn Disk>, store: Arc<dyn Store>) -> Arc<dyn Store> {
    store.close().await.expect("the store can be closed");
    drop(store);
    disk.open().await
}

/// Rules 1 and 2.
async fn what_was_answered_survives(mut disk: Box<dyn Disk>) {
    let mut store = disk.open().await;
    let mut model = Model::default();
    for round in 0..6_u64 {
        let epoch = claim(&store, HERE).await;
        let batch = batch(epoch)
            .entry(records(entity(1), round * 2, 2, &format!("first {round}")))
            .entry(records(entity(10 + round), 0, 1, "another").with_head("head"))
            .change(put(Table::Names, &format!("name {round}"), "value"))
            .change(put(Table::Meta, "last", &round.to_string()));
        append(&store, batch.clone()).await;
        model.apply(&batch);
        model.compare(&store).await;
        store = match round % 2 {
            0 => crash_and_open(&mut disk, store).await,
            _ => close_and_open(&mut disk, store).await,
        };
        model.compare(&store).await;
    }
}

/// Rules 2 and 3: one wrong part, and nothing of the batch is there.
async fn conflicts_write_nothing(mut disk: Box<dyn Disk>) {
    let store = disk.open().await;
    let epoch = claim(&store, HERE).await;
    let mut model = Model::default();
    let first = batch(epoch).entry(records(entity(1), 0, 3, "three")).change(put(Table::Names, "taken", "by one"));
    append(&store, first.clone()).await;
    model.apply(&first);

    let wrong = [
        ("a new entity is not at 3", batch(epoch).entry(records(entity(2), 3, 1, "x"))),
        ("an old entity is not at 0", batch(epoch).entry(records(entity(1), 0, 1, "x"))),
        ("an entity is not inside its chunk", batch(epoch).entry(records(entity(1), 2, 1, "x"))),
        ("an entity is not ahead", batch(epoch).entry(records(entity(1), 4, 1, "x"))),
        ("only a head, at the wrong place", batch(epoch).entry(Entry { chunk: None, ..records(entity(1), 2, 1, "") }.with_head("h"))),
        ("the second of two", batch(epoch).entry(records(entity(3), 0, 1, "x")).entry(records(entity(1), 1, 1, "x"))),
        ("twice the same", batch(epoch).entry(records(entity(1), 3, 1, "x")).entry(records(entity(1), 4, 1, "x"))),
        ("no records", batch(epoch).entry(records(entity(1), 3, 0, ""))),
        ("a taken key", batch(epoch).change(put_if_absent(Table::Names, "taken", "by two"))),
        (
            "a taken key behind good parts",
            batch(epoch).entry(records(entity(1), 3, 1, "x")).change(put(Table::Lists, "k", "v")).change(put_if_absent(
                Table::Names,
                "taken",
                "by two",
            )),
        ),
        ("a key taken by the batch itself", batch(epoch).change(put(Table::Names, "n", "1")).change(put_if_absent(Table::Names, "n", "2"))),
    ];
    for (title, batch) in wrong {
        let answer = store.append(batch).await;
        assert!(matches!(answer, Err(Error::Conflict(_))), "{title}: {answer:?}");
        model.compare(&store).await;
    }
    let store = crash_and_open(&mut disk, store).await;
    model.compare(&store).await;
    // The same key in another table is another key.
    let right =
        batch(claim(&store, HERE).await).entry(records(entity(1), 3, 1, "fourth")).change(put_if_absent(Table::Lists, "taken", "by two"));
    append(&store, right.clone()).await;
    model.apply(&right);
    model.compare(&store).await;
}

/// Rule 4.
async fn an_older_epoch_is_fenced(mut disk: Box<dyn Disk>) {
    let store = disk.open().await;
    let (old, elsewhere) = (claim(&store, HERE).await, claim(&store, THERE).await);
    append(&store, batch(old).entry(records(entity(1), 0, 1, "one"))).await;
    let new = claim(&store, HERE).await;
    let late = batch(old).entry(records(entity(1), 1, 1, "late")).change(put(Table::Meta, "late", "x"));
    assert_eq!(store.append(late.clone()).await, Err(Error::Fenced));
    append(&store, batch(new).entry(records(entity(1), 1, 1, "two"))).await;
    append(&store, Batch { partition: THERE, ..batch(elsewhere) }.change(put(Table::Meta, "there", "x"))).await;
    // The batch was already on its way when the claim came: it is before it in the order.
    let on_its_way = store.append(batch(new).entry(records(entity(1), 2, 1, "three")));
    let newest = claim(&store, HERE).await;
    assert_eq!(on_its_way.await, Ok(()));

    let store = crash_and_open(&mut disk, store).await;
    for epoch in [old, new] {
        assert_eq!(store.append(Batch { epoch, ..late.clone() }).await, Err(Error::Fenced));
    }
    append(&store, batch(newest).entry(records(entity(1), 3, 1, "four"))).await;
    assert_eq!(store.get(Table::Meta, b"late").await, Ok(None));
    assert_eq!(store.position(entity(1)).await, Ok(Position(4)));
}

/// A later claim has a greater epoch, whatever happened between.
async fn epochs_only_grow(mut disk: Box<dyn Disk>) {
    let mut store = disk.open().await;
    let mut last = Epoch(0);
    for round in 0..6 {
        for partition in [HERE, THERE, HERE] {
            let epoch = claim(&store, partition).await;
            assert!(epoch > last, "{epoch:?} came after {last:?}");
            last = epoch;
        }
        store = match round % 2 {
            0 => crash_and_open(&mut disk, store).await,
            _ => close_and_open(&mut disk, store).await,
        };
    }
}

/// Rule 5, in both directions, from every position, with and without heads between.
async fn records_come_back_in_order(mut disk: Box<dyn Disk>) {
    let mut store = disk.open().await;
    let mut model = Model::default();
    let (mut at, counts) = (0, [1, 3, 1, 1, 7, 2, 1, 4]);
    for (index, count) in counts.into_iter().enumerate() {
        let entry = records(entity(1), at, count, &"x".repeat(10 * index + 1));
        let entry = if index == 3 || index == 5 { entry.with_head("head") } else { entry };
        let batch = batch(claim(&store, HERE).await).entry(entry);
        append(&store, batch.clone()).await;
        model.apply(&batch);
        at += u64::from(count);
    }
    for _ in 0..3 {
        model.compare(&store).await;
        let chunks = model.chunks(entity(1)).to_vec();
        for position in 0..=at + 2 {
            for bytes_max in [0, 25, 60, usize::MAX] {
                let read = store.read(entity(1), Position(position), bytes_max).await.expect("readable");
                let expected: Vec<&StoredChunk> = chunks.iter().filter(|chunk| chunk.last().0 > position).collect();
                check_page(&read, &expected, bytes_max);
                let read = store.read_back(entity(1), Position(position), bytes_max).await.expect("readable");
                let expected: Vec<&StoredChunk> = chunks.iter().rev().filter(|chunk| chunk.first.0 < position).collect();
                check_page(&read, &expected, bytes_max);
            }
        }
        assert_eq!(store.read(entity(2), Position(0), 100).await, Ok(Vec::new()));
        assert_eq!(store.read_back(entity(2), Position(9), 100).await, Ok(Vec::new()));
        store = crash_and_open(&mut disk, store).await;
        model.compare(&store).await;
        store = close_and_open(&mut disk, store).await;
    }
}

/// A page is the beginning of what is to be read: at least one chunk, and no more than asked for beside it.
fn check_page(read: &[StoredChunk], expected: &[&StoredChunk], bytes_max: usize) {
    assert!(read.len() <= expected.len() && read.iter().eq(expected[..read.len()].iter().copied()), "{read:?}, not {expected:?}");
    assert!(!read.is_empty() || expected.is_empty(), "an empty page before the end");
    let bytes: usize = read.iter().map(|chunk| chunk.bytes.len()).sum();
    assert!(read.len() <= 1 || bytes <= bytes_max, "{bytes} bytes, {bytes_max} were asked for");
    if bytes_max == usize::MAX {
        assert_eq!(read.len(), expected.len(), "a page that holds everything");
    }
}

/// Rule 7.
async fn heads_are_replaced(mut disk: Box<dyn Disk>) {
    let store = disk.open().await;
    let epoch = claim(&store, HERE).await;
    let head = |position, text: &'static str| Some(StoredHead { position: Position(position), bytes: Bytes::from_static(text.as_bytes()) });
    assert_eq!(store.head(entity(1)).await, Ok(None));
    append(&store, batch(epoch).entry(records(entity(1), 0, 2, "ab"))).await;
    assert_eq!(store.head(entity(1)).await, Ok(None));
    append(&store, batch(epoch).entry(records(entity(1), 2, 1, "c").with_head("at three"))).await;
    assert_eq!(store.head(entity(1)).await, Ok(head(3, "at three")));
    append(&store, batch(epoch).entry(records(entity(1), 3, 1, "d"))).await;
    assert_eq!(store.head(entity(1)).await, Ok(head(3, "at three")));
    let only_head = Entry { chunk: None, ..records(entity(1), 4, 1, "") }.with_head("at four");
    append(&store, batch(epoch).entry(only_head)).await;
    assert_eq!(store.head(entity(1)).await, Ok(head(4, "at four")));
    assert_eq!(store.position(entity(1)).await, Ok(Position(4)));

    let store = crash_and_open(&mut disk, store).await;
    let found = store.head(entity(1)).await.expect("readable");
    assert!(found.is_none_or(|head| head.position <= Position(4)), "a head is never ahead");
    assert_eq!(store.read(entity(1), Position(0), 1000).await.map(|chunks| chunks.len()), Ok(3));
    // Neither records nor a head: only a condition.
    let condition = Entry { chunk: None, ..records(entity(9), 0, 1, "") };
    append(&store, batch(epoch).entry(condition)).await;
    assert_eq!(store.position(entity(9)).await, Ok(Position(0)));
}

/// Rule 8: the call counts, not the polling.
async fn batches_take_effect_in_order(mut disk: Box<dyn Disk>) {
    let store = disk.open().await;
    let epoch = claim(&store, HERE).await;
    let mut flights: Vec<_> = (0..100)
        .map(|number| {
            let batch = batch(epoch).entry(records(entity(1), number, 1, &number.to_string())).change(put(
                Table::Meta,
                "last",
                &number.to_string(),
            ));
            store.append(batch)
        })
        .collect();
    let conflict = store.append(batch(epoch).entry(records(entity(1), 99, 1, "late")));
    let after = store.append(batch(epoch).entry(records(entity(1), 100, 1, "100")));
    assert_eq!(after.await, Ok(()));
    assert!(matches!(conflict.await, Err(Error::Conflict(_))));
    while let Some(flight) = flights.pop() {
        assert_eq!(flight.await, Ok(()));
    }
    let store = crash_and_open(&mut disk, store).await;
    let texts: Vec<String> = store
        .read(entity(1), Position(0), usize::MAX)
        .await
        .expect("readable")
        .iter()
        .map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned())
        .collect();
    assert_eq!(texts, (0..=100).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(store.get(Table::Meta, b"last").await, Ok(Some(Bytes::from_static(b"99"))));
}

/// Rules 1, 2, 3, 4 and 8 hold for each batch of a call.
async fn several_in_one_call_are_judged_one_by_one(mut disk: Box<dyn Disk>) {
    let store = disk.open().await;
    let (fenced, epoch) = (claim(&store, THERE).await, claim(&store, HERE).await);
    claim(&store, THERE).await;
    let before = store.append(batch(epoch).entry(records(entity(1), 0, 1, "before")));
    let results = store.append_all(vec![
        batch(epoch).entry(records(entity(1), 1, 1, "first")).change(put_if_absent(Table::Names, "name", "first")),
        batch(epoch).entry(records(entity(1), 1, 1, "late")).change(put(Table::Meta, "late", "x")),
        batch(epoch).entry(records(entity(2), 0, 1, "taken")).change(put_if_absent(Table::Names, "name", "taken")),
        Batch { partition: THERE, ..batch(fenced) }.change(put(Table::Meta, "fenced", "x")),
        batch(epoch).entry(records(entity(1), 2, 1, "second")),
    ]);
    let after = store.append(batch(epoch).entry(records(entity(1), 3, 1, "after")));
    assert_eq!(after.await, Ok(()));
    let results = results.await;
    assert_eq!((results.len(), &results[0], &results[3], &results[4]), (5, &Ok(()), &Err(Error::Fenced), &Ok(())));
    assert!(results[1..3].iter().all(|result| matches!(result, Err(Error::Conflict(_)))), "{results:?}");
    assert_eq!(before.await, Ok(()));
    assert_eq!(store.append_all(Vec::new()).await, []);
    let store = crash_and_open(&mut disk, store).await;
    let chunks = store.read(entity(1), Position(0), usize::MAX).await.expect("readable");
    let texts: Vec<_> = chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect();
    assert_eq!(texts, ["before", "first", "second", "after"]);
    assert_eq!(store.position(entity(2)).await, Ok(Position(0)));
    assert_eq!(store.get(Table::Names, b"name").await, Ok(Some(Bytes::from_static(b"first"))));
    for key in [b"late".as_slice(), b"fenced"] {
        assert_eq!(store.get(Table::Meta, key).await, Ok(None));
    }
}

async fn tables_are_ordered(mut disk: Box<dyn Disk>) {
    let mut store = disk.open().await;
    let keys = ["", "a", "a\0", "a\0b", "ab", "b", "ba", "\u{7f}", "ÿ"];
    let mut changes = batch(claim(&store, HERE).await);
    for key in keys {
        for table in [Table::Names, Table::Timers] {
            changes.changes.push(put(table, key, &format!("{table:?} {key}")));
        }
    }
    append(&store, changes).await;
    for _ in 0..3 {
        for from in keys {
            for to in keys {
                for limit in [0, 1, 2, 100] {
                    let expected: Vec<&str> = keys.into_iter().filter(|key| from <= *key && *key < to).collect();
                    let forward = scan(&store, from, to, Direction::Forward, limit).await;
                    assert_eq!(forward, expected.iter().copied().take(limit).collect::<Vec<_>>(), "{from:?}..{to:?}");
                    let backward = scan(&store, from, to, Direction::Backward, limit).await;
                    assert_eq!(backward, expected.iter().copied().rev().take(limit).collect::<Vec<_>>(), "{from:?}..{to:?}");
                }
            }
        }
        assert_eq!(store.scan(Table::Lists, b"", b"z", Direction::Forward, 9).await, Ok(Vec::new()));
        store = close_and_open(&mut disk, store).await;
    }
    append(&store, batch(claim(&store, HERE).await).change(delete(Table::Names, "a\0")).change(delete(Table::Names, "none"))).await;
    for _ in 0..2 {
        assert_eq!(store.get(Table::Names, b"a\0").await, Ok(None));
        assert_eq!(scan(&store, "a", "b", Direction::Forward, 9).await, ["a", "a\0b", "ab"]);
        assert_eq!(store.get(Table::Timers, b"a\0").await, Ok(Some(Bytes::from_static(b"Timers a\0"))));
        store = close_and_open(&mut disk, store).await;
    }
}

async fn scan(store: &Arc<dyn Store>, from: &str, to: &str, direction: Direction, limit: usize) -> Vec<String> {
    let pairs = store.scan(Table::Names, from.as_bytes(), to.as_bytes(), direction, limit).await.expect("readable");
    let mut keys = Vec::new();
    for (key, value) in pairs {
        let key = String::from_utf8(key.to_vec()).expect("the keys are text");
        assert_eq!(value, format!("Names {key}").as_bytes());
        keys.push(key);
    }
    keys
}

async fn later_changes_see_earlier_ones(mut disk: Box<dyn Disk>) {
    let store = disk.open().await;
    let epoch = claim(&store, HERE).await;
    append(&store, batch(epoch).change(put(Table::Names, "k", "old"))).await;
    let replaced = batch(epoch).change(delete(Table::Names, "k")).change(put_if_absent(Table::Names, "k", "new"));
    append(&store, replaced).await;
    let gone =
        batch(epoch).change(put_if_absent(Table::Names, "g", "1")).change(put(Table::Names, "g", "2")).change(delete(Table::Names, "g"));
    append(&store, gone).await;
    let store = crash_and_open(&mut disk, store).await;
    assert_eq!(store.get(Table::Names, b"k").await, Ok(Some(Bytes::from_static(b"new"))));
    assert_eq!(store.get(Table::Names, b"g").await, Ok(None));
}

async fn the_latest_time_is_kept(mut disk: Box<dyn Disk>) {
    let mut store = disk.open().await;
    assert_eq!(store.latest_time(), 0);
    let epoch = claim(&store, HERE).await;
    for at in [5_000, 9_000, 7_000] {
        append(&store, Batch { at, ..batch(epoch) }.change(put(Table::Meta, "k", "v"))).await;
    }
    let fenced = Batch { at: 99_000, ..batch(Epoch(0)) }.change(put(Table::Meta, "k", "v"));
    assert_eq!(store.append(fenced).await, Err(Error::Fenced));
    for round in 0..4 {
        assert_eq!(store.latest_time(), 9_000);
        store = match round % 2 {
            0 => crash_and_open(&mut disk, store).await,
            _ => close_and_open(&mut disk, store).await,
        };
    }
}

/// Rule 9.
async fn what_was_removed_is_gone(mut disk: Box<dyn Disk>) {
    let mut store = disk.open().await;
    let mut model = Model::default();
    for round in 0..8 {
        let epoch = claim(&store, HERE).await;
        let made = [
            batch(epoch).entry(records(entity(1), 0, 2, "a tail")).change(put(Table::Names, "one", "1")),
            batch(epoch).entry(records(entity(2), 0, 3, &"x".repeat(600)).with_head("a head")).change(put(Table::Names, "two", "2")),
            batch(epoch).entry(records(entity(2), 3, 1, "and a tail")),
            batch(epoch).entry(records(entity(3 + round), 0, 1, "stays").with_head("stays")),
        ];
        for batch in made {
            append(&store, batch.clone()).await;
            model.apply(&batch);
        }
        if round % 2 == 1 {
            store = close_and_open(&mut disk, store).await;
        }
        let entities = vec![(entity(1), Position(2)), (entity(2), Position(4))];
        let changes = vec![delete(Table::Names, "one"), delete(Table::Names, "two"), put(Table::Lists, "round", &round.to_string())];
        let removal = Removal { partition: HERE, epoch, at: 1_700_000_000_001, entities, changes };
        let early = Removal { entities: vec![(entity(1), Position(2)), (entity(2), Position(3))], ..removal.clone() };
        assert!(matches!(store.remove(early).await, Err(Error::Conflict(_))));
        let taken = Removal { changes: vec![put_if_absent(Table::Names, "two", "2")], ..removal.clone() };
        assert!(matches!(store.remove(taken).await, Err(Error::Conflict(_))));
        assert_eq!(store.remove(Removal { epoch: Epoch(0), ..removal.clone() }).await, Err(Error::Fenced));
        model.compare(&store).await;
        store.remove(removal.clone()).await.expect("removed");
        model.remove(&removal);
        model.compare(&store).await;
        store = match round % 4 {
            0 | 1 => crash_and_open(&mut disk, store).await,
            _ => close_and_open(&mut disk, store).await,
        };
        model.compare(&store).await;
    }
}

/// All rules at once. The seed replays it.
async fn a_random_workload_matches_the_model(mut disk: Box<dyn Disk>, seed: u64) {
    eprintln!("a random workload, seed {seed}");
    let mut store = disk.open().await;
    let mut random = Random::new(seed);
    let mut workload = Workload::new(seed);
    let mut model = Model::default();
    let mut epoch = claim(&store, HERE).await;
    for _ in 0..12 {
        let batches: Vec<Batch> = (0..random.below(12)).map(|_| workload.next_batch(epoch)).collect();
        let flights: Vec<_> = batches.iter().map(|batch| store.append(batch.clone())).collect();
        for (batch, flight) in batches.iter().zip(flights) {
            match flight.await {
                Ok(()) => model.apply(batch),
                Err(Error::Conflict(_)) => assert!(!model.admits(batch), "seed {seed}: no reason for a conflict"),
                Err(other) => panic!("seed {seed}: {other}"),
            }
        }
        model.compare(&store).await;
        if random.below(3) == 0 {
            let gone = entity(random.below(6));
            let removal = Removal { partition: HERE, epoch, at: 0, entities: vec![(gone, model.position(gone))], changes: Vec::new() };
            store.remove(removal.clone()).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            model.remove(&removal);
            workload.forget(gone);
        }
        match random.below(4) {
            0 => store = crash_and_open(&mut disk, store).await,
            1 => store = close_and_open(&mut disk, store).await,
            2 => epoch = claim(&store, HERE).await,
            _ => {}
        }
        model.compare(&store).await;
    }
}
