//! A disk that is full, and one that fails.

use super::simulated::Failure;
use super::*;
use crate::Entry;

/// A store that has its reserve, and one record of entity 1.
async fn whole_store(folder: &Path, files: &Arc<SimulatedFiles>) -> (EmbeddedStore, Epoch) {
    let store = EmbeddedStore::open_with(folder, small(), files.clone()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    store.append(batch(epoch).entry(records(entity(1), 0, 1, "x"))).await.expect("appended");
    until(|| store.space.is_whole()).await;
    (store, epoch)
}

/// The log's own thread needs a moment.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..5000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("it does not come to that");
}

#[tokio::test]
async fn on_a_full_disk_starts_are_refused_and_running_work_uses_the_reserve() {
    let (folder, files) = (folder(), Arc::new(SimulatedFiles::new()));
    let (store, epoch) = whole_store(folder.path(), &files).await;
    let text = "x".repeat(1000);
    let next = |number| batch(epoch).entry(records(entity(1), number, 1, &text));
    let start = || Batch { urgency: Urgency::Start, ..batch(epoch).change(put(Table::Lists, "k", "v")) };
    files.set_full(true);
    let mut position = 1;
    // One segment was ready; what follows is the reserve.
    while store.append(start()).await.is_ok() {
        store.append(next(position)).await.expect("there is room for running work");
        position += 1;
        assert!(position < 100, "starts are refused in time");
    }
    let refused = store.append(start()).await;
    assert!(matches!(&refused, Err(Error::Full(_))), "{refused:?}");
    let before = position;
    while store.append(next(position)).await.is_ok() {
        position += 1;
        assert!(position < 100, "the reserve is not endless");
    }
    let on_reserve = (position - before) * 1000;
    // Frames do not fill a segment to its end, and a start may have come just before the disk was found to be full.
    assert!(on_reserve >= small().reserve_bytes * 2 / 3, "{on_reserve} bytes of running work went to the reserve");
    assert_eq!(store.position(entity(1)).await, Ok(Position(position)), "what is there can be read");
    // The cold store cannot be flushed on such a disk either, and nobody waits for that.
    files.set_full(false);
    store.append(next(position)).await.expect("running work goes on at once");
    until(|| !store.space.is_short() && store.space.is_whole()).await;
    store.append(start()).await.expect("starts are taken again");
    drop(store);
    let store = EmbeddedStore::open_with(folder.path(), small(), files).expect("the store opens again");
    assert_eq!(store.position(entity(1)).await, Ok(Position(position + 1)));
}

#[tokio::test]
async fn a_frame_larger_than_a_segment_waits_for_room_as_others_do() {
    let (folder, files) = (folder(), Arc::new(SimulatedFiles::new()));
    let (store, epoch) = whole_store(folder.path(), &files).await;
    let large = || batch(epoch).entry(records(entity(2), 0, 1, &"x".repeat(50_000)));
    files.set_full(true);
    assert!(matches!(store.append(large()).await, Err(Error::Full(_))));
    store.append(batch(epoch).entry(records(entity(1), 1, 1, &"x".repeat(7_000)))).await.expect("there is room for what is smaller");
    files.set_full(false);
    store.append(large()).await.expect("appended");
    drop(store);
    let store = EmbeddedStore::open_with(folder.path(), small(), files).expect("the store opens again");
    assert_eq!(store.position(entity(2)).await, Ok(Position(1)));
    assert_eq!(store.position(entity(1)).await, Ok(Position(2)));
}

/// What a workload on a disk that does something at some moment came to.
struct Outcome {
    model: Model,
    /// Batches whose answer was neither `Ok` nor a refusal: they may be there.
    open: Vec<Batch>,
    broken: bool,
}

/// Appends one batch after the other, every third a start, with flushes between. A broken store stays broken.
async fn work(store: &Arc<EmbeddedStore>, epoch: Epoch, seed: u64, title: &str) -> Outcome {
    let mut outcome = Outcome { model: Model::default(), open: Vec::new(), broken: false };
    let mut random = Random::new(seed);
    for number in 0..60_u64 {
        let entity = entity(number % 7);
        let expected = outcome.model.chunks(entity).last().map_or(0, |chunk| chunk.last().0);
        let entry = records(entity, expected, 1, &"x".repeat(random.below(900) as usize));
        let entry = if number % 4 == 3 { entry.with_head("head") } else { entry };
        let urgency = if number % 3 == 0 { Urgency::Start } else { Urgency::RunningWork };
        let batch =
            Batch { urgency, ..batch(epoch).entry(entry).change(put(Table::Lists, &format!("{}", number % 5), &number.to_string())) };
        match store.append(batch.clone()).await {
            Ok(()) => {
                assert!(!outcome.broken, "{title}: a broken store wrote");
                outcome.model.apply(&batch);
            }
            Err(Error::Full(_)) => assert!(!outcome.broken, "{title}: a broken store is not full"),
            Err(Error::Damaged(_)) if outcome.broken => {}
            Err(Error::Damaged(_)) => {
                outcome.broken = true;
                outcome.open.push(batch);
            }
            Err(other) => panic!("{title}: {other}"),
        }
        if number % 8 == 7 {
            store.checkpoint().await;
        }
    }
    outcome
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_allocation_loses_nothing_and_goes_on() {
    for full_at in 2..14 {
        let title = format!("full at creation {full_at}");
        let (folder, files) = (folder(), Arc::new(SimulatedFiles::new()));
        files.full_at(full_at);
        let options = Options { segment_bytes: 4 << 10, log_bytes_max: 1 << 20, ..small() };
        let store = EmbeddedStore::open_with(folder.path(), options.clone(), files.clone()).expect("the store opens");
        let store = Arc::new(store);
        let epoch = store.claim(contract::HERE).await.expect("claimed");
        let outcome = work(&store, epoch, full_at, &title).await;
        assert!(!outcome.broken, "{title}: no room is no damage");
        let as_contract: Arc<dyn Store> = store.clone();
        outcome.model.compare(&as_contract).await;
        drop((store, as_contract));
        // Opening needs no room.
        let store: Arc<dyn Store> =
            Arc::new(EmbeddedStore::open_with(folder.path(), options, files.clone()).expect("it opens on a full disk"));
        outcome.model.compare(&store).await;
        files.set_full(false);
        let epoch = store.claim(contract::HERE).await.expect("claimed");
        store.append(batch(epoch).entry(records(entity(99), 0, 1, &"x".repeat(9_000)))).await.expect("there is room again");
    }
}

#[tokio::test]
async fn an_error_at_any_operation_breaks_the_store_or_nothing() {
    let (mut failed, mut broken) = (0, 0);
    for fail_at in 1..110 {
        let title = format!("operation {fail_at} fails");
        let (folder, files) = (folder(), Arc::new(SimulatedFiles::new()));
        files.fail_at(fail_at);
        let options = Options { segment_bytes: 4 << 10, ..small() };
        let Ok(store) = EmbeddedStore::open_with(folder.path(), options.clone(), files.clone()) else { continue };
        let store = Arc::new(store);
        let outcome = match store.claim(contract::HERE).await {
            Ok(epoch) => work(&store, epoch, fail_at, &title).await,
            Err(_) => Outcome { model: Model::default(), open: Vec::new(), broken: true },
        };
        failed += u64::from(files.has_failed());
        broken += u64::from(outcome.broken);
        let answer = store.claim(contract::HERE).await;
        assert_eq!(matches!(answer, Err(Error::Damaged(_))), outcome.broken || store.shared.check_usable().is_err(), "{title}: {answer:?}");
        drop(store);
        // The machine goes down after all, and takes what was not flushed.
        let files = Arc::new(files.survivors(&mut Random::new(fail_at)));
        let store: Arc<dyn Store> =
            Arc::new(EmbeddedStore::open_with(folder.path(), options, files).unwrap_or_else(|error| panic!("{title}: {error}")));
        let mut model = outcome.model;
        let mut found = model.difference(&store).await;
        for batch in &outcome.open {
            if found.is_err() {
                model.apply(batch);
                found = model.difference(&store).await;
            }
        }
        assert_eq!(found, Ok(()), "{title}");
    }
    assert!(failed > 80 && broken > 40, "{failed} failed, {broken} broke the store");
}

#[tokio::test]
async fn a_full_disk_refuses_and_later_goes_on() {
    let folder = folder();
    let files = Arc::new(SimulatedFiles::new());
    let store = EmbeddedStore::open_with(folder.path(), small(), files.clone()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let next = |number| batch(epoch).entry(records(entity(1), number, 1, &"x".repeat(1000)));
    store.append(next(0)).await.expect("appended");
    files.set_full(true);
    let mut number = 1;
    let refused = loop {
        match store.append(next(number)).await {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 100, "two segments and a reserve are not endless");
    };
    assert!(matches!(refused, Error::Full(_)), "{refused}");
    // Refused together with what it rests on, not because of it.
    let (first, second) = (store.append(next(number)), store.append(next(number)));
    assert!(matches!(first.await, Err(Error::Full(_))));
    assert!(matches!(second.await, Err(Error::Full(_) | Error::Conflict(_))));
    assert_eq!(store.position(entity(1)).await, Ok(Position(number)), "what is there can be read");
    files.set_full(false);
    store.append(next(number)).await.expect("there is room again");
    drop(store);
    let store = EmbeddedStore::open_with(folder.path(), small(), files).expect("the store opens again");
    assert_eq!(store.position(entity(1)).await, Ok(Position(number + 1)));
}

#[tokio::test]
async fn a_failed_write_breaks_the_store_until_it_is_opened_again() {
    stays_broken(Failure::Writes).await;
}

#[tokio::test]
async fn a_failed_flush_breaks_the_store_until_it_is_opened_again() {
    stays_broken(Failure::Syncs).await;
}

#[tokio::test]
async fn a_thread_that_panics_breaks_the_store_and_leaves_nobody_waiting() {
    let (folder, files) = (folder(), Arc::new(SimulatedFiles::new()));
    let (store, epoch) = whole_store(folder.path(), &files).await;
    files.set_failing(Some(Failure::Panic));
    let appending = store.append(batch(epoch).entry(records(entity(1), 1, 1, "x")));
    assert!(matches!(appending.await, Err(Error::Unknown(_))), "what became of it, nobody knows");
    assert_eq!(store.broken().await, "the thread skald-log panicked");
    assert!(matches!(store.claim(contract::HERE).await, Err(Error::Damaged(_))));
}

#[tokio::test]
async fn a_folder_without_room_for_another_name_is_a_full_disk() {
    let (folder, files) = (folder(), Arc::new(SimulatedFiles::new()));
    let (store, epoch) = whole_store(folder.path(), &files).await;
    files.set_failing(Some(Failure::Renames));
    // The log cannot go on to another segment, and a frame of its own size gets none.
    let mut position = 1;
    let mut append = async |length| {
        let answer = store.append(batch(epoch).entry(records(entity(1), position, 1, &"x".repeat(length)))).await;
        position += u64::from(answer.is_ok());
        answer
    };
    let refused = append(20_000).await;
    assert!(matches!(&refused, Err(Error::Full(_))), "{refused:?}");
    let mut appended = 0;
    let refused = loop {
        match append(1_000).await {
            Ok(()) => appended += 1,
            Err(error) => break error,
        }
        assert!(appended < 100, "no segment is endless");
    };
    assert!(matches!(&refused, Error::Full(_)), "{refused}");
    files.set_failing(None);
    append(20_000).await.expect("there is room again");
    append(1_000).await.expect("there is room again");
    until(|| store.space.is_whole()).await;

    // What is no longer needed stays, and goes once it can.
    store.settle().await.expect("nothing is broken");
    let held = store.segments.bytes();
    files.set_failing(Some(Failure::Renames));
    let head = Entry { entity: entity(1), expected: Position(position), chunk: None, head: Some("head".into()) };
    store.append(batch(epoch).entry(head)).await.expect("there is room in the segment");
    store.settle().await.expect("nothing is broken");
    assert_eq!(store.segments.bytes(), held);
    files.set_failing(None);
    store.append(batch(epoch).change(put(Table::Meta, "k", "v"))).await.expect("appended");
    store.settle().await.expect("nothing is broken");
    assert!(store.segments.bytes() < held, "{held} bytes before");
    assert_eq!(store.position(entity(1)).await, Ok(Position(position)));
}

async fn stays_broken(failure: Failure) {
    let folder = folder();
    let files = Arc::new(SimulatedFiles::new());
    let store = EmbeddedStore::open_with(folder.path(), small(), files.clone()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let next = |number| batch(epoch).entry(records(entity(1), number, 1, "x")).change(put(Table::Meta, "k", "v"));
    store.append(next(0)).await.expect("appended");
    files.set_failing(Some(failure));
    let appending = store.append(next(1));
    assert!(store.broken().await.contains("000000000001.log"), "whoever waits for it hears why");
    assert!(matches!(appending.await, Err(Error::Damaged(_))));
    files.set_failing(None);
    let damaged =
        |answer: Result<(), Error>| assert!(matches!(&answer, Err(Error::Damaged(why)) if why.contains("000000000001.log")), "{answer:?}");
    damaged(store.append(next(1)).await);
    damaged(store.claim(contract::HERE).await.map(drop));
    damaged(store.read(entity(1), Position(0), 9).await.map(drop));
    damaged(store.read_back(entity(1), Position(9), 9).await.map(drop));
    damaged(store.position(entity(1)).await.map(drop));
    damaged(store.head(entity(1)).await.map(drop));
    damaged(store.get(Table::Meta, b"k").await.map(drop));
    damaged(store.scan(Table::Meta, b"", b"z", Direction::Forward, 9).await.map(drop));
    damaged(store.close().await);
    drop(store);
    let store = EmbeddedStore::open_with(folder.path(), small(), files).expect("the store opens again");
    // Whether a batch whose flush failed is there is open; it was not answered.
    assert!(store.position(entity(1)).await.is_ok_and(|position| (1..=2).contains(&position.0)));
}
