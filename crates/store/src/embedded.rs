//! The durable store of one process: a short log in front of a cold tree.
//!
//! A batch is checked, written to the `log` and flushed together with whatever else waits (`writer`), then applied:
//! rows, and records that a head follows, go to the `cold` tree; other records stay in memory (`tails`) and in the
//! log. The `flusher` flushes the tree now and then; what it then holds, the log may forget. Opening reads the log from
//! where the tree ends.
//!
//! On disk, in one folder:
//! * `format`: the version of all this, written last when a store is made.
//! * `lock`: held while a process has the store open.
//! * `log/`: segments of frames, and files that become such.
//! * `tree/`: the `lsm-tree`.
//!
//! [`check`] and [`repair`] read what no longer opens; [`backup`] copies what goes on.

pub mod backup;
pub mod check;
mod cold;
mod files;
mod flusher;
mod frame;
mod log;
mod log_scan;
mod manifest;
mod marker;
mod recent;
pub mod repair;
mod salvage;
mod scan;
mod shared;
mod smoothing;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated;
mod space;
mod table_file;
mod tails;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File, TryLockError};
use std::future::ready;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::page::{Page, Room};
use crate::{
    Appending, AppendingAll, Batch, Direction, EntityId, Epoch, Error, PartitionId, Position, Removal, Store, StoredChunk, StoredHead,
    Table,
};
use cold::Cold;
use files::{Files, Folder};
use flusher::{Compact, Compactor, Flusher};
use frame::Item;
use log::{Found, Log, Segments};
use marker::{Facts, Marker};
use shared::{Known, Shared};
use space::Space;
use tails::Tails;
use writer::{Checkpoints, Group, Request, Writer};

/// Sizes. The defaults suit a machine with a gigabyte for this process.
#[derive(Debug, Clone)]
pub struct Options {
    /// A log segment; the next one is allocated ahead, so the log takes two at least.
    pub segment_bytes: u64,
    /// Log segments that are allocated beside these, for running work when the disk is full.
    pub reserve_bytes: u64,
    /// When the log is longer, entities that hold it back are [pinned](Store::pinned).
    pub log_bytes_max: u64,
    /// Rows, heads and finished records in memory before they are flushed to the cold tree.
    pub memtable_bytes_max: u64,
    /// Blocks of the cold tree that are kept in memory.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            reserve_bytes: 64 << 20,
            log_bytes_max: 256 << 20,
            memtable_bytes_max: 16 << 20,
            cache_bytes: 32 << 20,
        }
    }
}

/// A store in a folder. Dropping it releases the folder without the work that makes the next opening quick.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    files: Arc<dyn Files>,
    segments: Arc<Segments>,
    space: Arc<Space>,
    options: Options,
    folder: PathBuf,
    writer: Sender<Request>,
    compactor: Sender<Compact>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held until the threads have ended.
    lock: Mutex<Option<File>>,
}

const FORMAT: &str = "skald store 2\n";

impl EmbeddedStore {
    /// Opens the store in `folder`, or makes one there. Blocks while it reads the log.
    ///
    /// # Errors
    /// `Conflict` when a process has it open; `Damaged` when what is there is not what was written, or of an unknown
    /// format; `Full` when there is no room for a log segment.
    pub fn open(folder: &Path, options: Options) -> Result<Self, Error> {
        let log = Folder::open(folder.join("log")).map_err(|error| cannot("open", folder, &error))?;
        Self::open_with(folder, options, Arc::new(log))
    }

    fn open_with(folder: &Path, options: Options, files: Arc<dyn Files>) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|error| cannot("open", folder, &error))?;
        let lock = lock(folder)?;
        let is_new = check_format(folder)?;
        let Found { log, first_sequence, beheaded, manifest } = Log::open(Arc::clone(&files), &options)?;
        let tree = folder.join("tree");
        if is_new && first_sequence.is_some() {
            return Err(Error::Damaged("format at offset 0: it is missing, and there is a log".to_owned()));
        }
        check_manifest(&tree, manifest)?;
        let cold = Cold::open(tree.clone(), options.cache_bytes)?;
        if is_new {
            write_format(folder).map_err(|error| cannot("write", folder, &error))?;
        }
        let (shared, facts) = replay(&log, cold, first_sequence, beheaded)?;
        let mut store = Self {
            shared: Arc::new(shared),
            files,
            segments: log.segments(),
            space: log.space(),
            options,
            folder: folder.to_path_buf(),
            writer: channel().0,
            compactor: channel().0,
            threads: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        };
        store.start(log, facts, tree).map_err(|error| cannot("start a thread for", folder, &error))?;
        Ok(store)
    }

    fn start(&mut self, log: Log, facts: Facts, tree: PathBuf) -> std::io::Result<()> {
        let (writer, requests) = channel();
        let (flusher, jobs) = channel();
        let (compactor, compactions) = channel();
        (self.writer, self.compactor) = (writer.clone(), compactor.clone());
        let shared = Arc::clone(&self.shared);
        let segments = Arc::clone(&self.segments);
        let files = Arc::clone(&self.files);
        let compacts = Compactor {
            shared: Arc::clone(&shared),
            files: Arc::clone(&files),
            tree: tree.clone(),
            jobs: compactions,
            writer: writer.clone(),
        };
        let space = Arc::clone(&self.space);
        let flushes = Flusher { shared: Arc::clone(&shared), files, segments, space: Arc::clone(&space), tree, jobs, writer, compactor };
        let writes = Writer {
            shared,
            log,
            space,
            options: self.options.clone(),
            facts,
            requests,
            flusher,
            group: Group::default(),
            checkpoints: Checkpoints::default(),
            is_tree_behind: false,
        };
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(self.spawn("skald-log", move || writes.run())?);
        threads.push(self.spawn("skald-flush", move || flushes.run())?);
        threads.push(self.spawn("skald-compact", move || compacts.run())?);
        Ok(())
    }

    /// A thread whose panic breaks the store down: nobody would ever be answered otherwise.
    fn spawn(&self, name: &'static str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if std::panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
                shared.break_down(&format!("the thread {name} panicked"));
            }
        })
    }

    /// Flushes the cold tree, drops the log that this makes superfluous, and compacts: what a quiet moment would bring.
    ///
    /// # Errors
    /// `Damaged` once the store is broken or closed.
    pub async fn settle(&self) -> Result<(), Error> {
        self.shared.check_usable()?;
        self.checkpoint().await;
        let (answer, answered) = oneshot::channel();
        self.compactor.send(Compact::Until(answer)).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())
    }

    /// Flushes the cold tree and drops the log that this makes superfluous. Answers when both are done.
    async fn checkpoint(&self) {
        let (answer, answered) = oneshot::channel();
        if self.writer.send(Request::Checkpoint { answer }).is_ok() {
            // The answer is only dropped when the writer has ended.
            let _ = answered.await;
        }
    }

    /// Waits for the compaction that is going on.
    async fn end_compaction(&self) {
        let (answer, answered) = oneshot::channel();
        if self.compactor.send(Compact::Last(answer)).is_ok() {
            let _ = answered.await;
        }
    }

    /// Ends the threads and releases the folder.
    fn stop(&self) {
        self.shared.is_closing.store(true, Ordering::Release);
        self.files.end_turns();
        let (answer, _) = oneshot::channel();
        // Threads that have ended already need not be told.
        let _ = self.compactor.send(Compact::Last(answer));
        let _ = self.writer.send(Request::Close);
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A thread that panicked has said so; there is nothing left to end.
            let _ = thread.join();
        }
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.stop();
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn claim(&self, partition: PartitionId) -> Result<Epoch, Error> {
        self.shared.check_usable()?;
        let (answer, answered) = oneshot::channel();
        self.writer.send(Request::Claim { partition, answer }).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(lost()))
    }

    fn append(&self, batch: Batch) -> Appending {
        let appending = self.append_all(vec![batch]);
        Box::pin(async move { appending.await.pop().unwrap_or_else(|| Err(lost())) })
    }

    fn append_all(&self, batches: Vec<Batch>) -> AppendingAll {
        let count = batches.len();
        let all = move |error| vec![Err(error); count];
        if let Err(error) = self.shared.check_usable() {
            return Box::pin(ready(all(error)));
        }
        let (answer, answered) = oneshot::channel();
        if self.writer.send(Request::Append { batches, answer }).is_err() {
            return Box::pin(ready(all(closed())));
        }
        Box::pin(async move { answered.await.unwrap_or_else(|_| all(lost())) })
    }

    async fn remove(&self, removal: Removal) -> Result<(), Error> {
        self.shared.check_usable()?;
        let mut known = Known::default();
        for (entity, expected) in &removal.entities {
            // INVARIANT: without a tail, and as long as its position stays, an entity's keys in the cold tree stay. So
            // they are read here, and the thread that writes the log need not wait for the disk.
            let has_tail = self.shared.tails().position(*entity).is_some();
            if !has_tail && self.shared.cold.position(*entity)? == *expected {
                known.insert(*entity, self.shared.cold.visible_entity_keys(*entity)?);
            }
        }
        let (answer, answered) = oneshot::channel();
        self.writer.send(Request::Remove { removal, known, answer }).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(lost()))
    }

    async fn read(&self, entity: EntityId, after: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        self.shared.check_usable()?;
        let tail = self.shared.tails().chunks(entity).to_vec();
        let tail_first = tail.first().map_or(Position(u64::MAX), |chunk| chunk.first);
        // Nothing follows the head of what was parked: that is known without looking for it.
        if tail.is_empty() && after >= self.shared.cold.position(entity)? {
            return Ok(Vec::new());
        }
        let mut page = Page::new(bytes_max);
        let is_before_tail = tail_first.0 > 1 && after.0 < tail_first.0 - 1;
        if !is_before_tail || self.shared.cold.records_after(entity, after, tail_first, &mut page)? == Room::Left {
            page.fill(tail.into_iter().filter(|chunk| chunk.last() > after));
        }
        Ok(page.into_chunks())
    }

    async fn read_back(&self, entity: EntityId, before: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        self.shared.check_usable()?;
        let tail = self.shared.tails().chunks(entity).to_vec();
        let tail_first = tail.first().map_or(Position(u64::MAX), |chunk| chunk.first);
        let mut page = Page::new(bytes_max);
        let room = page.fill(tail.into_iter().rev().filter(|chunk| chunk.first < before));
        if room == Room::Left && tail_first.0 > 1 {
            self.shared.cold.records_before(entity, before.min(tail_first), &mut page)?;
        }
        Ok(page.into_chunks())
    }

    async fn head(&self, entity: EntityId) -> Result<Option<StoredHead>, Error> {
        self.shared.check_usable()?;
        self.shared.cold.head(entity)
    }

    async fn position(&self, entity: EntityId) -> Result<Position, Error> {
        self.shared.check_usable()?;
        let in_tail = self.shared.tails().position(entity);
        in_tail.map_or_else(|| self.shared.cold.position(entity), Ok)
    }

    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.shared.check_usable()?;
        self.shared.cold.row(table, key)
    }

    async fn scan(&self, table: Table, from: &[u8], to: &[u8], direction: Direction, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.shared.check_usable()?;
        self.shared.cold.rows(table, from, to, direction, limit)
    }

    fn pinned(&self, limit: usize) -> Vec<EntityId> {
        let Some(end) = self.segments.end_of_excess(self.options.log_bytes_max) else { return Vec::new() };
        self.shared.tails().before(end).take(limit).collect()
    }

    fn latest_time(&self) -> i64 {
        self.shared.latest_time()
    }

    async fn broken(&self) -> String {
        self.shared.broken().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.shared.check_usable()?;
        self.files.end_turns();
        self.shared.is_closing.store(true, Ordering::Release);
        self.end_compaction().await;
        self.checkpoint().await;
        let usable = self.shared.check_usable();
        self.stop();
        usable
    }
}

/// Reads the log into the cold tree from where that ends, and rebuilds the tails.
fn replay(log: &Log, cold: Cold, first_sequence: Option<u64>, beheaded: Option<u64>) -> Result<(Shared, Facts), Error> {
    let marker = cold.marker()?;
    check_log_fits(log, first_sequence, beheaded, marker.as_ref())?;
    let (in_tree, mut facts) = marker.map_or((0, Facts::default()), |marker| (marker.sequence, marker.facts));
    let mut tails = Tails::default();
    log.replay(&mut |sequence, item| {
        match item {
            Item::Batch(batch) if sequence <= in_tree => shared::apply_to_tails(&mut tails, sequence, batch),
            Item::Batch(batch) => {
                facts.latest_time = facts.latest_time.max(batch.at);
                shared::apply(&cold, &mut tails, sequence, batch);
            }
            Item::Claim { partition, epoch } if sequence > in_tree => {
                facts.epoch = facts.epoch.max(epoch.0);
                facts.owners.insert(partition, epoch);
            }
            Item::Removal(removal) if sequence <= in_tree => {
                removal.entities.iter().for_each(|(entity, _)| drop(tails.take(*entity)));
            }
            Item::Removal(removal) => {
                facts.latest_time = facts.latest_time.max(removal.at);
                shared::remove(&cold, &mut tails, sequence, removal, &mut Known::default())?;
            }
            Item::Claim { .. } | Item::Manifest { .. } => {}
        }
        Ok(())
    })?;
    cold.publish(log.last_sequence());
    for (entity, first) in tails.firsts() {
        let position = cold.position(entity)?;
        if position.0 + 1 != first.0 {
            let (entity, position, first) = (entity.0, position.0, first.0);
            return Err(Error::Damaged(format!("entity {entity:032x}: the cold store ends at {position}, the log begins at {first}")));
        }
    }
    Ok((Shared::new(cold, tails, facts.latest_time), facts))
}

/// The log and the cold tree are of one store, and nothing is missing between them.
fn check_log_fits(log: &Log, first_sequence: Option<u64>, beheaded: Option<u64>, marker: Option<&Marker>) -> Result<(), Error> {
    let (needed, in_tree) = marker.map_or((log::FIRST_SEQUENCE, 0), |marker| (marker.floor, marker.sequence));
    let begins_too_late = match first_sequence {
        Some(first) => first > needed,
        None => marker.is_some(),
    };
    if let Some(generation) = beheaded.filter(|_| begins_too_late) {
        let (name, offset) = (log::name(generation), frame::SEGMENT_HEADER_BYTES);
        return Err(Error::Damaged(format!("log/{name} at offset {offset}: no frame is whole, the cold store needs item {needed}")));
    }
    if begins_too_late {
        let missing = log.segments().oldest().saturating_sub(1).max(1);
        let name = log::name(missing);
        return Err(Error::Damaged(format!("log/{name} at offset 0: it is missing, the cold store needs the log back to item {needed}")));
    }
    if log.last_sequence() < in_tree {
        let (name, offset, last) = (log::name(log.generation()), log.offset(), log.last_sequence());
        return Err(Error::Damaged(format!("log/{name} at offset {offset}: the log ends with item {last}, the cold store with {in_tree}")));
    }
    Ok(())
}

/// The cold tree's manifest is the one that the log knows, or a newer one.
fn check_manifest(tree: &Path, noted: Option<(u64, u32)>) -> Result<(), Error> {
    compare_manifest(cold::manifest(tree)?, noted)
}

fn compare_manifest(found: Option<(u64, u32)>, noted: Option<(u64, u32)>) -> Result<(), Error> {
    let Some((version, checksum)) = noted else { return Ok(()) };
    match found {
        Some((found, _)) if found > version => Ok(()),
        Some(found) if found == (version, checksum) => Ok(()),
        Some((found, _)) if found == version => Err(Error::Damaged(format!("tree/v{version} at offset 0: it is not what was written"))),
        Some(_) | None => Err(Error::Damaged("tree/current at offset 0: it is older than the log".to_owned())),
    }
}

/// Keeps every other process out, until the file is dropped.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|error| cannot("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Conflict(format!("{} is open in another process", folder.display()))),
        Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
    }
}

/// Whether the store is yet to be made.
fn check_format(folder: &Path) -> Result<bool, Error> {
    let path = folder.join("format");
    match fs::read(&path) {
        Ok(found) if found == FORMAT.as_bytes() => Ok(false),
        Ok(found) => {
            let (found, known) = (String::from_utf8_lossy(&found).trim_end().to_owned(), FORMAT.trim_end());
            Err(Error::Damaged(format!("format at offset 0: the format is {found:?}, this release reads {known:?}")))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(cannot("read", &path, &error)),
    }
}

/// # Errors
/// `Conflict` when there is something in `folder`.
fn require_empty(folder: &Path) -> Result<(), Error> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(Error::Conflict(format!("{} is not empty", folder.display()))),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot("read", folder, &error)),
    }
}

fn write_format(folder: &Path) -> std::io::Result<()> {
    let unfinished = folder.join("format.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(FORMAT.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join("format"))?;
    files::sync_folder(folder)?;
    // The folder itself may be new too.
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    files::sync_folder(parent.unwrap_or(Path::new(".")))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Damaged(format!("cannot {what} {}: {error}", path.display()))
}

fn closed() -> Error {
    Error::Damaged("it is closed".to_owned())
}

fn lost() -> Error {
    Error::Unknown("the store was closed while the batch was on its way".to_owned())
}
