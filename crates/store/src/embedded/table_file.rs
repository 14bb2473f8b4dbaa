//! One table of the cold tree, read block by block by ourselves: `lsm-tree` says that something is wrong, this says where,
//! and what is whole beside it.
//!
//! A table is an archive of sections; most are blocks, each with a header and a checksum.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lsm_tree::CompressionType;
use lsm_tree::coding::Decode;
use lsm_tree::table::block::{BlockType, Header};
use lsm_tree::table::{Block, DataBlock};
use xxhash_rust::xxh3::xxh3_128;

use super::manifest::table_path;

/// What a pass over the file found.
pub(super) struct TableFile {
    path: PathBuf,
    /// As [`Damage`] shows it.
    name: String,
    bytes: u64,
    compression: CompressionType,
    /// Whole data blocks, in order of their keys.
    blocks: Vec<Place>,
    pub(super) damages: Vec<Damage>,
}

/// Bytes of a file that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) what: String,
    /// Whether entries were in there.
    pub(super) is_data: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    offset: u64,
    length: u64,
}

/// A version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Bytes,
    pub(super) sequence: u64,
    /// `None` when the key was deleted.
    pub(super) value: Option<Bytes>,
}

const DATA: &[u8] = b"data";
/// The only section that is no block: one byte.
const VERSION_SECTION: &[u8] = b"table_version";
const VERSION: &[u8] = &[3];

impl TableFile {
    /// Reads the whole file; `expected` is what the manifest says of it.
    pub(super) fn scan(tree: &Path, table: u64, expected: Option<u128>) -> Self {
        let path = tree.join(table_path(table));
        let name = format!("tree/{}", table_path(table).display());
        let mut scanned = Self { path, name, bytes: 0, compression: CompressionType::None, blocks: Vec::new(), damages: Vec::new() };
        match fs::read(&scanned.path) {
            Ok(bytes) => scanned.walk(&bytes, expected),
            Err(error) => scanned.damage(Place { offset: 0, length: 0 }, &error.to_string(), true),
        }
        scanned
    }

    /// The first damage, with file and offset.
    pub(super) fn first_damage(&self) -> Option<String> {
        self.damages.first().map(|damage| damage.place(&self.name))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The entries of the whole blocks, in order of their keys.
    pub(super) fn entries(&self) -> io::Result<Entries<'_>> {
        // A file that is gone has no blocks.
        let file = if self.blocks.is_empty() { None } else { Some(File::open(&self.path)?) };
        Ok(Entries { table: self, file, next: 0, block: Vec::new().into_iter() })
    }

    /// Keys around the damage: the last before it and the first behind it, as far as there are whole blocks.
    pub(super) fn around(&self, damage: &Damage) -> io::Result<(Option<Bytes>, Option<Bytes>)> {
        let before = self.blocks.iter().rev().find(|block| block.offset < damage.offset);
        let behind = self.blocks.iter().find(|block| block.offset > damage.offset);
        let entries = |block: Option<&Place>| block.map_or(Ok(Vec::new()), |block| self.read(&File::open(&self.path)?, *block));
        let last = entries(before)?.pop().map(|entry| entry.key);
        Ok((last, entries(behind)?.into_iter().next().map(|entry| entry.key)))
    }

    fn damage(&mut self, place: Place, what: &str, is_data: bool) {
        self.damages.push(Damage { offset: place.offset, length: place.length, what: what.to_owned(), is_data });
    }

    fn walk(&mut self, bytes: &[u8], expected: Option<u128>) {
        self.bytes = bytes.len() as u64;
        let sections = sections(bytes);
        match &sections {
            Some(sections) => {
                for (name, place) in sections {
                    self.walk_section(bytes, name, *place);
                }
            }
            None => self.walk_all(bytes),
        }
        let is_other = expected.is_some_and(|expected| xxh3_128(bytes) != expected);
        if is_other && self.damages.is_empty() {
            // Every block is whole: it is behind them, or this is another table's file.
            let end = sections.and_then(|sections| sections.iter().map(|(_, place)| place.offset + place.length).max()).unwrap_or(0);
            let rest = Place { offset: end, length: (bytes.len() as u64).saturating_sub(end) };
            self.damage(rest, "the file is not what the manifest says", false);
        }
    }

    fn walk_section(&mut self, bytes: &[u8], name: &[u8], place: Place) {
        if name == VERSION_SECTION {
            if place.of(bytes) != Some(VERSION) {
                self.damage(place, "the version of the table is not what was written", false);
            }
            return;
        }
        let end = place.offset + place.length;
        let mut offset = place.offset;
        while offset < end {
            let length = match self.block(bytes, offset) {
                Ok(length) => length,
                Err(why) => {
                    let next = self.next_block(bytes, offset + 1, end);
                    let name = String::from_utf8_lossy(name);
                    self.damage(
                        Place { offset, length: next - offset },
                        &format!("a block of section {name}: {why}"),
                        name.as_bytes() == DATA,
                    );
                    next - offset
                }
            };
            offset += length;
        }
    }

    /// Without a table of contents: whatever looks like a block is one.
    fn walk_all(&mut self, bytes: &[u8]) {
        let (mut offset, end) = (0, bytes.len() as u64);
        while offset < end {
            if let Ok(length) = self.block(bytes, offset) {
                offset += length;
                continue;
            }
            let next = self.next_block(bytes, offset + 1, end);
            let gap = Place { offset, length: next - offset };
            if gap.of(bytes) != Some(VERSION) {
                let is_last = next == end;
                let what = if is_last { "the table of contents is not what was written" } else { "a block is not what was written" };
                // Whether it was all that is missing at the end cannot be told.
                self.damage(gap, what, true);
            }
            offset = next;
        }
        if end == 0 {
            self.damage(Place { offset: 0, length: 0 }, "the file is empty", true);
        }
    }

    /// Checks the block at `offset` and remembers it when it holds data. Answers its length.
    fn block(&mut self, bytes: &[u8], offset: u64) -> Result<u64, &'static str> {
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let header = Header::decode_from(&mut &*rest).map_err(|_| "its header is not what was written")?;
        let body = rest.get(Header::serialized_len()..).and_then(|rest| rest.get(..header.data_length as usize));
        let body = body.ok_or("the file ends in it")?;
        if xxh3_128(body) != header.checksum.into_u128() {
            return Err("its checksum is wrong");
        }
        let place = Place { offset, length: (Header::serialized_len() + body.len()) as u64 };
        if header.block_type == BlockType::Data {
            self.blocks.push(place);
            if header.data_length != header.uncompressed_length {
                // A table is compressed, or it is not.
                self.compression = CompressionType::Lz4;
            }
        }
        Ok(place.length)
    }

    /// Where the next whole block begins; `end` when there is none.
    fn next_block(&self, bytes: &[u8], from: u64, end: u64) -> u64 {
        let is_header = |at: &u64| bytes.get(*at as usize..).is_some_and(|mut rest| Header::decode_from(&mut rest).is_ok());
        (from..end).find(is_header).unwrap_or(end)
    }

    fn read(&self, file: &File, place: Place) -> io::Result<Vec<Entry>> {
        let mut bytes = vec![0; place.length as usize];
        file.read_exact_at(&mut bytes, place.offset)?;
        let block = Block::from_reader(&mut &bytes[..], self.compression).map_err(|error| io::Error::other(error.to_string()))?;
        let block = DataBlock::new(block);
        let data = block.as_slice();
        let entries = block.iter().map(|item| {
            let mut key = item.prefix.map_or_else(Vec::new, |prefix| data[prefix.0..prefix.1].to_vec());
            key.extend_from_slice(&data[item.key.0..item.key.1]);
            let value = item.value.map_or(&[][..], |value| &data[value.0..value.1]);
            let value = (!item.value_type.is_tombstone()).then(|| Bytes::copy_from_slice(value));
            Entry { key: Bytes::from(key), sequence: item.seqno, value }
        });
        Ok(entries.collect())
    }
}

impl Damage {
    pub(super) fn place(&self, file: &str) -> String {
        format!("{file} at offset {}: {}", self.offset, self.what)
    }
}

impl Place {
    fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        bytes.get(self.offset as usize..)?.get(..self.length as usize)
    }
}

/// Name and place of each; `None` when the table of contents is damaged.
fn sections(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Place)>> {
    let archive = sfa::Reader::from_reader(&mut io::Cursor::new(bytes)).ok()?;
    let entry = |entry: &sfa::TocEntry| (entry.name().to_vec(), Place { offset: entry.pos(), length: entry.len() });
    Some(archive.toc().iter().map(entry).collect())
}

/// See [`TableFile::entries`].
pub(super) struct Entries<'a> {
    table: &'a TableFile,
    file: Option<File>,
    /// The next block.
    next: usize,
    block: std::vec::IntoIter<Entry>,
}

impl Iterator for Entries<'_> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.block.next() {
                return Some(Ok(entry));
            }
            let (file, place) = (self.file.as_ref()?, *self.table.blocks.get(self.next)?);
            self.next += 1;
            match self.table.read(file, place) {
                Ok(entries) => self.block = entries.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
