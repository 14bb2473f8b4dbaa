//! What outlives an engine of a simulation: a store in memory, or the embedded store on a disk that crashes.
//!
//! The embedded store works on threads of its own. Whoever writes waits on the spot, and then until all of them rest: the
//! virtual clock stands still meanwhile, and operations of the disk come in the same order in each run.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use skald_store::contract::workload::Random;
use skald_store::embedded::simulated::{Harm, SimulatedFiles, damage_tree, wait_for};
use skald_store::embedded::{EmbeddedStore, Options};
use skald_store::memory::MemoryStore;
use skald_store::{
    Appending, AppendingAll, Batch, Direction, EntityId, Epoch, Error, PartitionId, Position, Removal, Store, StoredChunk, StoredHead,
    Table,
};
use tempfile::TempDir;

/// What a simulation runs on.
#[derive(Debug, Clone, Default)]
pub enum DiskPlan {
    #[default]
    Memory,
    Embedded(DiskFaults),
}

/// What happens to a disk.
#[derive(Debug, Clone, Default)]
pub struct DiskFaults {
    /// Decides what survives a crash.
    pub dice: u64,
    /// The operation at which each life's disk is struck, counted over all lives.
    pub strikes: Vec<(u64, Strike)>,
    /// What a broken disk does, which no store can survive, and every store must notice.
    pub planted: Option<Plant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Power is lost.
    Crash,
    /// The operation fails, half done.
    Error,
    /// There is no room for a while.
    Full,
}

impl Strike {
    pub const ALL: [Self; 3] = [Self::Crash, Self::Error, Self::Full];
}

/// At the first crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// What was flushed last is not there, or in part: so many flushes were answered and not done.
    LostFlushes(u64),
    /// A sector of the log.
    OfLog(Harm),
    /// A sector of a table.
    OfTable(Harm),
    /// A sector of the manifest.
    OfManifest(Harm),
}

/// So small that a short run sees segments end, tables flushed and merged.
fn small() -> Options {
    Options { segment_bytes: 8 << 10, reserve_bytes: 16 << 10, log_bytes_max: 24 << 10, memtable_bytes_max: 4 << 10, cache_bytes: 1 << 20 }
}

/// Claims come by the hundred when an engine opens. So many fit into a segment several times: nobody else has to work.
const CLAIMS_PER_REST: u64 = 16;
/// So many appends are tried while there is no room.
const FULL_APPENDS: u64 = 3;

/// See the module.
pub(crate) enum Disk {
    Memory(MemoryStore),
    Embedded(Box<Embedded>),
}

pub(crate) struct Embedded {
    faults: DiskFaults,
    random: Random,
    folder: TempDir,
    files: SimulatedFiles,
    store: Option<Arc<RestingStore>>,
}

impl Disk {
    pub(crate) fn new(plan: &DiskPlan) -> std::io::Result<Self> {
        Ok(match plan {
            DiskPlan::Memory => Self::Memory(MemoryStore::new()),
            DiskPlan::Embedded(faults) => {
                let memory = Path::new("/dev/shm");
                let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
                let files = SimulatedFiles::in_turns(folder.path().join("tree"));
                let random = Random::new(faults.dice);
                let disk = Embedded { faults: faults.clone(), random, folder, files, store: None };
                disk.plan();
                Self::Embedded(Box::new(disk))
            }
        })
    }

    /// The store on it, opened when it is not open.
    ///
    /// # Errors
    /// It does not open, and says why.
    pub(crate) fn store(&mut self) -> Result<Arc<dyn Store>, Error> {
        match self {
            Self::Memory(store) => Ok(Arc::new(store.clone())),
            Self::Embedded(disk) => disk.open(),
        }
    }

    /// The process is gone. What is open is closed when the last one who uses it is gone.
    pub(crate) fn end_life(&mut self) {
        match self {
            Self::Memory(store) => *store = store.fork(),
            Self::Embedded(disk) => {
                disk.files.crash();
                disk.store = None;
            }
        }
    }

    /// Operations so far; none in memory.
    pub(crate) fn operations(&self) -> u64 {
        match self {
            Self::Memory(_) => 0,
            Self::Embedded(disk) => disk.files.operations(),
        }
    }
}

impl Embedded {
    /// Tells the disk what is to happen in this life.
    fn plan(&self) {
        let now = self.files.operations();
        let Some((at, strike)) = self.faults.strikes.iter().find(|(at, _)| *at > now) else { return };
        match strike {
            Strike::Crash => self.files.crash_at(*at),
            Strike::Error => self.files.fail_at(*at),
            // See [`RestingStore::make_room`].
            Strike::Full => {}
        }
        if let Some(Plant::LostFlushes(flushes)) = self.faults.planted {
            self.files.lie_from(at.saturating_sub(flushes));
        }
    }

    fn open(&mut self) -> Result<Arc<dyn Store>, Error> {
        if let Some(store) = &self.store {
            return Ok(Arc::clone(store) as Arc<dyn Store>);
        }
        if self.files.is_crashed() {
            let unreadable = |error: std::io::Error| Error::Unknown(format!("the test's own folder: {error}"));
            let is_first = self.faults.strikes.first().is_some_and(|(at, _)| *at <= self.files.operations());
            self.files = self.files.after_crash(&mut self.random).map_err(unreadable)?;
            if is_first {
                self.plant().map_err(unreadable)?;
            }
            self.plan();
        }
        let full_from = self.faults.strikes.iter().find(|(_, strike)| *strike == Strike::Full).map(|(at, _)| *at);
        let store = self.files.open_store(self.folder.path(), small())?;
        let store = Arc::new(RestingStore {
            store,
            files: self.files.clone(),
            full: Mutex::new(full_from.map(|at| (at, FULL_APPENDS))),
            claims: AtomicU64::new(0),
        });
        store.rest();
        self.store = Some(Arc::clone(&store));
        Ok(store)
    }

    fn plant(&mut self) -> std::io::Result<()> {
        let tree = self.folder.path().join("tree");
        match self.faults.planted.take() {
            Some(Plant::OfLog(harm)) => drop(self.files.damage_log(harm, &mut self.random)),
            Some(Plant::OfTable(harm)) => drop(damage_tree(&tree, |name| name.starts_with("tables"), harm, &mut self.random)?),
            Some(Plant::OfManifest(harm)) => drop(damage_tree(&tree, |name| !name.starts_with("tables"), harm, &mut self.random)?),
            Some(Plant::LostFlushes(_)) | None => {}
        }
        Ok(())
    }
}

/// A store whose threads rest whenever it answers.
struct RestingStore {
    store: EmbeddedStore,
    files: SimulatedFiles,
    /// From which operation on there is no room, and for how many appends more.
    full: Mutex<Option<(u64, u64)>>,
    claims: AtomicU64,
}

impl RestingStore {
    fn rest(&self) {
        self.files.let_work(&self.store);
    }

    /// Fills the disk when it is time, and empties it again.
    fn make_room(&self) {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, left)) = full.as_mut().filter(|(from, _)| self.files.operations() >= *from) else { return };
        self.files.set_full(*left > 0);
        if *left == 0 {
            *full = None;
        } else {
            *left -= 1;
        }
    }
}

#[async_trait]
impl Store for RestingStore {
    async fn claim(&self, partition: PartitionId) -> Result<Epoch, Error> {
        let claimed = wait_for(self.store.claim(partition));
        if self.claims.fetch_add(1, Ordering::Relaxed).is_multiple_of(CLAIMS_PER_REST) || claimed.is_err() {
            self.rest();
        }
        claimed
    }

    fn append(&self, batch: Batch) -> Appending {
        let appended = self.append_all(vec![batch]);
        Box::pin(async move { appended.await.pop().expect("an answer for each") })
    }

    fn append_all(&self, batches: Vec<Batch>) -> AppendingAll {
        self.make_room();
        let appended = wait_for(self.store.append_all(batches));
        self.rest();
        Box::pin(std::future::ready(appended))
    }

    async fn remove(&self, removal: Removal) -> Result<(), Error> {
        let removed = wait_for(self.store.remove(removal));
        self.rest();
        removed
    }

    async fn read(&self, entity: EntityId, after: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        self.store.read(entity, after, bytes_max).await
    }

    async fn read_back(&self, entity: EntityId, before: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        self.store.read_back(entity, before, bytes_max).await
    }

    async fn head(&self, entity: EntityId) -> Result<Option<StoredHead>, Error> {
        self.store.head(entity).await
    }

    async fn position(&self, entity: EntityId) -> Result<Position, Error> {
        self.store.position(entity).await
    }

    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.store.get(table, key).await
    }

    async fn scan(&self, table: Table, from: &[u8], to: &[u8], direction: Direction, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.store.scan(table, from, to, direction, limit).await
    }

    fn pinned(&self, limit: usize) -> Vec<EntityId> {
        self.store.pinned(limit)
    }

    fn latest_time(&self) -> i64 {
        self.store.latest_time()
    }

    async fn broken(&self) -> String {
        self.store.broken().await
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
