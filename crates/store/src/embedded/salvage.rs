//! Everything that is whole in a store, whether it opens or not, and what is not.
//!
//! The cold tree's tables are read block by block and merged, newest first; the log is laid over them by sequence number,
//! so that it does not matter how much of it the tree already had. Heads and the log are held in memory, records are not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::{self, File, TryLockError};
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::frame::{Item, Reader, table};
use super::log_scan::LogScan;
use super::manifest::Manifest;
use super::marker::{Facts, Marker};
use super::table_file::{Entries, Entry, TableFile};
use super::{FORMAT, cannot, cold, log};
use crate::{Batch, Change, EntityId, Error, Operation, Position, Removal, StoredChunk, StoredHead, Table};

/// A store's files, read and checked.
pub(super) struct Salvage {
    pub(super) files: Vec<FileState>,
    /// What was in damaged places, as far as that can be told.
    pub(super) losses: Vec<String>,
    pub(super) facts: Facts,
    tables: Vec<TableFile>,
    overlay: Overlay,
    /// Held while the files are read.
    _lock: Option<File>,
}

/// One file of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Relative to the store's folder.
    pub name: String,
    pub bytes: u64,
    /// Each with file and offset; none when it is whole.
    pub damages: Vec<String>,
}

/// What is whole of an entity: its records from the first on, without a gap.
#[derive(Debug, Clone)]
pub(super) struct Salvaged {
    pub(super) entity: EntityId,
    pub(super) chunks: Vec<StoredChunk>,
    pub(super) head: Option<StoredHead>,
    /// Its last record, as far as anything tells of it.
    pub(super) known: Position,
}

/// Takes what is whole: all entities first, then all rows, each in order.
pub(super) trait Visitor {
    fn entity(&mut self, salvaged: Salvaged) -> Result<(), Error>;
    fn row(&mut self, table: Table, key: Bytes, value: Bytes) -> Result<(), Error>;
}

/// What the log says, by key of the cold tree or entity.
#[derive(Default)]
struct Overlay {
    entities: BTreeMap<EntityId, LoggedEntity>,
    rows: BTreeMap<Bytes, (u64, Option<Bytes>)>,
    latest_time: i64,
}

#[derive(Default)]
struct LoggedEntity {
    chunks: BTreeMap<Position, StoredChunk>,
    /// With the sequence numbers they came with.
    heads: Vec<(u64, StoredHead)>,
    /// The item that removed it: what the tree has of before is no longer true.
    removed: Option<u64>,
}

impl Salvaged {
    pub(super) fn kept(&self) -> Position {
        self.chunks.last().map_or(Position(0), StoredChunk::last)
    }
}

impl Salvage {
    /// Reads and checks every file; changes none.
    ///
    /// # Errors
    /// `Conflict` when a process has the store open; `Damaged` when this is no store, or one of an unknown format.
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let lock = lock_for_reading(folder)?;
        let mut files = vec![format_file(folder)?];
        let mut losses = Vec::new();
        let mut log = LogScan::run(&folder.join("log"));
        let tree = folder.join("tree");
        let (manifest, tables) = read_tree(&tree, &log, &mut files, &mut losses);
        let is_tree_whole = losses.is_empty();
        let marker = newest_marker(&tables);
        match (&marker, manifest.is_none()) {
            (Some(marker), _) => log.check_reach(marker.floor, marker.sequence),
            // A tree that was never flushed: everything is in the log.
            (None, true) if !tree.join("current").exists() => log.check_reach(log::FIRST_SEQUENCE, 0),
            (None, _) => {}
        }
        let log_folder = folder.join("log");
        files.extend(log.segments.iter().map(|segment| FileState {
            name: format!("log/{}", log::name(segment.generation)),
            bytes: fs::metadata(log_folder.join(log::name(segment.generation))).map_or(segment.bytes, |data| data.len()),
            damages: segment.damages.clone(),
        }));
        // What comes before the floor is in the cold tree, all of it.
        let floor = marker.as_ref().map_or(0, |marker| marker.floor);
        losses.extend(log.gaps.iter().filter(|gap| gap.to.is_none_or(|to| to > floor)).map(|gap| {
            let items = match (gap.from, gap.to) {
                (from, None) => format!("items from {from} on"),
                (from, Some(to)) if from < to => format!("items {from} to {}", to - 1),
                (_, Some(to)) => format!("items before {to}"),
            };
            format!("log/{} at offset {}: {items}", log::name(gap.generation), gap.offset)
        }));
        let overlay = Overlay::of(log, marker.as_ref().filter(|_| is_tree_whole));
        let mut facts = marker.map_or_else(Facts::default, |marker| marker.facts);
        facts.latest_time = facts.latest_time.max(overlay.latest_time);
        files.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(Self { files, losses, facts, tables, overlay, _lock: lock })
    }

    /// # Errors
    /// The visitor's, and `Damaged` when a file can no longer be read.
    pub(super) fn visit(&self, visitor: &mut dyn Visitor) -> Result<(), Error> {
        self.visit_entities(visitor)?;
        self.visit_rows(visitor)
    }

    fn visit_entities(&self, visitor: &mut dyn Visitor) -> Result<(), Error> {
        let mut heads = Merge::new(&self.tables)?.peekable();
        let mut segments = Merge::new(&self.tables)?.peekable();
        let mut logged = self.overlay.entities.iter().peekable();
        loop {
            let next = [next_of_kind(&mut heads, b'H')?, next_of_kind(&mut segments, b'S')?, logged.peek().map(|(entity, _)| **entity)];
            let Some(entity) = next.into_iter().flatten().min() else { return Ok(()) };
            let logged_entity = logged.next_if(|(logged, _)| **logged == entity).map(|(_, logged)| logged);
            let removed = logged_entity.and_then(|logged| logged.removed).unwrap_or(0);
            let is_true = |entry: &Entry| entry.sequence > removed;
            let mut chunks = BTreeMap::new();
            let mut found_heads = Vec::new();
            while next_of_kind(&mut heads, b'H')? == Some(entity) {
                // Only the newest: the tree may have forgotten that the entity of an older one was removed.
                let newest = take(&mut heads)?.into_iter().next().filter(is_true);
                found_heads.extend(newest.and_then(|entry| Some((entry.sequence, decode_head(entry.value.as_ref()?)?))));
            }
            while next_of_kind(&mut segments, b'S')? == Some(entity) {
                let newest = take(&mut segments)?.into_iter().next().filter(is_true);
                let decoded = newest.and_then(|entry| cold::decode_segment(&entry.key, &entry.value?).ok());
                chunks.extend(decoded.into_iter().flatten().map(|chunk| (chunk.first, chunk)));
            }
            if let Some(logged) = logged_entity {
                chunks.extend(logged.chunks.iter().map(|(first, chunk)| (*first, chunk.clone())));
                found_heads.extend(logged.heads.iter().cloned());
            }
            if !chunks.is_empty() || !found_heads.is_empty() {
                visitor.entity(salvaged(entity, chunks, found_heads))?;
            }
        }
    }

    fn visit_rows(&self, visitor: &mut dyn Visitor) -> Result<(), Error> {
        let mut stored = Merge::new(&self.tables)?.peekable();
        let mut logged = self.overlay.rows.iter().peekable();
        loop {
            let in_tree = loop {
                match stored.peek() {
                    Some(Ok(versions)) if versions[0].key.first() < Some(&b'T') => drop(stored.next()),
                    Some(Ok(versions)) => break Some(versions[0].key.clone()),
                    Some(Err(_)) => drop(take(&mut stored)?),
                    None => break None,
                }
            };
            let Some(key) = in_tree.iter().chain(logged.peek().map(|(key, _)| *key)).min().cloned() else { return Ok(()) };
            let mut newest = (0, None);
            if in_tree.as_ref() == Some(&key) {
                let entry = take(&mut stored)?.swap_remove(0);
                newest = (entry.sequence, entry.value);
            }
            if let Some((_, (sequence, value))) = logged.next_if(|(logged, _)| **logged == key)
                && *sequence >= newest.0
            {
                newest = (*sequence, value.clone());
            }
            if let (Some(value), Some(table)) = (newest.1, key.get(1).and_then(|number| table(*number).ok())) {
                visitor.row(table, key.slice(2..), value)?;
            }
        }
    }
}

/// The records up to the first gap, and the newest head that is not ahead of them.
fn salvaged(entity: EntityId, chunks: BTreeMap<Position, StoredChunk>, heads: Vec<(u64, StoredHead)>) -> Salvaged {
    let known = chunks.values().map(StoredChunk::last).chain(heads.iter().map(|(_, head)| head.position)).max().unwrap_or_default();
    let mut kept: Vec<StoredChunk> = Vec::new();
    for chunk in chunks.into_values() {
        let end = kept.last().map_or(Position(0), StoredChunk::last);
        if chunk.first.0 == end.0 + 1 {
            kept.push(chunk);
        }
    }
    let end = kept.last().map_or(Position(0), StoredChunk::last);
    let fitting = heads.into_iter().filter(|(_, head)| head.position <= end && head.position.0 > 0);
    let head = fitting.max_by_key(|(sequence, head)| (head.position, *sequence)).map(|(_, head)| head);
    Salvaged { entity, chunks: kept, head, known }
}

impl Overlay {
    /// With `marker`, the tree is whole, and only what it lacks is taken: what it removed meanwhile must not come back.
    fn of(log: LogScan, marker: Option<&Marker>) -> Self {
        let mut overlay = Self::default();
        let floor = marker.map_or(0, |marker| marker.floor);
        for (sequence, item) in log.items.into_iter().filter(|(sequence, _)| *sequence >= floor) {
            let is_in_tree = marker.is_some_and(|marker| sequence <= marker.sequence);
            match item {
                Item::Batch(batch) => {
                    overlay.latest_time = overlay.latest_time.max(batch.at);
                    match is_in_tree {
                        true => overlay.add_tails(batch),
                        false => overlay.add(sequence, batch),
                    }
                }
                Item::Removal(removal) => {
                    overlay.latest_time = overlay.latest_time.max(removal.at);
                    match is_in_tree {
                        true => removal.entities.iter().for_each(|(entity, _)| drop(overlay.entities.remove(entity))),
                        false => overlay.remove(sequence, removal),
                    }
                }
                Item::Claim { .. } | Item::Manifest { .. } => {}
            }
        }
        overlay
    }

    fn add(&mut self, sequence: u64, batch: Batch) {
        for entry in batch.entries {
            let logged = self.entities.entry(entry.entity).or_default();
            let mut position = entry.expected;
            if let Some(chunk) = entry.chunk {
                let first = Position(position.0 + 1);
                position.0 += u64::from(chunk.count);
                logged.chunks.insert(first, StoredChunk { first, count: chunk.count, bytes: chunk.bytes });
            }
            logged.heads.extend(entry.head.map(|bytes| (sequence, StoredHead { position, bytes })));
        }
        self.change(sequence, batch.changes);
    }

    /// Of a batch that the tree has: what no head has followed yet.
    fn add_tails(&mut self, batch: Batch) {
        for entry in batch.entries {
            match (entry.chunk, entry.head) {
                (_, Some(_)) => drop(self.entities.remove(&entry.entity)),
                (Some(chunk), None) => {
                    let first = Position(entry.expected.0 + 1);
                    let chunk = StoredChunk { first, count: chunk.count, bytes: chunk.bytes };
                    self.entities.entry(entry.entity).or_default().chunks.insert(first, chunk);
                }
                (None, None) => {}
            }
        }
    }

    fn remove(&mut self, sequence: u64, removal: Removal) {
        for (entity, _) in removal.entities {
            self.entities.insert(entity, LoggedEntity { removed: Some(sequence), ..LoggedEntity::default() });
        }
        self.change(sequence, removal.changes);
    }

    fn change(&mut self, sequence: u64, changes: Vec<Change>) {
        for Change { table, key, operation } in changes {
            let value = match operation {
                Operation::Put(value) | Operation::PutIfAbsent(value) => Some(value),
                Operation::Delete => None,
            };
            self.rows.insert(Bytes::from(cold::row_key(table, &key)), (sequence, value));
        }
    }
}

/// Reads the tables that the manifest lists; without one, all there are.
fn read_tree(tree: &Path, log: &LogScan, files: &mut Vec<FileState>, losses: &mut Vec<String>) -> (Option<Manifest>, Vec<TableFile>) {
    let (manifest, damage) = match Manifest::read(tree) {
        Ok(manifest) => (manifest, None),
        Err(Error::Damaged(why)) => (None, Some(why)),
        Err(other) => (None, Some(other.to_string())),
    };
    let noted = log.items.iter().filter_map(|(_, item)| match item {
        Item::Manifest { version, checksum } => Some((*version, *checksum)),
        Item::Batch(_) | Item::Claim { .. } | Item::Removal(_) => None,
    });
    let noted = noted.max();
    let found = manifest.as_ref().map(|manifest| (manifest.version, manifest.checksum));
    let damage = damage.or_else(|| super::compare_manifest(found, noted).err().map(|why| why.to_string()));
    let names = manifest.as_ref().map_or_else(|| vec!["current".to_owned()], |manifest| manifest.files().to_vec());
    files.extend(names.iter().filter(|_| manifest.is_some() || damage.is_some()).map(|name| FileState {
        name: format!("tree/{name}"),
        bytes: fs::metadata(tree.join(name)).map_or(0, |data| data.len()),
        damages: damage.iter().filter(|_| name == "current").cloned().collect(),
    }));
    let listed = match (&manifest, &damage) {
        (Some(manifest), None) => manifest.tables.iter().map(|(table, checksum)| (*table, Some(*checksum))).collect(),
        (_, Some(_)) => {
            losses.push(
                "the manifest: every table there is was taken, so that deleted rows may be back, and tables may be missing".to_owned(),
            );
            let listed = manifest.map_or_else(BTreeMap::new, |manifest| manifest.tables);
            present(tree).into_iter().map(|table| (table, listed.get(&table).copied())).collect()
        }
        (None, None) => Vec::new(),
    };
    let tables: Vec<TableFile> = listed.into_iter().map(|(table, checksum)| TableFile::scan(tree, table, checksum)).collect();
    for table in &tables {
        let damages = table.damages.iter().map(|damage| damage.place(table.name())).collect();
        files.push(FileState { name: table.name().to_owned(), bytes: table.bytes(), damages });
        losses.extend(table.damages.iter().filter(|damage| damage.is_data).map(|damage| {
            let (from, to) = table.around(damage).unwrap_or_default();
            let shown = |key: Option<Bytes>, none: &str| key.map_or(none.to_owned(), |key| show_key(&key));
            let (from, to) = (shown(from, "the first key"), shown(to, "the last key"));
            format!("{} at offset {}, {} bytes: keys between {from} and {to}", table.name(), damage.offset, damage.length)
        }));
    }
    (Manifest::read(tree).ok().flatten(), tables)
}

fn present(tree: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(tree.join("tables")) else { return Vec::new() };
    let mut tables: Vec<u64> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    tables.sort_unstable();
    tables
}

fn newest_marker(tables: &[TableFile]) -> Option<Marker> {
    let merge = Merge::new(tables).ok()?;
    let markers = merge.filter_map(Result::ok).skip_while(|versions| &versions[0].key[..] < cold::MARKER_KEY);
    let versions = markers.take(1).find(|versions| &versions[0].key[..] == cold::MARKER_KEY)?;
    Marker::decode(versions[0].value.as_ref()?).ok()
}

fn decode_head(value: &Bytes) -> Option<StoredHead> {
    let position = Position(Reader(value).u64().ok()?);
    Some(StoredHead { position, bytes: value.slice(8..) })
}

/// A key of the cold tree, for people.
fn show_key(key: &[u8]) -> String {
    let entity = |key: &[u8]| key.get(1..17).and_then(|bytes| Some(EntityId::from_bytes(bytes.try_into().ok()?)));
    match (key.first(), entity(key)) {
        (Some(b'H'), Some(entity)) => format!("the head of entity {entity}"),
        (Some(b'S'), Some(entity)) => {
            let first = key.get(17..25).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
            format!("records from {first} of entity {entity}")
        }
        (Some(b'T'), _) => {
            let table = key.get(1).and_then(|number| table(*number).ok());
            let name = table.map_or_else(|| "an unknown table".to_owned(), |table| format!("{table:?}"));
            format!("row {} of {name}", key.get(2..).unwrap_or_default().escape_ascii())
        }
        _ => key.escape_ascii().to_string(),
    }
}

/// The entity of the next key of this kind; what sorts before is passed over.
fn next_of_kind(merge: &mut Peekable<Merge<'_>>, kind: u8) -> Result<Option<EntityId>, Error> {
    loop {
        match merge.peek() {
            Some(Ok(versions)) => {
                let key = &versions[0].key;
                match key.first().copied().unwrap_or(0).cmp(&kind) {
                    std::cmp::Ordering::Less => drop(merge.next()),
                    std::cmp::Ordering::Greater => return Ok(None),
                    std::cmp::Ordering::Equal => match key.get(1..17).and_then(|bytes| bytes.try_into().ok()) {
                        Some(bytes) => return Ok(Some(EntityId::from_bytes(bytes))),
                        None => drop(merge.next()),
                    },
                }
            }
            Some(Err(_)) => drop(take(merge)?),
            None => return Ok(None),
        }
    }
}

fn take(merge: &mut Peekable<Merge<'_>>) -> Result<Vec<Entry>, Error> {
    merge.next().unwrap_or_else(|| Ok(Vec::new())).map_err(|error| Error::Damaged(format!("a table can no longer be read: {error}")))
}

/// The versions of each key over all tables, in order of the keys, the newest version first.
struct Merge<'a> {
    sources: Vec<Entries<'a>>,
    /// The next entry of each source, the smallest key first, of equal ones the newest.
    waiting: BinaryHeap<Reverse<(Bytes, Reverse<u64>, usize)>>,
    values: Vec<Option<Entry>>,
}

impl<'a> Merge<'a> {
    fn new(tables: &'a [TableFile]) -> Result<Self, Error> {
        let gone = |error| Error::Damaged(format!("a table can no longer be read: {error}"));
        let sources: Vec<Entries<'a>> = tables.iter().map(TableFile::entries).collect::<Result<_, _>>().map_err(gone)?;
        let mut merge = Self { values: vec![None; sources.len()], sources, waiting: BinaryHeap::new() };
        for index in 0..merge.sources.len() {
            merge.advance(index).map_err(gone)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, index: usize) -> std::io::Result<()> {
        if let Some(entry) = self.sources[index].next().transpose()? {
            self.waiting.push(Reverse((entry.key.clone(), Reverse(entry.sequence), index)));
            self.values[index] = Some(entry);
        }
        Ok(())
    }
}

impl Iterator for Merge<'_> {
    type Item = std::io::Result<Vec<Entry>>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.waiting.peek()?.0.0.clone();
        let mut versions = Vec::new();
        while let Some(Reverse((next, _, index))) = self.waiting.peek().filter(|Reverse((next, _, _))| *next == key) {
            debug_assert_eq!(*next, key);
            let index = *index;
            self.waiting.pop();
            versions.extend(self.values[index].take());
            if let Err(error) = self.advance(index) {
                return Some(Err(error));
            }
        }
        Some(Ok(versions))
    }
}

/// Keeps a server from starting meanwhile; touches nothing.
fn lock_for_reading(folder: &Path) -> Result<Option<File>, Error> {
    let path: PathBuf = folder.join("lock");
    let Ok(file) = File::open(&path) else { return Ok(None) };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Conflict(format!("{} is open in another process", folder.display()))),
        Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
    }
}

/// # Errors
/// `Damaged` when it names a format that this release does not read, or nothing here is a store's.
fn format_file(folder: &Path) -> Result<FileState, Error> {
    let path = folder.join("format");
    let (bytes, damage) = match fs::read(&path) {
        Ok(found) if found == FORMAT.as_bytes() => (found.len(), None),
        // What is not the name of a format is damage, and all else may be whole.
        Ok(found) if !found.starts_with(b"skald store ") => (found.len(), Some("format at offset 0: it is not what was written")),
        Ok(_) => return Err(super::check_format(folder).err().unwrap_or_else(|| Error::Damaged("format at offset 0".to_owned()))),
        Err(_) if !folder.join("log").is_dir() && !folder.join("tree").is_dir() => {
            return Err(Error::Damaged(format!("{} is no store", folder.display())));
        }
        Err(_) => (0, Some("format at offset 0: it is missing")),
    };
    Ok(FileState { name: "format".to_owned(), bytes: bytes as u64, damages: damage.map(str::to_owned).into_iter().collect() })
}
