//! Room for the log, allocated before it is needed: the next segment, and a reserve.
//!
//! A thread of its own makes both. A *spare* is a file of a segment's size that holds nothing of use: zeros, or the frames
//! of a segment that the log no longer needs. It becomes a segment by a header that is durable before its name is.
//!
//! While the disk is full the log lives on the reserve, and says that it is [short](Space::is_short): then only running
//! work is to be written. It is short until the next segment and the whole reserve are there again.
//!
//! INVARIANT: whatever can fail for want of room happens here, before a frame is written. So an error of a write or a flush
//! on allocated space is never about room.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::files::{Files, Fill, WritableFile};
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
    /// Why allocated space could not be written.
    broken: Option<String>,
    is_closing: bool,
}

/// What the thread does next.
enum Step {
    /// A spare becomes the next segment.
    Prepare { spare: u64, header: SegmentHeader },
    /// A file for the next segment.
    Allocate { number: u64 },
    /// A file for the reserve.
    Refill { number: u64 },
    Rest,
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
        Arc::new(Self { files, segment_bytes, reserve, state: Mutex::new(state), changed: Condvar::new(), is_short: AtomicBool::new(false) })
    }

    pub(super) fn spawn(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let space = Arc::clone(self);
        std::thread::Builder::new().name("skald-log-space".to_owned()).spawn(move || space.run())
    }

    /// Whether there is no room but the reserve.
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Acquire)
    }

    /// Why there is no room.
    pub(super) fn shortage(&self) -> String {
        self.lock().shortage.clone().unwrap_or_else(|| "there is no room for the log".to_owned())
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
                return Err(WriteError::Full(state.shortage.clone().unwrap_or_default()));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        if SEGMENT_HEADER_BYTES as u64 + bytes > segment.size {
            drop(state);
            return self.take_large(segment.header, bytes);
        }
        state.wanted = Some(segment.header.next());
        self.changed.notify_all();
        Ok(segment)
    }

    /// A frame larger than a segment gets one of its own. The one that was ready becomes a spare again.
    fn take_large(&self, header: SegmentHeader, bytes: u64) -> Result<Segment, WriteError> {
        let (ready, number) = (self.new_number(), self.new_number());
        let size = SEGMENT_HEADER_BYTES as u64 + bytes;
        let broken = |error: io::Error| WriteError::Broken(format!("{}: {error}", name(header.generation)));
        let made = self.files.rename(&name(header.generation), &spare_name(ready)).map_err(broken).and_then(|()| {
            self.files.create(&spare_name(number), size, Fill::Zeros).map_err(|error| WriteError::Full(error.to_string()))?;
            prepare(&*self.files, number, header, size).map_err(broken)
        });
        let mut state = self.lock();
        state.spares.push(ready);
        state.wanted = Some(if made.is_ok() { header.next() } else { header });
        self.changed.notify_all();
        made
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
    }

    /// What is allocated ahead.
    #[cfg(test)]
    pub(super) fn is_whole(&self) -> bool {
        let state = self.lock();
        state.next.is_some() && state.spares.len() >= self.reserve && state.shortage.is_none()
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.is_closing && state.broken.is_none() {
            let step = state.step(self.reserve);
            if let Step::Rest = step {
                state = self.rest(state);
                continue;
            }
            drop(state);
            let done = self.perform(&step);
            state = self.lock();
            self.note(&mut state, &step, done);
            self.changed.notify_all();
        }
        drop(state);
        // Whoever waits hears that it is broken; a closed log has nobody who waits.
        self.changed.notify_all();
    }

    /// Waits for something to do, or for room.
    fn rest<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.is_whole(self.reserve) {
            if state.shortage.take().is_some() {
                tracing::info!("there is room for the log again");
                self.is_short.store(false, Ordering::Release);
            }
            return self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut state, _) = self.changed.wait_timeout(state, PAUSE).unwrap_or_else(PoisonError::into_inner);
        // Whatever woke it, the disk is tried once more.
        state.tried = Tried::Nothing;
        state
    }

    fn perform(&self, step: &Step) -> io::Result<Option<Segment>> {
        match *step {
            Step::Prepare { spare, header } => prepare(&*self.files, spare, header, self.segment_bytes).map(Some),
            Step::Allocate { number } => self.files.create(&spare_name(number), self.segment_bytes, Fill::Zeros).map(|()| None),
            Step::Refill { number } => self.files.create(&spare_name(number), self.segment_bytes, Fill::Anything).map(|()| None),
            Step::Rest => Ok(None),
        }
    }
}
