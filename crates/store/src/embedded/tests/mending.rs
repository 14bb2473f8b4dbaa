//! Checking and repairing: what opens without complaint is whole, what is damaged is named, and what is whole is carried
//! over.

use super::*;

use std::collections::BTreeMap;

use super::anywhere::{Harm, complaint, copy, files_below, rich_folder};
use crate::embedded::check::{Report, check};
use crate::embedded::repair::repair;

async fn check_in(folder: &Path) -> Result<Report, Error> {
    let folder = folder.to_path_buf();
    tokio::task::spawn_blocking(move || check(&folder)).await.expect("it does not panic")
}

async fn repair_in(folder: &Path, to: &Path) -> Result<Report, Error> {
    let (folder, to) = (folder.to_path_buf(), to.to_path_buf());
    tokio::task::spawn_blocking(move || repair(&folder, &to)).await.expect("it does not panic")
}

/// Name and contents of every file.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |file: std::path::PathBuf| (file.display().to_string(), fs::read(folder.join(&file)).expect("readable"));
    files_below(folder).into_iter().map(read).collect()
}

#[tokio::test]
async fn a_whole_store_is_whole_and_all_of_it_is_carried_over() {
    let (whole, model) = rich_folder().await;
    let before = contents(whole.path());
    let report = check_in(whole.path()).await.expect("a store");
    assert!(report.is_whole(), "{report:#?}");
    assert_eq!(report.entities as usize, model.entities().filter(|entity| model.position(*entity).0 > 0).count());
    assert_eq!(report.records, model.entities().map(|entity| model.position(entity).0).sum::<u64>());
    assert_eq!(report.rows.values().sum::<u64>() as usize, model.row_count());
    let target = folder();
    let repaired = repair_in(whole.path(), &target.path().join("new")).await.expect("repaired");
    assert_eq!(repaired, report);
    assert_eq!(complaint(&target.path().join("new"), &model).await, Ok(None));
    assert_eq!(contents(whole.path()), before, "neither touches the store");
}

/// A store that was killed: the tail of the log is all there is of the newest records.
#[tokio::test]
async fn a_store_that_was_not_closed_is_checked_and_carried_over() {
    let (whole, killed) = (folder(), folder());
    // Nothing is flushed nor given up while it is copied.
    let options = Options { log_bytes_max: 1 << 30, memtable_bytes_max: 1 << 30, ..small() };
    let store = EmbeddedStore::open(whole.path(), options).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let (mut workload, mut model) = (Workload::new(21), Model::default());
    for _ in 0..60 {
        let next = workload.next_admitted(epoch);
        store.append(next.clone()).await.expect("appended");
        model.apply(&next);
    }
    copy(whole.path(), killed.path());
    fs::remove_file(killed.path().join("lock")).expect("removed");
    let report = check_in(killed.path()).await.expect("a store");
    assert!(report.is_whole(), "{report:#?}");
    let target = folder();
    repair_in(killed.path(), target.path()).await.expect("repaired");
    assert_eq!(complaint(target.path(), &model).await, Ok(None));
}

#[tokio::test]
async fn what_is_whole_is_carried_over_and_what_is_lost_is_named() {
    let (whole, model) = rich_folder().await;
    let mut random = Random::new(77);
    for file in files_below(whole.path()) {
        let length = fs::metadata(whole.path().join(&file)).expect("there").len() as usize;
        for harm in Harm::all_over(length, &mut random).into_iter().step_by(3) {
            let (damaged, target) = (folder(), folder());
            copy(whole.path(), damaged.path());
            harm.apply(&damaged.path().join(&file));
            let title = format!("{} of {length} bytes, {harm:?}", file.display());
            let before = contents(damaged.path());
            let checked = check_in(damaged.path()).await;
            let repaired = repair_in(damaged.path(), target.path()).await;
            assert_eq!(contents(damaged.path()), before, "{title}: it was touched");
            assert_eq!(checked, repaired, "{title}");
            let opened = complaint(damaged.path(), &model).await.expect("never less");
            let report = match checked {
                Ok(report) => report,
                // The name of a format that this release does not know.
                Err(Error::Damaged(why)) => {
                    assert!(why.contains("format at offset 0"), "{title}: {why}");
                    continue;
                }
                Err(other) => panic!("{title}: {other}"),
            };
            assert!(!report.is_whole() || opened.is_none(), "{title}: {opened:?} was not found by the check");
            let named = report.files.iter().flat_map(|file| &file.damages).all(|damage| damage.contains(" at offset "));
            assert!(named, "{title}: {report:#?}");
            compare(&report, &model, target.path(), &title).await;
        }
    }
}

/// Each entity has a prefix of its records, a shorter one only when the report says so; rows are missing only when it
/// speaks of losses.
async fn compare(report: &Report, model: &Model, folder: &Path, title: &str) {
    let store = EmbeddedStore::open(folder, small()).unwrap_or_else(|error| panic!("{title}: {error}"));
    for entity in model.entities() {
        let chunks = store.read(entity, Position(0), usize::MAX).await.expect("readable");
        let expected = model.chunks(entity);
        let is_told = !report.losses.is_empty() || report.cut.iter().any(|cut| cut.entity == entity);
        if chunks != expected {
            assert!(is_told, "{title}: {entity} lost records silently, or has some that were removed");
        }
        // One whose removal was lost has what it had before.
        let is_prefix = expected.is_empty() || expected.starts_with(&chunks);
        assert!(is_prefix || !report.losses.is_empty(), "{title}: {entity}: {chunks:?}");
    }
    let mut rows = 0;
    for table in [Table::Names, Table::Lists, Table::Timers, Table::Meta] {
        rows += store.scan(table, b"", &[0xFF; 40], Direction::Forward, usize::MAX).await.expect("readable").len();
    }
    assert!(rows == model.row_count() || !report.losses.is_empty(), "{title}: {rows} rows of {}", model.row_count());
}

#[tokio::test]
async fn an_open_store_is_not_checked_and_a_full_folder_not_written() {
    let (open, other) = (folder(), folder());
    let store = EmbeddedStore::open(open.path(), small()).expect("the store opens");
    assert!(matches!(check_in(open.path()).await, Err(Error::Conflict(why)) if why.contains("another process")));
    drop(store);
    fs::write(other.path().join("something"), "x").expect("written");
    assert!(matches!(repair_in(open.path(), other.path()).await, Err(Error::Conflict(why)) if why.contains("is not empty")));
    assert!(matches!(check_in(other.path()).await, Err(Error::Damaged(why)) if why.contains("is no store")));
}
