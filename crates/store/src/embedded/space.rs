//! Room for the log, allocated before it is needed: the next segment, and a reserve.
//!
//! A thread of its own makes both. A *spare* is a file of a segment's size that holds nothing of use: zeros, or the frames
//! of a segment that the log no longer needs. It becomes a segment by a header that is durable before its name is.
//!
//! While the disk is full the log lives on the reserve, and says that it is [short](Space::is_short): then only running
//! work is to be written. It is short until the next segment and the whole reserve are there again. While the cold tree
//! cannot be flushed, room that turns up is left to it: a flush frees more than it takes, and nothing else does.
//!
//! INVARIANT: whatever can fail for want of room happens here, before a frame is written. So an error of a write or a flush
//! on allocated space is never about room.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::files::{Files, Fill, Worker, WritableFile};
use super::frame::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::log::{WriteError, name};

pub(super) struct Space {
    files: Arc<dyn Files>,
    segment_bytes: u64,
    /// How many spares running work may fall back on.
    reserve: usize,
    state: Mutex<State>,
    changed: Condvar,
    is_short: AtomicBool,
}

/// A file that frames can be written to.
pub(super) struct Segment {
    pub(super) file: Box<dyn WritableFile>,
    pub(super) header: SegmentHeader,
    pub(super) size: u64,
}

#[derive(Default)]
struct State {
    /// By number; the last was in use last.
    spares: Vec<u64>,
    /// Of the next file that becomes a spare.
    next_number: u64,
    next: Option<Segment>,
    /// What the next segment is to begin with, while it is not there.
    wanted: Option<SegmentHeader>,
    /// How often the writer asked for a segment that was not there.
    asked: u64,
    /// The last question that was answered with a failure.
    refused: u64,
    /// Why the last allocation failed.
    shortage: Option<String>,
    /// Why the cold tree, which comes first, does not get the room it needs.
    yields: Option<String>,
    /// Why allocated space could not be written.
    broken: Option<String>,
    is_closing: bool,
}

/// Spares beyond the reserve that are kept for reuse; more are removed.
const SURPLUS_MAX: usize = 4;
/// How long a full disk is given before it is tried again.
const PAUSE: Duration = Duration::from_millis(200);

impl Space {
    /// Takes over the `spares` that were found and begins to work towards a segment that begins with `wanted`.
    pub(super) fn new(files: Arc<dyn Files>, segment_bytes: u64, reserve: usize, spares: Vec<u64>, wanted: SegmentHeader) -> Arc<Self> {
        let next_number = spares.iter().max().map_or(1, |last| last + 1);
        let state = State { spares, next_number, wanted: Some(wanted), ..State::default() };
        Arc::new(Self {
            files,
            segment_bytes,
            reserve,
            state: Mutex::new(state),
            changed: Condvar::new(),
            is_short: AtomicBool::new(false),
        })
    }

    pub(super) fn spawn(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let space = Arc::clone(self);
        std::thread::Builder::new().name("skald-log-space".to_owned()).spawn(move || {
            if std::panic::catch_unwind(AssertUnwindSafe(|| space.run())).is_err() {
                space.lock().broken = Some("the thread that allocates the log's segments panicked".to_owned());
                space.changed.notify_all();
            }
        })
    }

    /// Whether there is no room but the reserve.
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Acquire)
    }

    /// Why there is no room.
    pub(super) fn shortage(&self) -> String {
        self.lock().shortage()
    }

    /// The cold tree needs room and finds none, and why; or it found it.
    pub(super) fn yield_to_tree(&self, why: Option<String>) {
        let mut state = self.lock();
        self.is_short.store(why.is_some() || state.shortage.is_some(), Ordering::Release);
        state.yields = why;
        self.changed.notify_all();
    }

    /// The next segment, with room for `bytes` behind its header. Waits for it while it is being made.
    pub(super) fn take(&self, bytes: u64) -> Result<Segment, WriteError> {
        let mut state = self.lock();
        state.asked += 1;
        let question = state.asked;
        self.changed.notify_all();
        let segment = loop {
            if let Some(why) = &state.broken {
                return Err(WriteError::Broken(why.clone()));
            }
            if let Some(segment) = state.next.take() {
                break segment;
            }
            if state.refused >= question {
                return Err(WriteError::Full(state.shortage()));
            }
            self.files.give_turn(Worker::Space);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        if SEGMENT_HEADER_BYTES as u64 + bytes > segment.size {
            drop(state);
            return self.take_large(segment, bytes);
        }
        state.wanted = Some(segment.header.next());
        self.changed.notify_all();
        Ok(segment)
    }

    /// A frame larger than a segment gets one of its own. The one that was ready becomes a spare again.
    fn take_large(&self, ready: Segment, bytes: u64) -> Result<Segment, WriteError> {
        let (header, size) = (ready.header, SEGMENT_HEADER_BYTES as u64 + bytes);
        let failed = |error: io::Error| match is_full(&error) {
            true => WriteError::Full(error.to_string()),
            false => WriteError::Broken(format!("{}: {error}", name(header.generation))),
        };
        let spare = self.new_number();
        if let Err(error) = self.files.rename(&name(header.generation), &spare_name(spare)) {
            // A broken log is not written any more: for that it does not matter what is ready.
            self.lock().next = Some(ready);
            self.changed.notify_all();
            return Err(failed(error));
        }
        let made = self.make_large(header, size, failed);
        let mut state = self.lock();
        state.spares.push(spare);
        state.wanted = Some(if made.is_ok() { header.next() } else { header });
        self.changed.notify_all();
        made
    }

    fn make_large(&self, header: SegmentHeader, size: u64, failed: impl Fn(io::Error) -> WriteError) -> Result<Segment, WriteError> {
        let number = self.new_number();
        self.files.create(&spare_name(number), size, Fill::Zeros).map_err(|error| WriteError::Full(error.to_string()))?;
        prepare(&*self.files, number, header, size).map_err(|error| {
            // What remains when this fails, too, is removed at the next opening.
            let _ = self.files.remove(&spare_name(number));
            failed(error)
        })
    }

    /// Takes a segment back that the log no longer needs.
    pub(super) fn retire(&self, generation: u64, size: u64) -> io::Result<()> {
        let is_wanted = size == self.segment_bytes && self.lock().spares.len() < self.reserve + SURPLUS_MAX;
        if !is_wanted {
            return self.files.remove(&name(generation));
        }
        let number = self.new_number();
        self.files.rename(&name(generation), &spare_name(number))?;
        self.lock().spares.push(number);
        self.changed.notify_all();
        Ok(())
    }

    /// Ends the thread.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.changed.notify_all();
        self.files.end_turns();
    }

    /// What is allocated ahead.
    #[cfg(test)]
    pub(super) fn is_whole(&self) -> bool {
        self.has_all(&self.lock())
    }

    #[cfg(any(test, feature = "simulation"))]
    fn has_all(&self, state: &State) -> bool {
        state.next.is_some() && state.spares.len() >= self.reserve && state.shortage.is_none()
    }

    /// Waits until all that is to be allocated ahead is there, or cannot be.
    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn settle(&self) {
        let mut state = self.lock();
        state.asked += 1;
        let question = state.asked;
        self.changed.notify_all();
        let is_at_work = |state: &mut State| !self.has_all(state) && state.refused < question && state.broken.is_none();
        drop(self.changed.wait_while(state, is_at_work).unwrap_or_else(PoisonError::into_inner));
    }

    fn run(&self) {
        loop {
            self.files.await_turn(Worker::Space);
            let asked = self.lock().asked;
            let done = self.provide();
            let mut state = self.lock();
            match done {
                Ok(()) => {}
                Err(WriteError::Full(why)) => {
                    if state.shortage.is_none() && state.yields.is_none() {
                        tracing::warn!(why, "no room for the log: what is to begin is refused until there is");
                    }
                    state.shortage = Some(why);
                    self.is_short.store(true, Ordering::Release);
                    state.refused = asked;
                }
                Err(WriteError::Broken(why)) => state.broken = Some(why),
            }
            self.changed.notify_all();
            let is_missing = |state: &State| state.wanted.is_some() || state.spares.len() < self.reserve;
            if is_missing(&state) {
                // A question that came meanwhile is worth another try at once.
                let has_time = |state: &mut State| !state.is_closing && state.asked == asked;
                let waited = self.changed.wait_timeout_while(state, PAUSE, has_time);
                (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            } else {
                if state.shortage.take().is_some() {
                    tracing::info!("there is room for the log again");
                    self.is_short.store(state.yields.is_some(), Ordering::Release);
                }
                let is_idle = |state: &mut State| !state.is_closing && !is_missing(state);
                state = self.changed.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner);
            }
            if state.is_closing || state.broken.is_some() {
                return;
            }
        }
    }

    /// Makes the next segment and the reserve, as far as they are missing.
    fn provide(&self) -> Result<(), WriteError> {
        let wanted = self.lock().wanted;
        let made = wanted.map_or(Ok(()), |header| self.provide_next(header));
        if let Err(WriteError::Broken(_)) = made {
            return made;
        }
        while self.lock().spares.len() < self.reserve {
            let number = self.allocate(Fill::Anything)?;
            self.lock().spares.push(number);
        }
        made
    }

    /// A spare that the reserve does not need becomes the next segment, or a new file, or, on a full disk, any spare.
    fn provide_next(&self, header: SegmentHeader) -> Result<(), WriteError> {
        let surplus = self.lock().take_spare(self.reserve);
        let (spare, shortage) = match surplus.map_or_else(|| self.allocate(Fill::Zeros), Ok) {
            Ok(spare) => (spare, None),
            Err(full) => match self.lock().take_spare(0) {
                Some(spare) => (spare, Some(full)),
                None => return Err(full),
            },
        };
        match prepare(&*self.files, spare, header, self.segment_bytes) {
            Ok(segment) => {
                let mut state = self.lock();
                state.next = Some(segment);
                state.wanted = None;
                self.changed.notify_all();
                shortage.map_or(Ok(()), Err)
            }
            Err(error) if is_full(&error) => {
                self.lock().spares.push(spare);
                Err(WriteError::Full(error.to_string()))
            }
            Err(error) => Err(WriteError::Broken(format!("{}: {error}", name(header.generation)))),
        }
    }

    /// Makes a file that can be a spare.
    fn allocate(&self, fill: Fill) -> Result<u64, WriteError> {
        if let Some(why) = self.lock().yields.clone() {
            return Err(WriteError::Full(why));
        }
        let number = self.new_number();
        let made = self.files.create(&spare_name(number), self.segment_bytes, fill);
        made.map(|()| number).map_err(|error| WriteError::Full(error.to_string()))
    }

    fn new_number(&self) -> u64 {
        let mut state = self.lock();
        state.next_number += 1;
        state.next_number - 1
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn shortage(&self) -> String {
        let why = self.yields.as_ref().or(self.shortage.as_ref());
        why.cloned().unwrap_or_else(|| "there is no room for the log".to_owned())
    }

    /// The spare that was in use last, when more than `kept` are there.
    fn take_spare(&mut self, kept: usize) -> Option<u64> {
        if self.spares.len() > kept { self.spares.pop() } else { None }
    }
}

/// Makes the spare a segment. Answers when its header and its name are durable.
pub(super) fn prepare(files: &dyn Files, spare: u64, header: SegmentHeader, size: u64) -> io::Result<Segment> {
    let mut file = files.open(&spare_name(spare))?;
    file.write_at(0, &header.encode())?;
    file.sync()?;
    files.rename(&spare_name(spare), &name(header.generation))?;
    Ok(Segment { file, header, size })
}

/// Whether an error says that there is no room, or no more than this user may have.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The file of a spare.
pub(super) fn spare_name(number: u64) -> String {
    format!("{number:012}.spare")
}

pub(super) fn spare_number(name: &str) -> Option<u64> {
    name.strip_suffix(".spare")?.parse().ok()
}
