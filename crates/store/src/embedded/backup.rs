//! A copy of a store that goes on working.
//!
//! Tables of the cold tree never change, and stay while a version of the tree that lists them is held. The log is copied
//! up to where it was durable when the backup began; meanwhile no segment is given up. Of the tree, the version is taken
//! that was the newest at that moment, so that log and tree are of one time.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::oneshot;

use super::files::sync_folder;
use super::manifest::{Manifest, table_path};
use super::writer::{LogEnd, Request};
use super::{EmbeddedStore, closed, log, lost, require_empty, write_format};
use crate::Error;

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    pub files: u64,
    pub bytes: u64,
}

/// The tree may change while it is looked at; it does so a few times a second at most.
const TRIES_MAX: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(2);
const COPY_BYTES_AT_ONCE: usize = 1 << 20;

impl EmbeddedStore {
    /// Copies the store into `to`: everything that was acknowledged before the call, and nothing by halves. Opening the
    /// copy is restoring it. Blocks; the store is used meanwhile as ever.
    ///
    /// The file `format` is written last: what was not finished does not open.
    ///
    /// # Errors
    /// `Conflict` when there is something in `to`; `Damaged` when this store is; `Full` when `to` cannot be written.
    ///
    /// # Panics
    /// In an async task: it blocks.
    pub fn backup(&self, to: &Path) -> Result<Copied, Error> {
        self.shared.check_usable()?;
        require_empty(to)?;
        let tables = to.join("tree").join("tables");
        let log_folder = to.join("log");
        [&tables, &log_folder].iter().try_for_each(fs::create_dir_all).map_err(|error| cannot_write(to, &error))?;
        let mut copied = Copied::default();
        let held = self.shared.log_hold.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, manifest, end) = self.pin()?;
        for generation in self.segments.generations() {
            if generation <= end.generation {
                let length = (generation == end.generation).then_some(end.offset);
                let name = log::name(generation);
                copied.file(&self.folder.join("log").join(&name), &log_folder.join(&name), length)?;
            }
        }
        drop(held);
        if let Some(manifest) = manifest {
            for table in manifest.tables.keys() {
                let path = Path::new("tree").join(table_path(*table));
                copied.file(&self.folder.join(&path), &to.join(&path), None)?;
            }
            for (name, bytes) in manifest.files().into_iter().zip(&manifest.contents) {
                write(&to.join("tree").join(name), bytes).map_err(|error| cannot_write(to, &error))?;
                copied.files += 1;
                copied.bytes += bytes.len() as u64;
            }
        }
        drop(version);
        let folders = [&tables, &to.join("tree"), &log_folder];
        let finished = folders.iter().try_for_each(|folder| sync_folder(folder)).and_then(|()| write_format(to));
        finished.map_err(|error| cannot_write(to, &error))?;
        Ok(copied)
    }

    /// A version of the tree, its manifest, and the end of the log at a moment at which that version was the newest.
    fn pin(&self) -> Result<(impl Sized, Option<Manifest>, LogEnd), Error> {
        for _ in 0..TRIES_MAX {
            let (id, version) = self.shared.cold.pin();
            // A manifest that is replaced while it is read looks damaged.
            let manifest = Manifest::read(&self.folder.join("tree"));
            if let Ok(Some(manifest)) = manifest
                && manifest.version == id
            {
                let (answer, answered) = oneshot::channel();
                self.writer.send(Request::End { answer }).map_err(|_| closed())?;
                let end = answered.blocking_recv().map_err(|_| lost())?;
                if self.shared.cold.pin().0 == id {
                    return Ok((version, Some(manifest), end));
                }
            }
            std::thread::sleep(PAUSE);
        }
        let why = Manifest::read(&self.folder.join("tree")).err();
        Err(why.unwrap_or_else(|| Error::Damaged("tree/current at offset 0: it is not what the tree in memory is".to_owned())))
    }
}

impl Copied {
    /// Copies a file, of which only `length` bytes are of interest: zeros follow. It is durable, its name is not.
    fn file(&mut self, from: &Path, to: &Path, length: Option<u64>) -> Result<(), Error> {
        let mut source = File::open(from).map_err(|error| Error::Damaged(format!("{}: {error}", from.display())))?;
        let mut target = File::create(to).map_err(|error| cannot_write(to, &error))?;
        let mut buffer = vec![0; COPY_BYTES_AT_ONCE];
        let (mut offset, length) = (0, length.unwrap_or(u64::MAX));
        loop {
            let count =
                source.read(&mut buffer).map_err(|error| Error::Damaged(format!("{} at offset {offset}: {error}", from.display())))?;
            if count == 0 {
                break;
            }
            let kept = length.saturating_sub(offset).min(count as u64) as usize;
            buffer[kept..count].fill(0);
            target.write_all(&buffer[..count]).map_err(|error| cannot_write(to, &error))?;
            offset += count as u64;
        }
        target.sync_all().map_err(|error| cannot_write(to, &error))?;
        self.files += 1;
        self.bytes += offset;
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::Full(format!("cannot write {}: {error}", path.display()))
}
