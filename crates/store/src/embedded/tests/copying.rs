//! Backups of stores that are in use.

use super::*;

use std::sync::atomic::AtomicU64;

use crate::embedded::check::check;

async fn backup(store: &Arc<EmbeddedStore>, to: &Path) -> Result<super::backup::Copied, Error> {
    let (store, to) = (Arc::clone(store), to.to_path_buf());
    tokio::task::spawn_blocking(move || store.backup(&to)).await.expect("it does not panic")
}

/// Entities append during each backup, some with heads, so that flushes, compactions and removals go on; each backup has
/// what was acknowledged before it, opens, is whole, and takes more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_during_load_has_everything_acknowledged_before_it() {
    const TASKS: u64 = 16;
    const APPENDS_PER_ROUND: usize = 1_000;
    let folder = folder();
    let store = Arc::new(EmbeddedStore::open(folder.path(), small()).expect("the store opens"));
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let acknowledged: Arc<Vec<AtomicU64>> = Arc::new((0..TASKS).map(|_| AtomicU64::new(0)).collect());
    // However fast the store is, it holds no more than what the rounds allow.
    let allowed = Arc::new(tokio::sync::Semaphore::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, acknowledged, allowed) = (Arc::clone(&store), Arc::clone(&acknowledged), Arc::clone(&allowed));
            tokio::spawn(async move {
                for number in 0.. {
                    let Ok(permit) = allowed.acquire().await else { return };
                    permit.forget();
                    let entry = records(entity(task), number, 1, &format!("{task} {number}"));
                    let entry = if number % 5 == 4 { entry.with_head("head") } else { entry };
                    let batch = batch(epoch).entry(entry).change(put(Table::Lists, &format!("{task}"), &number.to_string()));
                    if store.append(batch).await.is_err() {
                        return;
                    }
                    acknowledged[task as usize].store(number + 1, Ordering::Release);
                }
            })
        })
        .collect();
    for round in 0..12 {
        allowed.add_permits(APPENDS_PER_ROUND);
        let before: Vec<u64> = acknowledged.iter().map(|count| count.load(Ordering::Acquire)).collect();
        let target = tempfile::tempdir_in(folder.path().parent().expect("in a folder")).expect("a folder");
        let copied = backup(&store, target.path()).await.expect("copied");
        assert!(copied.files > 2, "{copied:?}");
        let report = check(target.path()).expect("a store");
        assert!(report.is_whole(), "round {round}: {report:#?}");
        let copy = EmbeddedStore::open(target.path(), small()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        for task in 0..TASKS {
            let position = copy.position(entity(task)).await.expect("readable").0;
            assert!(position >= before[task as usize], "round {round}, {task}: {position} of {before:?}");
            let chunks = copy.read(entity(task), Position(0), usize::MAX).await.expect("readable");
            let texts: Vec<String> = chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect();
            assert_eq!(texts, (0..position).map(|number| format!("{task} {number}")).collect::<Vec<_>>());
            let row = copy.get(Table::Lists, task.to_string().as_bytes()).await.expect("readable");
            assert_eq!(row, position.checked_sub(1).map(|last| Bytes::from(last.to_string())), "what is of one batch is of one batch");
        }
        let newer = copy.claim(contract::HERE).await.expect("claimed");
        assert!(newer > epoch, "the owner before is fenced");
        let position = copy.position(entity(1)).await.expect("readable");
        copy.append(batch(newer).entry(records(entity(1), position.0, 1, "on"))).await.expect("it goes on");
        copy.close().await.expect("closed");
    }
    allowed.close();
    store.close().await.expect("closed");
    for task in tasks {
        task.await.expect("the task ends well");
    }
}

#[tokio::test]
async fn a_backup_of_a_store_without_a_flush_and_one_into_a_full_folder() {
    let (folder, target) = (folder(), folder());
    let store = Arc::new(EmbeddedStore::open(folder.path(), small()).expect("the store opens"));
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    store.append(batch(epoch).entry(records(entity(1), 0, 1, "x"))).await.expect("appended");
    backup(&store, target.path()).await.expect("copied");
    let copy = EmbeddedStore::open(target.path(), small()).expect("the copy opens");
    assert_eq!(copy.position(entity(1)).await, Ok(Position(1)));
    assert!(matches!(backup(&store, target.path()).await, Err(Error::Conflict(why)) if why.contains("is not empty")));
}

/// What was interrupted does not look like a store.
#[tokio::test]
async fn an_unfinished_backup_does_not_open() {
    let (folder, target) = (folder(), folder());
    let store = Arc::new(EmbeddedStore::open(folder.path(), small()).expect("the store opens"));
    store.claim(contract::HERE).await.expect("claimed");
    backup(&store, target.path()).await.expect("copied");
    fs::remove_file(target.path().join("format")).expect("removed");
    let refused = EmbeddedStore::open(target.path(), small()).map(drop);
    assert!(matches!(&refused, Err(Error::Damaged(why)) if why.contains("format")), "{refused:?}");
}
