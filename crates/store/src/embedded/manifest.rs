//! The cold tree's manifest, read and verified by ourselves: `lsm-tree` reads what is there and believes it, and deletes
//! tables that are not mentioned.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::frame::{Malformed, Reader};
use crate::Error;

/// The newest version of the tree on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) version: u64,
    /// Over everything the manifest is: what our log remembers.
    pub(super) checksum: u32,
    /// The checksum of each table's whole file, by the number that is its file's name.
    pub(super) tables: BTreeMap<u64, u128>,
    /// Of each of [`Manifest::files`].
    pub(super) contents: [Vec<u8>; 2],
}

const CURRENT: &str = "current";

impl Manifest {
    /// `None` when there is no tree yet.
    ///
    /// # Errors
    /// `Damaged`, with file and offset.
    pub(super) fn read(tree: &Path) -> Result<Option<Self>, Error> {
        if !tree.join(CURRENT).exists() {
            return Ok(None);
        }
        let current = read(tree, CURRENT)?;
        let mut reader = Reader(&current);
        let parse = |reader: &mut Reader<'_>| -> Result<(u64, u128), Malformed> {
            let parsed = (reader.u64()?, reader.u128()?);
            match reader.0 {
                [0] => Ok(parsed),
                _ => Err(Malformed("it does not end as it should")),
            }
        };
        let (version, expected) = parse(&mut reader).map_err(|Malformed(why)| damaged(CURRENT, 0, why))?;
        let name = format!("v{version}");
        let bytes = read(tree, &name)?;
        if xxh3_128(&bytes) != expected {
            return Err(damaged(&name, 0, "it is not what was written, or `current` is not"));
        }
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&current), &bytes);
        let tables = tables(&bytes).map_err(|why| damaged(&name, 0, &why))?;
        Ok(Some(Self { version, checksum, tables, contents: [current, bytes] }))
    }

    /// The files that the manifest consists of, within the tree's folder.
    pub(super) fn files(&self) -> [String; 2] {
        [CURRENT.to_owned(), format!("v{}", self.version)]
    }
}

/// Where a table's file is, within the tree's folder.
pub(super) fn table_path(table: u64) -> PathBuf {
    Path::new("tables").join(table.to_string())
}

/// Levels of runs of tables.
fn tables(manifest: &[u8]) -> Result<BTreeMap<u64, u128>, String> {
    let archive = sfa::Reader::from_reader(&mut Cursor::new(manifest)).map_err(|error| error.to_string())?;
    let section = archive.toc().section(b"tables").ok_or("it lists no tables")?;
    let bytes = manifest.get(section.pos() as usize..).and_then(|rest| rest.get(..section.len() as usize));
    let mut reader = Reader(bytes.ok_or("the list of tables is not in it")?);
    let mut parse = || {
        let mut tables = BTreeMap::new();
        for _ in 0..reader.u8()? {
            for _ in 0..reader.u8()? {
                for _ in 0..reader.u32()? {
                    let (table, _checksum_kind) = (reader.u64()?, reader.u8()?);
                    let (checksum, _first_sequence) = (reader.u128()?, reader.u64()?);
                    tables.insert(table, checksum);
                }
            }
        }
        Ok(tables)
    };
    parse().map_err(|Malformed(why)| why.to_owned())
}

fn read(tree: &Path, name: &str) -> Result<Vec<u8>, Error> {
    fs::read(tree.join(name)).map_err(|error| damaged(name, 0, &error.to_string()))
}

fn damaged(name: &str, offset: u64, why: &str) -> Error {
    Error::Damaged(format!("tree/{name} at offset {offset}: {why}"))
}
