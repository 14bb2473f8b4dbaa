//! Damage to any file of a closed store: its contents are the same, or the file and the offset are named.
//!
//! Closed, because the last frame of a store that was not is the one damage that looks like a crash.

use super::*;

use std::path::PathBuf;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    Flip { at: usize },
    Truncate { to: usize },
    Zero { from: usize, length: usize },
    Delete,
}

impl Harm {
    /// Every kind, at places all over a file of this length, other ones for each file.
    pub(super) fn all_over(length: usize, random: &mut Random) -> Vec<Self> {
        let mut all = vec![Self::Delete];
        let ends = [0, length / 2, length.saturating_sub(1)].map(|at| at as u64);
        let mut places = |count| ends.into_iter().chain((0..count).map(|_| random.below(length.max(1) as u64)).collect::<Vec<_>>());
        all.extend(places(24).filter(|at| *at < length as u64).map(|at| Self::Flip { at: at as usize }));
        all.extend(places(4).filter(|to| *to < length as u64).map(|to| Self::Truncate { to: to as usize }));
        all.extend(places(5).map(|from| Self::Zero { from: from as usize, length: 512 }));
        all
    }

    pub(super) fn apply(self, path: &Path) {
        let mut bytes = fs::read(path).expect("readable");
        match self {
            Self::Flip { at } => bytes[at] ^= 0x20,
            Self::Truncate { to } => bytes.truncate(to),
            Self::Zero { from, length } => {
                let end = (from + length).min(bytes.len());
                bytes[from.min(end)..end].fill(0);
            }
            Self::Delete => return fs::remove_file(path).expect("removed"),
        }
        fs::write(path, bytes).expect("written");
    }
}

/// Tables on several levels, rows that were replaced and deleted, entities whose records are only in the log.
pub(super) async fn rich_folder() -> (tempfile::TempDir, Model) {
    let folder = folder();
    let store = EmbeddedStore::open(folder.path(), small()).expect("the store opens");
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    let (mut workload, mut model) = (Workload::new(11), Model::default());
    for number in 0..220 {
        let mut next = workload.next_admitted(epoch);
        next.changes.push(put(Table::Lists, &format!("row {number:04}"), &"v".repeat(100)));
        let finished = records(entity(1000 + number), 0, 2, &format!("{number} {}", "r".repeat(150))).with_head("finished");
        next.entries.push(finished);
        store.append(next.clone()).await.expect("appended");
        model.apply(&next);
        if number % 30 == 7 {
            store.checkpoint().await;
        }
        if number % 10 == 9 {
            let entities = vec![(entity(1000 + number - 5), Position(2)), (entity(number % 6), model.position(entity(number % 6)))];
            let removal = Removal { partition: contract::HERE, epoch, at: 0, entities, changes: Vec::new() };
            workload.forget(entity(number % 6));
            store.remove(removal.clone()).await.expect("removed");
            model.remove(&removal);
        }
    }
    let in_the_log = batch(epoch).entry(records(entity(5000), 0, 1, "in the log"));
    store.append(in_the_log.clone()).await.expect("appended");
    model.apply(&in_the_log);
    store.close().await.expect("closed");
    (folder, model)
}

/// Every file below `folder`, relative to it.
pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("readable") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).expect("below it").to_path_buf()),
            }
        }
    }
    found.sort();
    found
}

pub(super) fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().expect("in a folder")).expect("made");
        fs::copy(from.join(&file), target).expect("copied");
    }
}

/// The first thing the store says is wrong; `None` when it answers what it should.
pub(super) async fn complaint(folder: &Path, model: &Model) -> Result<Option<String>, String> {
    let store: Arc<dyn Store> = match EmbeddedStore::open(folder, small()) {
        Ok(store) => Arc::new(store),
        Err(Error::Damaged(why)) => return Ok(Some(why)),
        Err(other) => return Err(other.to_string()),
    };
    match model.difference(&store).await {
        Ok(()) => Ok(None),
        Err(difference) if difference.contains("Damaged(") || difference.starts_with("the store is damaged") => Ok(Some(difference)),
        Err(difference) => Err(difference),
    }
}

#[tokio::test]
async fn damage_anywhere_is_named_with_its_place_or_changes_nothing() {
    let (whole, model) = rich_folder().await;
    let tables = files_below(whole.path()).iter().filter(|file| file.starts_with("tree/tables")).count();
    assert!(tables > 1, "{:?}", files_below(whole.path()));
    let mut random = Random::new(5);
    let (mut named, mut harmless) = (0, 0);
    for file in files_below(whole.path()) {
        let length = fs::metadata(whole.path().join(&file)).expect("there").len() as usize;
        for harm in Harm::all_over(length, &mut random) {
            let folder = folder();
            copy(whole.path(), folder.path());
            harm.apply(&folder.path().join(&file));
            let title = format!("{} of {length} bytes, {harm:?}", file.display());
            match complaint(folder.path(), &model).await.unwrap_or_else(|why| panic!("{title}: {why}")) {
                Some(why) => {
                    let is_named = why.contains(&*file.to_string_lossy()) || is_manifest(&file) && why.contains("tree/");
                    assert!(is_named && why.contains("at offset"), "{title}: {why}");
                    named += 1;
                }
                None => harmless += 1,
            }
        }
    }
    eprintln!("{named} damages named, {harmless} without consequence");
    assert!(named > 100, "{named} damages named, {harmless} without consequence");
}

/// `current` names a version and has its checksum: which of the two files is wrong cannot always be told.
fn is_manifest(file: &Path) -> bool {
    file.parent() == Some(Path::new("tree"))
}
