//! The cold tree: one `lsm-tree` with everything in it but the tails of journals.
//!
//! | key | value |
//! |---|---|
//! | `H` entity | the newest head: position, bytes |
//! | `S` entity, position of the first record | a segment of records: chunks, each with count and length |
//! | `T` table, key | a row |
//! | `M` | the [`Marker`]: how far the log is in here |
//!
//! Every write carries the sequence number of the log item it comes from, and a reader sees those before `visible`: what
//! belongs to one flush of the log appears at once.
//!
//! INVARIANT: whoever reads looks at tables whose newest entries were visible before it began. Otherwise an entry that
//! it must not see could have displaced the one it should: flushing and compacting keep only the newest. [`Cold::scan`]
//! sees to that by trying again when the version of the tree changed under it, [`Cold::get`] by asking what is visible last.
//!
//! The tree has one lock, and holds it while it writes a new manifest: through four flushes of files and folders, which take
//! as long as the disk has other work. Writing and point reads do not wait for that: they have a [`View`].

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use lsm_tree::compaction::{CompactionStrategy, Leveled};
use lsm_tree::config::CompressionPolicy;
use lsm_tree::{
    AbstractTree, AnyTree, Cache, CompressionType, Config, Guard, InternalValue, Memtable, SequenceNumberCounter, UserKey, UserValue,
    ValueType,
};
use xxhash_rust::xxh3::xxh3_64;

use super::frame::{Malformed, Reader};
use super::log::FIRST_SEQUENCE;
use super::manifest::Manifest;
use super::marker::Marker;
use super::recent::Recent;
use super::smoothing::smoothly;
use super::space::is_full;
use super::table_file::TableFile;
use crate::page::{Page, Room};
use crate::{Direction, EntityId, Error, Position, StoredChunk, StoredHead, Table};

pub(super) struct Cold {
    tree: AnyTree,
    path: PathBuf,
    /// The tree numbers its versions with this. It is set back before each step, so that they stay below every sequence
    /// number, and a reader is always given the newest.
    versions: SequenceNumberCounter,
    visible: AtomicU64,
    recent: Recent,
    /// INVARIANT: its tables and memtables hold all that the tree does.
    view: RwLock<Arc<View>>,
    /// The first damage that was found: its place is not looked for twice.
    damage: OnceLock<String>,
    /// Held by who compacts.
    compacting: Mutex<()>,
    /// Keys of ended executions that were removed since room was last made of theirs.
    removed: AtomicU64,
    making_room: Mutex<MakingRoom>,
}

/// The tree as it was last changed.
#[derive(Clone)]
struct View {
    /// What the tree calls this set of tables.
    version: u64,
    tables: Tables,
    /// As many entries have these.
    keys: u64,
    active: Arc<Memtable>,
    /// What is being flushed, or waits for it; the newest last.
    sealed: Vec<Arc<Memtable>>,
}

/// Looks a key up, as far as it is visible, by the hash that the tables' filters are made with.
type Tables = Arc<dyn Fn(&[u8], u64, u64) -> lsm_tree::Result<Option<InternalValue>> + Send + Sync>;

/// What was removed leaves its room only where its key's last trace is merged into the lowest level. What is written later
/// sees to that, sooner or later; when much was removed from a small tree, it is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MakingRoom {
    No,
    /// Once the traces are flushed.
    Wanted,
    /// The traces are in the memtable that is flushed next.
    Sealed,
    /// By the next compaction.
    Due,
}

/// What a step of compaction found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Done,
    Nothing,
}

/// Why the tree could not be written. What was in memory stays there, what was on disk too.
#[derive(Debug)]
pub(super) enum WriteError {
    /// There is no room, or something else that passes: try again.
    Passing(String),
    Broken(String),
}

/// A segment of records is begun anew above this, so that reading a page does not load a whole journal.
const SEGMENT_BYTES_MAX: usize = 256 << 10;
/// So many flushed tables are merged into the level below at once, which is rewritten each time: twice the crate's default
/// halves that work, and costs a read as many more filters.
const MERGED_TABLES: u8 = 8;
/// Half of the default, so that the level below them (their product) stays as large.
const TABLE_BYTES: u64 = 32 << 20;
/// Smaller ones while room is made: what is flushed at the end of each is what appends wait for.
const ROOM_TABLE_BYTES: u64 = 8 << 20;
/// Room is made by writing the whole tree anew, if it is no larger than this: some seconds of one core and of the disk.
const ROOM_BYTES_MAX: u64 = 1 << 30;
/// One compaction step after another, until nothing changes; this bounds a strategy that never ends.
const COMPACTIONS_MAX: usize = 16;
/// Room is made when one of so many keys was removed; traces of what was removed count among them …
const REMOVED_PART: u64 = 4;
/// … and not for less than these.
const REMOVED_MIN: u64 = 1_000;

pub(super) const MARKER_KEY: &[u8] = b"M";

impl View {
    fn of(tree: &AnyTree) -> Self {
        let (active, version) = (tree.active_memtable(), tree.current_version());
        let keys = (tree.approximate_len() as u64).saturating_sub(active.len() as u64);
        let id = version.id();
        let tables = move |key: &[u8], visible: u64, hash: u64| {
            for table in version.iter_levels().flat_map(|level| level.iter()).filter_map(|run| run.get_for_key(key)) {
                if let Some(entry) = table.get(key, visible, hash)? {
                    return Ok(Some(entry));
                }
            }
            Ok(None)
        };
        Self { version: id, tables: Arc::new(tables), keys, active, sealed: Vec::new() }
    }

    /// Those of `other`, unless they are older: two threads change the tree.
    fn take_tables(&mut self, other: Self) {
        if other.version > self.version {
            (self.version, self.tables, self.keys) = (other.version, other.tables, other.keys);
        }
    }

    /// About how many entries there are.
    fn len(&self) -> u64 {
        self.keys + self.active.len() as u64
    }
}

impl Cold {
    pub(super) fn open(path: PathBuf, cache_bytes: u64) -> Result<Self, Error> {
        let versions = SequenceNumberCounter::default();
        let config = Config::new(&path, versions.clone(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(cache_bytes)))
            // What is merged again soon is not worth the time.
            .data_block_compression_policy(CompressionPolicy::new([CompressionType::None, CompressionType::None, CompressionType::Lz4]));
        let tree = config.open().map_err(|error| Error::Damaged(find_damage(&path).unwrap_or_else(|| unplaced(&error))))?;
        let visible = tree.get_highest_persisted_seqno().map_or(FIRST_SEQUENCE, |highest| highest + 1);
        let view = View::of(&tree);
        Ok(Self {
            tree,
            path,
            versions,
            visible: AtomicU64::new(visible),
            recent: Recent::new(),
            view: RwLock::new(Arc::new(view)),
            damage: OnceLock::new(),
            compacting: Mutex::default(),
            removed: AtomicU64::new(0),
            making_room: Mutex::new(MakingRoom::No),
        })
    }

    pub(super) fn put_row(&self, table: Table, key: &[u8], value: Bytes, sequence: u64) {
        self.insert(row_key(table, key), UserValue::from(value), sequence);
    }

    pub(super) fn delete_row(&self, table: Table, key: &[u8], sequence: u64) {
        self.remove(row_key(table, key), sequence);
    }

    pub(super) fn put_head(&self, entity: EntityId, head: &StoredHead, sequence: u64) {
        let mut value = Vec::with_capacity(8 + head.bytes.len());
        value.extend(head.position.0.to_le_bytes());
        value.extend_from_slice(&head.bytes);
        self.insert(head_key(entity), value.into(), sequence);
    }

    pub(super) fn put_records(&self, entity: EntityId, chunks: &[StoredChunk], sequence: u64) {
        let mut rest = chunks;
        while let [first, ..] = rest {
            let mut value = Vec::new();
            let mut taken = 0;
            while let Some(chunk) = rest.get(taken).filter(|_| value.len() < SEGMENT_BYTES_MAX) {
                value.extend(chunk.count.to_le_bytes());
                value.extend((chunk.bytes.len() as u32).to_le_bytes());
                value.extend_from_slice(&chunk.bytes);
                taken += 1;
            }
            self.insert(records_key(entity, first.first), value.into(), sequence);
            rest = &rest[taken..];
        }
    }

    /// The keys of everything that is kept of an entity, as far as it comes before `sequence`.
    pub(super) fn entity_keys(&self, entity: EntityId, sequence: u64) -> Result<Vec<UserKey>, Error> {
        let bounds = records_key(entity, Position(0))..=records_key(entity, Position(u64::MAX));
        let segments = self.tree.range(bounds, sequence, None).map(|segment| segment.key().map_err(|error| self.damaged(&error)));
        std::iter::once(Ok(head_key(entity))).chain(segments).collect()
    }

    /// As [`Cold::entity_keys`], of what is visible.
    pub(super) fn visible_entity_keys(&self, entity: EntityId) -> Result<Vec<UserKey>, Error> {
        loop {
            let version = self.tree.current_version().id();
            let keys = self.entity_keys(entity, self.visible.load(Ordering::Acquire));
            if self.tree.current_version().id() == version {
                return keys;
            }
        }
    }

    pub(super) fn delete_keys(&self, keys: Vec<UserKey>, sequence: u64) {
        for key in keys {
            self.remove(key, sequence);
        }
    }

    /// So many keys of ended executions were removed.
    pub(super) fn note_removed(&self, keys: u64) {
        let removed = self.removed.fetch_add(keys, Ordering::Relaxed) + keys;
        if removed >= REMOVED_MIN && removed * REMOVED_PART >= self.view().len() {
            self.make_room(MakingRoom::No, MakingRoom::Wanted);
        }
    }

    /// Whether a flush would let room be made of what was removed.
    pub(super) fn wants_room(&self) -> bool {
        *self.making_room() == MakingRoom::Wanted
    }

    fn make_room(&self, from: MakingRoom, to: MakingRoom) {
        let mut making_room = self.making_room();
        if *making_room == from {
            *making_room = to;
        }
    }

    fn making_room(&self) -> MutexGuard<'_, MakingRoom> {
        self.making_room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to and with `sequence` can be read from now on.
    pub(super) fn publish(&self, sequence: u64) {
        self.visible.store(sequence + 1, Ordering::Release);
    }

    pub(super) fn row(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.get(&row_key(table, key))?.map(Bytes::from))
    }

    pub(super) fn has_row(&self, table: Table, key: &[u8]) -> Result<bool, Error> {
        Ok(self.get(&row_key(table, key))?.is_some())
    }

    pub(super) fn head(&self, entity: EntityId) -> Result<Option<StoredHead>, Error> {
        let Some(value) = self.get(&head_key(entity))? else { return Ok(None) };
        let mut reader = Reader(&value);
        let position = Position(reader.u64().map_err(|why| self.malformed("head", entity, &why))?);
        Ok(Some(StoredHead { position, bytes: Bytes::from(value).slice(8..) }))
    }

    /// Of the last record in here: records are only written together with a head.
    pub(super) fn position(&self, entity: EntityId) -> Result<Position, Error> {
        Ok(self.head(entity)?.map_or(Position(0), |head| head.position))
    }

    pub(super) fn rows(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        if from >= to {
            return Ok(Vec::new());
        }
        let rows = self.scan(|visible| self.tree.range(row_key(table, from)..row_key(table, to), visible, None));
        let pair = |row: lsm_tree::IterGuardImpl| {
            let (key, value) = row.into_inner().map_err(|error| self.damaged(&error))?;
            Ok((Bytes::from(key).slice(2..), Bytes::from(value)))
        };
        match direction {
            Direction::Forward => rows.take(limit).map(pair).collect(),
            Direction::Backward => rows.rev().take(limit).map(pair).collect(),
        }
    }

    /// Fills `page` with chunks that hold records after `after`, and begin before `end`.
    pub(super) fn records_after(&self, entity: EntityId, after: Position, end: Position, page: &mut Page) -> Result<Room, Error> {
        let wanted = records_key(entity, Position(after.0.saturating_add(1)));
        let first = records_key(entity, Position(0));
        let (mut before, following) = self.scan(|visible| {
            let before = self.tree.range(first.clone()..=wanted.clone(), visible, None);
            let bounds = (std::ops::Bound::Excluded(wanted.clone()), std::ops::Bound::Excluded(records_key(entity, end)));
            (before, self.tree.range(bounds, visible, None))
        });
        // `following` would begin inside a segment: the one that begins last before it comes first.
        for segment in before.next_back().into_iter().chain(following) {
            let chunks = self.segment(entity, segment)?;
            if page.fill(chunks.into_iter().filter(|chunk| chunk.last() > after && chunk.first < end)) == Room::Gone {
                return Ok(Room::Gone);
            }
        }
        Ok(Room::Left)
    }

    /// Fills `page` with chunks that begin before `before`, newest first.
    pub(super) fn records_before(&self, entity: EntityId, before: Position, page: &mut Page) -> Result<Room, Error> {
        let (from, to) = (records_key(entity, Position(0)), records_key(entity, before));
        let segments = self.scan(|visible| self.tree.range(from.clone()..to.clone(), visible, None));
        for segment in segments.rev() {
            let chunks = self.segment(entity, segment)?;
            if page.fill(chunks.into_iter().rev().filter(|chunk| chunk.first < before)) == Room::Gone {
                return Ok(Room::Gone);
            }
        }
        Ok(Room::Left)
    }

    fn segment(&self, entity: EntityId, segment: lsm_tree::IterGuardImpl) -> Result<Vec<StoredChunk>, Error> {
        let (key, value) = segment.into_inner().map_err(|error| self.damaged(&error))?;
        decode_segment(&key, &Bytes::from(value)).map_err(|why| self.malformed("records", entity, &why))
    }

    pub(super) fn marker(&self) -> Result<Option<Marker>, Error> {
        let Some(value) = self.get(MARKER_KEY)? else { return Ok(None) };
        let marker = Marker::decode(&value);
        marker.map(Some).map_err(|Malformed(why)| Error::Damaged(format!("{}: marker: {why}", self.path.display())))
    }

    /// The size of what would be flushed next.
    pub(super) fn memtable_bytes(&self) -> u64 {
        self.view().active.size()
    }

    /// Closes the memtable, with `marker` in it. What comes later is not part of the next [`Cold::flush`].
    pub(super) fn seal(&self, marker: &Marker) {
        self.insert(MARKER_KEY.into(), marker.encode().into(), marker.sequence);
        self.tree.rotate_memtable();
        let active = self.tree.active_memtable();
        self.change_view(|view| {
            view.sealed.push(std::mem::replace(&mut view.active, active));
        });
        self.recent.seal();
        if self.wants_room() {
            self.removed.store(0, Ordering::Relaxed);
            self.make_room(MakingRoom::Wanted, MakingRoom::Sealed);
        }
    }

    /// Flushed tables that were not merged yet.
    pub(super) fn newest_runs(&self) -> usize {
        self.tree.l0_run_count()
    }

    /// Makes durable what was sealed.
    pub(super) fn flush(&self) -> Result<(), WriteError> {
        self.versions.set(0);
        let lock = self.tree.get_flush_lock();
        let flushed = self.smoothly(|| self.tree.flush(&lock, self.visible.load(Ordering::Acquire)));
        flushed.map_err(|error| self.write_error(&error))?;
        let flushed = View::of(&self.tree);
        self.change_view(|view| {
            view.take_tables(flushed);
            view.sealed.clear();
        });
        self.recent.flushed();
        self.make_room(MakingRoom::Sealed, MakingRoom::Due);
        Ok(())
    }

    /// [`Cold::flush`] after it failed. Nothing is compacted meanwhile, so that the rests of another failure can be told
    /// from what is in use, and removed: they would take the room that is waited for.
    pub(super) fn flush_again(&self) -> Result<(), WriteError> {
        let _compacting = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let first_table = self.tree.next_table_id();
        let flushed = self.flush();
        if flushed.is_err() {
            self.remove_rests(first_table);
        }
        flushed
    }

    /// Merges tables until the tree has its shape again, and what was removed its room left, as long as `may_go_on`.
    pub(super) fn compact(&self, may_go_on: impl Fn() -> bool) -> Result<(), WriteError> {
        let _compacting = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let usual: Arc<dyn CompactionStrategy> =
            Arc::new(Leveled::default().with_l0_threshold(MERGED_TABLES).with_table_target_size(TABLE_BYTES));
        let mut steps = 0..COMPACTIONS_MAX;
        while may_go_on() && steps.next().is_some() && self.compact_once(&usual)? == Step::Done {}
        if *self.making_room() == MakingRoom::Due && may_go_on() {
            // When it fails it is given up: it needs as much room as the tree, and a full disk is not to be filled again and again.
            self.make_room(MakingRoom::Due, MakingRoom::No);
            if self.tree.disk_space() <= ROOM_BYTES_MAX {
                self.guarded(|visible| self.tree.major_compact(ROOM_TABLE_BYTES, visible))?;
            }
            // More may have gone meanwhile.
            self.note_removed(0);
        }
        Ok(())
    }

    fn compact_once(&self, strategy: &Arc<dyn CompactionStrategy>) -> Result<Step, WriteError> {
        let before = self.tree.current_version().id();
        self.guarded(|visible| self.tree.compact(Arc::clone(strategy), visible))?;
        Ok(if self.tree.current_version().id() == before { Step::Nothing } else { Step::Done })
    }

    /// Compacts; what remains when that fails is removed.
    fn guarded(&self, compact: impl FnOnce(u64) -> lsm_tree::Result<()>) -> Result<(), WriteError> {
        self.versions.set(0);
        let first_table = self.tree.next_table_id();
        let compacted = self.smoothly(|| compact(self.visible.load(Ordering::Acquire))).map_err(|error| {
            let _no_flush = self.tree.get_flush_lock();
            self.remove_rests(first_table);
            self.write_error(&error)
        });
        let after = View::of(&self.tree);
        self.change_view(|view| view.take_tables(after));
        compacted
    }

    fn smoothly<T>(&self, write: impl FnOnce() -> T) -> T {
        smoothly(&self.path.join("tables"), self.tree.next_table_id(), || self.tree.next_table_id(), write)
    }

    /// The newest version: its tables stay for as long as it is held.
    pub(super) fn pin(&self) -> (u64, impl Sized) {
        let version = self.tree.current_version();
        (version.id(), version)
    }

    /// Removes tables from `first` on that did not become part of the tree. Nobody writes any.
    fn remove_rests(&self, first: u64) {
        let version = self.tree.current_version();
        let tables: HashSet<u64> = version.iter_tables().map(|table| table.id()).collect();
        let Ok(entries) = std::fs::read_dir(self.path.join("tables")) else { return };
        for entry in entries.flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            if number.is_some_and(|number| number >= first && !tables.contains(&number)) {
                // What stays is removed at the next opening.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn write_error(&self, error: &lsm_tree::Error) -> WriteError {
        match error {
            lsm_tree::Error::Io(error) if is_passing(error) => WriteError::Passing(format!("{}: {error:?}", self.path.display())),
            _ => WriteError::Broken(self.place(error)),
        }
    }

    fn insert(&self, key: UserKey, value: UserValue, sequence: u64) {
        self.recent.add(xxh3_64(&key));
        self.view().active.insert(InternalValue::from_components(key, value, sequence, ValueType::Value));
    }

    /// What is in tables only leaves a trace in memory, which hides it.
    fn remove(&self, key: UserKey, sequence: u64) {
        self.recent.add(xxh3_64(&key));
        self.view().active.insert(InternalValue::new_tombstone(key, sequence));
    }

    fn get(&self, key: &[u8]) -> Result<Option<UserValue>, Error> {
        let hash = xxh3_64(key);
        // In this order. What the filter no longer has is in the view's tables; what these hold was visible before.
        let may_be_recent = self.recent.may_have(hash);
        let view = self.view();
        let visible = self.visible.load(Ordering::Acquire);
        let in_memory = || std::iter::once(&view.active).chain(view.sealed.iter().rev()).find_map(|memtable| memtable.get(key, visible));
        let found = match may_be_recent.then(in_memory).flatten() {
            Some(entry) => Some(entry),
            None => (view.tables)(key, visible, hash).map_err(|error| self.damaged(&error))?,
        };
        Ok(found.filter(|entry| !entry.is_tombstone()).map(|entry| entry.value))
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_view(&self, change: impl FnOnce(&mut View)) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = View::clone(&view);
        change(&mut changed);
        let before = std::mem::replace(&mut *view, Arc::new(changed));
        drop(view);
        // Taking a memtable apart takes a while.
        drop(before);
    }

    /// Reads what is visible, from one version of the tree that is not newer than that.
    fn scan<T>(&self, read: impl Fn(u64) -> T) -> T {
        loop {
            let version = self.tree.current_version().id();
            let found = read(self.visible.load(Ordering::Acquire));
            if self.tree.current_version().id() == version {
                return found;
            }
        }
    }

    fn damaged(&self, error: &lsm_tree::Error) -> Error {
        Error::Damaged(self.place(error))
    }

    /// Names the place: the library only says that something is wrong.
    fn place(&self, error: &lsm_tree::Error) -> String {
        let is_damage = match error {
            lsm_tree::Error::Io(error) => matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::NotFound | ErrorKind::InvalidData),
            _ => true,
        };
        let known = self.damage.get();
        if !is_damage || known.is_some() {
            return known.filter(|_| is_damage).cloned().unwrap_or_else(|| unplaced(error));
        }
        let Some(place) = find_damage(&self.path) else { return unplaced(error) };
        self.damage.get_or_init(|| place).clone()
    }

    fn malformed(&self, what: &str, entity: EntityId, Malformed(why): &Malformed) -> Error {
        Error::Damaged(format!("{}: {what} of entity {:032x}: {why}", self.path.display(), entity.0))
    }
}

/// The version of the manifest in `path` and a checksum over it; `None` when there is no tree yet.
pub(super) fn manifest(path: &Path) -> Result<Option<(u64, u32)>, Error> {
    Ok(Manifest::read(path)?.map(|manifest| (manifest.version, manifest.checksum)))
}

/// The first place in the tree's files that is not what was written.
fn find_damage(path: &Path) -> Option<String> {
    match Manifest::read(path) {
        Ok(manifest) => manifest?.tables.iter().find_map(|(table, checksum)| TableFile::scan(path, *table, Some(*checksum)).first_damage()),
        Err(Error::Damaged(why)) => Some(why),
        Err(error) => Some(error.to_string()),
    }
}

/// The chunks of a segment of records.
pub(super) fn decode_segment(key: &[u8], value: &Bytes) -> Result<Vec<StoredChunk>, Malformed> {
    let first = key.get(17..25).and_then(|bytes| bytes.try_into().ok()).ok_or(Malformed("a short key"))?;
    let mut first = Position(u64::from_be_bytes(first));
    let mut reader = Reader(value);
    let mut chunks = Vec::new();
    while !reader.0.is_empty() {
        let count = reader.u32()?;
        let bytes = value.slice_ref(reader.bytes()?);
        chunks.push(StoredChunk { first, count, bytes });
        first.0 += u64::from(count);
    }
    Ok(chunks)
}

/// Errors of a system that lacks something for a while, not of a disk.
fn is_passing(error: &std::io::Error) -> bool {
    let lacks_files = matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
    lacks_files || is_full(error) || matches!(error.kind(), ErrorKind::OutOfMemory | ErrorKind::Interrupted)
}

pub(super) fn row_key(table: Table, key: &[u8]) -> UserKey {
    UserKey::fused(&[b'T', table as u8], key)
}

fn head_key(entity: EntityId) -> UserKey {
    UserKey::fused(b"H", &entity.to_bytes())
}

fn records_key(entity: EntityId, first: Position) -> UserKey {
    let mut key = [0; 25];
    key[0] = b'S';
    key[1..17].copy_from_slice(&entity.to_bytes());
    key[17..].copy_from_slice(&first.0.to_be_bytes());
    UserKey::from(key)
}

/// What the library says when all files are what was written: the disk could not be read, or the tree not be changed.
fn unplaced(error: &lsm_tree::Error) -> String {
    format!("the cold store: {error:?}")
}

#[cfg(test)]
mod tests;
