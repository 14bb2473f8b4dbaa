//! A folder in memory that crashes: at a chosen operation it stops, and what survives of what was not flushed is up to
//! dice, sector by sector. A full disk, a failing one and one that fails once can be chosen too.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::super::files::{Files, Fill, WritableFile};
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
    /// The file whose removal or renaming the crash interrupted: it may come back, instead of its new name.
    removing: Option<(String, SimulatedFile, Option<String>)>,
    operations: u64,
    syncs: u64,
    crash_at: Option<u64>,
    is_crashed: bool,
    /// Operation that fails and is half done; the next one works again.
    fail_at: Option<u64>,
    has_failed: bool,
    creations: u64,
    renames: u64,
    /// Creations from this one on find no room.
    full_at: Option<u64>,
    is_full: bool,
    failing: Option<Failure>,
}

#[derive(Clone, Default)]
struct SimulatedFile {
    /// Stays when it is renamed.
    number: u64,
    durable: Vec<u8>,
    /// Written and not flushed.
    pending: Vec<(usize, Vec<u8>)>,
}

/// How much of an operation is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Whole,
    Half,
}

impl Done {
    fn answer(self) -> io::Result<()> {
        match self {
            Self::Whole => Ok(()),
            Self::Half => Err(io::Error::other("the operation was interrupted")),
        }
    }
}

struct Handle {
    files: SimulatedFiles,
    number: u64,
}

impl SimulatedFiles {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// From operation `number` on nothing works; that one may be half done.
    pub(super) fn crash_at(&self, number: u64) {
        self.state().crash_at = Some(number);
    }

    /// Operation `number` fails and may be half done; what follows works.
    pub(super) fn fail_at(&self, number: u64) {
        self.state().fail_at = Some(number);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state().has_failed
    }

    /// From the `number`th creation of a file on there is no room.
    pub(super) fn full_at(&self, number: u64) {
        self.state().full_at = Some(number);
    }

    pub(super) fn crash(&self) {
        self.state().is_crashed = true;
    }

    pub(super) fn set_full(&self, is_full: bool) {
        let mut state = self.state();
        state.is_full = is_full;
        state.full_at = None;
    }

    pub(super) fn set_failing(&self, failing: Option<Failure>) {
        self.state().failing = failing;
    }

    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Files that were made.
    pub(super) fn creations(&self) -> u64 {
        self.state().creations
    }

    pub(super) fn renames(&self) -> u64 {
        self.state().renames
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The folder after the crash: of each write that was not flushed, any sectors.
    pub(super) fn survivors(&self, random: &mut Random) -> Self {
        let state = self.state();
        let mut files = state.files.clone();
        if let Some((name, file, renamed)) = state.removing.clone().filter(|_| random.below(2) == 0) {
            renamed.map(|renamed| files.remove(&renamed));
            files.insert(name, file);
        }
        for file in files.values_mut() {
            for (offset, bytes) in std::mem::take(&mut file.pending) {
                file.write_some(offset, &bytes, random);
            }
        }
        Self(Arc::new(Mutex::new(State { files, creations: state.creations, ..State::default() })))
    }

    /// Puts other bytes into a file, as a failing disk would.
    pub(super) fn replace(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = state.files.get_mut(name).expect("the file is there");
        (file.durable, file.pending) = (bytes, Vec::new());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds the files")
    }
}

impl State {
    fn file(&mut self, number: u64) -> io::Result<&mut SimulatedFile> {
        self.files.values_mut().find(|file| file.number == number).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Counts an operation; `Half` when it goes wrong in the middle.
    fn begin(&mut self) -> io::Result<Done> {
        if self.is_crashed {
            return Err(io::Error::other("the power is gone"));
        }
        self.operations += 1;
        self.is_crashed = self.crash_at.is_some_and(|at| self.operations >= at);
        let fails = self.fail_at == Some(self.operations);
        self.has_failed |= fails;
        Ok(if self.is_crashed || fails { Done::Half } else { Done::Whole })
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

    fn size(&self, name: &str) -> io::Result<u64> {
        let state = self.state();
        Ok(state.files.get(name).ok_or(io::ErrorKind::NotFound)?.durable.len() as u64)
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

    fn create(&self, name: &str, size: u64, fill: Fill) -> io::Result<()> {
        let mut state = self.state();
        state.creations += 1;
        if state.is_full || state.full_at.is_some_and(|at| state.creations >= at) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let done = state.begin()?;
        if done == Done::Whole {
            let byte = match fill {
                Fill::Zeros => 0,
                Fill::Anything => 0xA5,
            };
            let number = state.creations;
            state.files.insert(name.to_owned(), SimulatedFile { number, durable: vec![byte; size as usize], pending: Vec::new() });
        }
        done.answer()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        let number = self.state().files.get(name).ok_or(io::ErrorKind::NotFound)?.number;
        Ok(Box::new(Handle { files: self.clone(), number }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let done = state.begin()?;
        let file = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.renames += 1;
        if state.is_crashed {
            state.removing = Some((from.to_owned(), file.clone(), Some(to.to_owned())));
        }
        state.files.insert(to.to_owned(), file);
        done.answer()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let done = state.begin()?;
        let file = state.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        if state.is_crashed {
            state.removing = Some((name.to_owned(), file, None));
        }
        done.answer()
    }
}

impl WritableFile for Handle {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.files.state();
        if state.failing == Some(Failure::Writes) {
            return Err(io::Error::other("the disk is broken"));
        }
        let done = state.begin()?;
        let file = state.file(self.number)?;
        assert!(offset as usize + bytes.len() <= file.durable.len(), "a segment is never extended");
        file.pending.push((offset as usize, bytes.to_vec()));
        done.answer()
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.files.state();
        if state.failing == Some(Failure::Syncs) {
            return Err(io::Error::other("the disk is broken"));
        }
        state.begin()?.answer()?;
        state.syncs += 1;
        let file = state.file(self.number)?;
        for (offset, written) in std::mem::take(&mut file.pending) {
            file.durable[offset..offset + written.len()].copy_from_slice(&written);
        }
        Ok(())
    }
}
