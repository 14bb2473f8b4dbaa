//! A folder in memory that crashes: at a chosen operation it stops, and what survives of what was not flushed is up to
//! dice, sector by sector. A full disk and a failing one can be chosen too.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::super::files::{Files, WritableFile};
use crate::contract::workload::Random;

/// SOURCE: what a disk writes whole: 512 bytes.
const SECTOR_BYTES: usize = 512;

/// What a broken disk no longer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Writes,
    Syncs,
}

#[derive(Clone)]
pub(super) struct SimulatedFiles(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: BTreeMap<String, SimulatedFile>,
    /// The file whose removal the crash interrupted: it may come back.
    removing: Option<(String, SimulatedFile)>,
    operations: u64,
    syncs: u64,
    crash_at: Option<u64>,
    is_crashed: bool,
    is_full: bool,
    failing: Option<Failure>,
}

#[derive(Clone, Default)]
struct SimulatedFile {
    durable: Vec<u8>,
    /// Written and not flushed.
    pending: Vec<(usize, Vec<u8>)>,
}

struct Handle {
    files: SimulatedFiles,
    name: String,
}

impl SimulatedFiles {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// From operation `number` on nothing works; that one may be half done.
    pub(super) fn crash_at(&self, number: u64) {
        self.state().crash_at = Some(number);
    }

    pub(super) fn crash(&self) {
        self.state().is_crashed = true;
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    pub(super) fn set_failing(&self, failing: Option<Failure>) {
        self.state().failing = failing;
    }

    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The folder after the crash: of each write that was not flushed, any sectors.
    pub(super) fn survivors(&self, random: &mut Random) -> Self {
        let state = self.state();
        let mut files = state.files.clone();
        if let Some((name, file)) = state.removing.clone().filter(|_| random.below(2) == 0) {
            files.insert(name, file);
        }
        for file in files.values_mut() {
            for (offset, bytes) in std::mem::take(&mut file.pending) {
                file.write_some(offset, &bytes, random);
            }
        }
        Self(Arc::new(Mutex::new(State { files, ..State::default() })))
    }

    /// Puts other bytes into a file, as a failing disk would.
    pub(super) fn replace(&self, name: &str, bytes: Vec<u8>) {
        self.state().files.insert(name.to_owned(), SimulatedFile { durable: bytes, pending: Vec::new() });
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds the files")
    }
}

impl State {
    /// Counts an operation; `false` when the crash comes in the middle of it.
    fn begin(&mut self) -> io::Result<bool> {
        if self.is_crashed {
            return Err(io::Error::other("the power is gone"));
        }
        self.operations += 1;
        self.is_crashed = self.crash_at.is_some_and(|at| self.operations >= at);
        Ok(!self.is_crashed)
    }
}

impl SimulatedFile {
    /// Writes the sectors that the dice choose: a prefix, all, none, or any.
    fn write_some(&mut self, offset: usize, bytes: &[u8], random: &mut Random) {
        let kind = random.below(4);
        let cut = random.below(bytes.len() as u64 + 1) as usize;
        let mut start = 0;
        while start < bytes.len() {
            let sector_end = ((offset + start) / SECTOR_BYTES + 1) * SECTOR_BYTES - offset;
            let mut end = sector_end.min(bytes.len());
            let survives = match kind {
                0 => false,
                1 => true,
                2 => {
                    end = end.min(cut.max(start));
                    start < cut
                }
                _ => random.below(2) == 0,
            };
            if survives && end > start {
                self.durable[offset + start..offset + end].copy_from_slice(&bytes[start..end]);
            }
            start = sector_end.min(bytes.len());
        }
    }
}

impl Files for SimulatedFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().files.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.state();
        let file = state.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = file.durable.clone();
        for (offset, written) in &file.pending {
            bytes[*offset..offset + written.len()].copy_from_slice(written);
        }
        Ok(bytes)
    }

    fn create(&self, name: &str, header: &[u8], size: u64) -> io::Result<Box<dyn WritableFile>> {
        let mut state = self.state();
        if state.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let is_whole = state.begin()?;
        let length = if is_whole { size as usize } else { (size / 3) as usize };
        let mut file = SimulatedFile { durable: vec![0; length], pending: Vec::new() };
        match is_whole {
            true => file.durable[..header.len()].copy_from_slice(header),
            // Not a whole header.
            false => file.pending.push((0, header[..header.len() / 2].to_vec())),
        }
        state.files.insert(name.to_owned(), file);
        if !is_whole {
            return Err(io::Error::other("the power is gone"));
        }
        Ok(Box::new(Handle { files: self.clone(), name: name.to_owned() }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        Ok(Box::new(Handle { files: self.clone(), name: name.to_owned() }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let is_whole = state.begin()?;
        let file = state.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        if !is_whole {
            state.removing = Some((name.to_owned(), file));
            return Err(io::Error::other("the power is gone"));
        }
        Ok(())
    }
}

impl WritableFile for Handle {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.files.state();
        if state.failing == Some(Failure::Writes) {
            return Err(io::Error::other("the disk is broken"));
        }
        let is_whole = state.begin()?;
        let file = state.files.get_mut(&self.name).ok_or(io::ErrorKind::NotFound)?;
        assert!(offset as usize + bytes.len() <= file.durable.len(), "a segment is never extended");
        file.pending.push((offset as usize, bytes.to_vec()));
        if is_whole { Ok(()) } else { Err(io::Error::other("the power is gone")) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.files.state();
        if state.failing == Some(Failure::Syncs) {
            return Err(io::Error::other("the disk is broken"));
        }
        if !state.begin()? {
            return Err(io::Error::other("the power is gone"));
        }
        state.syncs += 1;
        let file = state.files.get_mut(&self.name).ok_or(io::ErrorKind::NotFound)?;
        for (offset, written) in std::mem::take(&mut file.pending) {
            file.durable[offset..offset + written.len()].copy_from_slice(&written);
        }
        Ok(())
    }
}
