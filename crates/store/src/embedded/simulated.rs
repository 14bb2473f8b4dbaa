//! A disk that crashes: at a chosen operation it stops, and what survives of what was not flushed is up to dice, sector by
//! sector. A full disk, a failing one, one that fails once and one that lies can be chosen too.
//!
//! The log's files are in memory. Those of the cold tree are written by the library: they are real, in a folder of the test.
//! A crash while the tree is written leaves what it was before, with any part of the new files, or what it is after it,
//! with any of the old files.
//!
//! [In turns](SimulatedFiles::in_turns) the store's threads work one at a time, when they are [let](SimulatedFiles::let_work):
//! then the number of an operation names the same moment in each run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::{fs, io};

use tokio::sync::oneshot;

use super::files::{Files, Fill, Worker, WritableFile};
use super::flusher::Compact;
use super::writer::Request;
use super::{EmbeddedStore, Options};
use crate::Error;
use crate::contract::workload::Random;

/// SOURCE: what a disk writes whole: 512 bytes.
const SECTOR_BYTES: usize = 512;

/// What a broken disk no longer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Writes,
    Syncs,
    /// Files cannot be renamed: their folder finds no room.
    Renames,
    /// A write panics: a defect of ours.
    Panic,
}

#[derive(Clone, Default)]
pub struct SimulatedFiles(Arc<Disk>);

#[derive(Default)]
struct Disk {
    state: Mutex<State>,
    turns: Mutex<Turns>,
    turned: Condvar,
    /// The cold tree's folder, when it crashes too.
    tree: Option<PathBuf>,
}

#[derive(Default)]
struct Turns {
    turn: Turn,
    /// Works once, whosever turn it is: the thread that writes the log waits for it.
    called: Option<Worker>,
}

/// Whose turn it is to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Turn {
    #[default]
    Everybodys,
    Nobodys,
    Of(Worker),
}

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
    /// From this operation on a flush is answered and not done.
    lies_from: Option<u64>,
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
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with the cold tree in `tree`, on which the store's threads work in turns.
    pub fn in_turns(tree: PathBuf) -> Self {
        Self::with(State::default(), Turn::Nobodys, Some(tree))
    }

    fn with(state: State, turn: Turn, tree: Option<PathBuf>) -> Self {
        Self(Arc::new(Disk { state: Mutex::new(state), turns: Mutex::new(Turns { turn, called: None }), turned: Condvar::new(), tree }))
    }

    /// Opens the store that has its log here, and the rest in `folder`.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub fn open_store(&self, folder: &Path, options: Options) -> Result<EmbeddedStore, Error> {
        EmbeddedStore::open_with(folder, options, Arc::new(self.clone()))
    }

    /// Lets the threads of `store` do all they have to, one after the other. Blocks meanwhile.
    pub fn let_work(&self, store: &EmbeddedStore) {
        let mut operations = None;
        while operations != Some(self.operations()) {
            operations = Some(self.operations());
            self.turn(Turn::Of(Worker::Flusher));
            let (answer, answered) = oneshot::channel();
            // A thread that has ended has nothing to do.
            if store.writer.send(Request::Rest { answer }).is_ok() {
                let _ = wait_for(answered);
            }
            self.turn(Turn::Of(Worker::Compactor));
            let (answer, answered) = oneshot::channel();
            if store.compactor.send(Compact::Until(answer)).is_ok() {
                let _ = wait_for(answered);
            }
            self.turn(Turn::Of(Worker::Space));
            store.space.settle();
        }
        self.turn(Turn::Nobodys);
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, Turns> {
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where there are turns.
    fn turn(&self, next: Turn) {
        let mut turns = self.turns();
        if turns.turn != Turn::Everybodys {
            turns.turn = next;
            self.0.turned.notify_all();
        }
    }

    /// From operation `number` on nothing works; that one may be half done.
    pub fn crash_at(&self, number: u64) {
        self.state().crash_at = Some(number);
    }

    /// Operation `number` fails and may be half done; what follows works.
    pub fn fail_at(&self, number: u64) {
        self.state().fail_at = Some(number);
    }

    pub fn has_failed(&self) -> bool {
        self.state().has_failed
    }

    /// From the `number`th creation of a file on there is no room.
    pub fn full_at(&self, number: u64) {
        self.state().full_at = Some(number);
    }

    pub fn is_crashed(&self) -> bool {
        self.state().is_crashed
    }

    /// Nothing works from now on.
    pub fn crash(&self) {
        self.state().is_crashed = true;
    }

    pub fn set_full(&self, is_full: bool) {
        let mut state = self.state();
        state.is_full = is_full;
        state.full_at = None;
    }

    pub fn set_failing(&self, failing: Option<Failure>) {
        self.state().failing = failing;
    }

    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Files that were made.
    pub fn creations(&self) -> u64 {
        self.state().creations
    }

    pub fn renames(&self) -> u64 {
        self.state().renames
    }

    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// From operation `number` on a flush is answered and not done: what a broken disk does.
    pub fn lie_from(&self, number: u64) {
        self.state().lies_from = Some(number);
    }

    /// The disk after the crash, its log and its tree; operations are counted on. For disks in turns.
    ///
    /// # Errors
    /// The tree's real folder cannot be read or written.
    pub fn after_crash(&self, random: &mut Random) -> io::Result<Self> {
        if let Some(tree) = &self.0.tree {
            crash_tree(tree, random)?;
        }
        let survivors = self.survivors(random);
        let mut state = std::mem::take(&mut *survivors.state());
        state.operations = self.operations();
        Ok(Self::with(state, Turn::Nobodys, self.0.tree.clone()))
    }

    /// Puts zeros, or a flipped bit, into a sector of the log that is not zero; false when there is none.
    pub fn damage_log(&self, harm: Harm, random: &mut Random) -> bool {
        let mut state = self.state();
        let written: Vec<(String, usize)> = state
            .files
            .iter()
            .filter(|(name, _)| name.ends_with(".log"))
            .flat_map(|(name, file)| sectors(&file.durable).map(|at| (name.clone(), at)))
            .collect();
        let Some((name, at)) = choose(&written, random) else { return false };
        let file = state.files.get_mut(name).expect("it was just there");
        harm.apply(&mut file.durable[*at..], random);
        true
    }

    /// The folder after the crash: of each write that was not flushed, any sectors.
    pub fn survivors(&self, random: &mut Random) -> Self {
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
        Self::with(State { files, creations: state.creations, ..State::default() }, Turn::Everybodys, None)
    }

    /// Puts other bytes into a file, as a failing disk would.
    pub fn replace(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = state.files.get_mut(name).expect("the file is there");
        (file.durable, file.pending) = (bytes, Vec::new());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().expect("nothing panics while it holds the files")
    }
}

/// What a failing disk does to a sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    Zeroed,
    BitFlipped,
}

impl Harm {
    /// To the first sector of `bytes`.
    fn apply(self, bytes: &mut [u8], random: &mut Random) {
        let length = bytes.len().min(SECTOR_BYTES);
        match self {
            Self::Zeroed => bytes[..length].fill(0),
            Self::BitFlipped => bytes[random.below(length as u64) as usize] ^= 1 << random.below(8),
        }
    }
}

/// Where sectors begin that hold something.
fn sectors(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.chunks(SECTOR_BYTES).enumerate().filter(|(_, sector)| sector.iter().any(|byte| *byte != 0)).map(|(index, _)| index * SECTOR_BYTES)
}

fn choose<'i, T>(items: &'i [T], random: &mut Random) -> Option<&'i T> {
    if items.is_empty() { None } else { items.get(random.below(items.len() as u64) as usize) }
}

/// Puts zeros, or a flipped bit, into a sector of a file of `tree` of whose path `is_meant` is true; false when there is
/// none.
///
/// # Errors
/// The files cannot be read or written.
pub fn damage_tree(tree: &Path, is_meant: impl Fn(&Path) -> bool, harm: Harm, random: &mut Random) -> io::Result<bool> {
    let names: Vec<PathBuf> = files_in(tree)?.into_iter().filter(|name| is_meant(name)).collect();
    let Some(name) = choose(&names, random) else { return Ok(false) };
    let mut bytes = fs::read(tree.join(name))?;
    let written: Vec<usize> = sectors(&bytes).collect();
    let Some(at) = choose(&written, random) else { return Ok(false) };
    harm.apply(&mut bytes[*at..], random);
    fs::write(tree.join(name), bytes)?;
    Ok(true)
}

/// What `tree` was when it was written last.
fn before(tree: &Path) -> PathBuf {
    tree.with_extension("before")
}

/// Relative to `folder`; none when there is no such folder.
fn files_in(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let entries = match fs::read_dir(folder.join(&below)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(name);
            } else {
                found.insert(name);
            }
        }
    }
    Ok(found)
}

fn copy(name: &Path, from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to.join(name).parent().expect("it is in a folder"))?;
    fs::copy(from.join(name), to.join(name)).map(drop)
}

/// The tree when the crash came while it was written: as before, with any part of the new files; or as after, with any of
/// the old files. Nothing changes when it came at another time.
fn crash_tree(tree: &Path, random: &mut Random) -> io::Result<()> {
    let before = before(tree);
    if !before.exists() {
        return Ok(());
    }
    let (old, new) = (files_in(&before)?, files_in(tree)?);
    if random.below(3) == 0 {
        for name in old.difference(&new).filter(|_| random.below(2) == 0) {
            copy(name, &before, tree)?;
        }
    } else {
        for name in new.difference(&old) {
            let length = fs::metadata(tree.join(name))?.len();
            match random.below(4) {
                0 => fs::remove_file(tree.join(name))?,
                1 => {}
                2 => fs::OpenOptions::new().write(true).open(tree.join(name))?.set_len(random.below(length + 1))?,
                _ => fs::write(tree.join(name), vec![0; length as usize])?,
            }
        }
        for name in &old {
            copy(name, &before, tree)?;
        }
    }
    fs::remove_dir_all(before)
}

/// Waits on this thread, also where a runtime's clock must stand still meanwhile.
pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
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
        if state.failing == Some(Failure::Renames) {
            return Err(io::ErrorKind::StorageFull.into());
        }
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

    fn begin_tree_write(&self) -> io::Result<()> {
        let mut state = self.state();
        let done = state.begin()?;
        match &self.0.tree {
            Some(tree) if state.is_crashed => files_in(tree)?.iter().try_for_each(|name| copy(name, tree, &before(tree))),
            None if state.is_crashed => Ok(()),
            Some(_) | None => done.answer(),
        }
    }

    fn await_turn(&self, worker: Worker) {
        let is_others =
            |turns: &mut Turns| turns.turn != Turn::Everybodys && turns.turn != Turn::Of(worker) && turns.called != Some(worker);
        let mut turns = self.0.turned.wait_while(self.turns(), is_others).unwrap_or_else(PoisonError::into_inner);
        turns.called = turns.called.filter(|called| *called != worker);
    }

    fn give_turn(&self, worker: Worker) {
        self.turns().called = Some(worker);
        self.0.turned.notify_all();
    }

    fn end_turns(&self) {
        self.turns().turn = Turn::Everybodys;
        self.0.turned.notify_all();
    }
}

impl WritableFile for Handle {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.files.state();
        match state.failing {
            Some(Failure::Writes) => return Err(io::Error::other("the disk is broken")),
            Some(Failure::Panic) => {
                drop(state);
                panic!("a defect that was planted");
            }
            Some(Failure::Syncs | Failure::Renames) | None => {}
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
        if state.lies_from.is_some_and(|from| state.operations >= from) {
            return Ok(());
        }
        let file = state.file(self.number)?;
        for (offset, written) in std::mem::take(&mut file.pending) {
            file.durable[offset..offset + written.len()].copy_from_slice(&written);
        }
        Ok(())
    }
}
