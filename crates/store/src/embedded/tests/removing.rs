//! Removing many entities: room comes back, and nobody waits long for it.

use super::*;

use std::time::{Duration, Instant};

const ENTITIES: u64 = 20_000;
const AT_ONCE: u64 = 64;

fn bytes_of_tables(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder.join("tree").join("tables")).expect("readable");
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}

/// Appends one after the other; answers the longest time one took, and how many there were.
async fn append_for(store: Arc<EmbeddedStore>, epoch: Epoch, first: u64, span: Duration) -> (Duration, u64) {
    let (start, mut longest, mut count) = (Instant::now(), Duration::ZERO, 0);
    while start.elapsed() < span {
        let began = Instant::now();
        if store.append(batch(epoch).entry(records(entity(first + count), 0, 1, "x").with_head("head"))).await.is_err() {
            break;
        }
        longest = longest.max(began.elapsed());
        count += 1;
    }
    (longest, count)
}

/// Executions of 5 KB in twenty records; a writer appends all the time while they go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: cargo test --release -p skald-store removing -- --ignored --nocapture"]
async fn a_removal_stalls_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(EmbeddedStore::open(folder.path(), Options::default()).expect("the store opens"));
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let mut random = Random::new(1);
    for portion in 0..ENTITIES / AT_ONCE {
        let mut next = batch(epoch);
        for number in portion * AT_ONCE..(portion + 1) * AT_ONCE {
            let text: String = (0..5_000).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
            next = next.entry(records(entity(number), 0, 20, &text).with_head("head")).change(put(Table::Names, &format!("{number}"), "x"));
        }
        store.append(next).await.expect("appended");
    }
    store.checkpoint().await;
    let before = bytes_of_tables(folder.path());
    let alone = tokio::spawn(append_for(Arc::clone(&store), epoch, 1_000_000, Duration::from_secs(4)));
    let (alone_waited, _) = alone.await.expect("the writer ends well");
    let writer = tokio::spawn(append_for(Arc::clone(&store), epoch, 2_000_000, Duration::MAX));
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    for portion in 0..ENTITIES / AT_ONCE {
        let numbers = portion * AT_ONCE..(portion + 1) * AT_ONCE;
        let entities = numbers.clone().map(|number| (entity(number), Position(20))).collect();
        let changes = numbers.map(|number| contract::delete(Table::Names, &number.to_string())).collect();
        let at_once = Instant::now();
        store.remove(Removal { partition: contract::HERE, epoch, at: 0, entities, changes }).await.expect("removed");
        longest = longest.max(at_once.elapsed());
        tokio::time::sleep(at_once.elapsed() * 2).await;
    }
    let took = began.elapsed();
    store.checkpoint().await;
    store.end_compaction().await;
    let after = bytes_of_tables(folder.path());
    store.stop();
    let (waited, appended) = writer.await.expect("the writer ends well");
    eprintln!("{ENTITIES} entities gone in {took:?}, the longest portion {longest:?}");
    eprintln!("tables {before} then {after} bytes");
    eprintln!("meanwhile {appended} appends, the longest {waited:?}; without removals {alone_waited:?}");
}
