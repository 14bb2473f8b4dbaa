//! A disk that is full, and one that fails.

use super::simulated::Failure;
use super::*;

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
        assert!(number < 100, "two segments are not endless");
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

async fn stays_broken(failure: Failure) {
    let folder = folder();
    let files = Arc::new(SimulatedFiles::new());
    let store = EmbeddedStore::open_with(folder.path(), small(), files.clone()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let next = |number| batch(epoch).entry(records(entity(1), number, 1, "x")).change(put(Table::Meta, "k", "v"));
    store.append(next(0)).await.expect("appended");
    files.set_failing(Some(failure));
    assert!(matches!(store.append(next(1)).await, Err(Error::Damaged(_))));
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
