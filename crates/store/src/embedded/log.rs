//! The log: frames in segments, one written and flushed at a time, and what is found of them when it is opened.
//!
//! INVARIANT: a frame is written only after the flush of the one before returned, and a segment is durably allocated
//! before it is written. So after a crash only the last frame can be incomplete: it was never answered, and is cut.
//! Anything else that is wrong is damage, and refuses to open. `scan` is what looks.
//!
//! One damage cannot be told from a crash: in the last frame of all. A store that was closed has an empty frame there.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::Options;
use super::files::{Files, Fill};
use super::frame::{FRAME_HEADER_BYTES, FrameBuffer, FrameHeader, Item, Malformed, SEGMENT_HEADER_BYTES, SegmentHeader, decode_items};
use super::scan::Scan;
use super::space::{self, Segment, Space};
use crate::Error;

/// The sequence number of the first item. Smaller ones number the versions of the cold tree.
pub(super) const FIRST_SEQUENCE: u64 = 1024;

/// The first segment of all is that small, so that a new store is soon there.
const FIRST_SEGMENT_BYTES: u64 = 1 << 20;

/// The end of the log, where it is written.
pub(super) struct Log {
    files: Arc<dyn Files>,
    space: Arc<Space>,
    space_thread: Option<JoinHandle<()>>,
    active: Segment,
    offset: u64,
    /// The checksum of the last frame.
    previous: u32,
    next_sequence: u64,
    segments: Arc<Segments>,
}

/// What was found at opening, beside the log.
pub(super) struct Found {
    pub(super) log: Log,
    /// The sequence number of the first item that is still there.
    pub(super) first_sequence: Option<u64>,
    /// The segment that the log begins with, when it had a frame and has none.
    pub(super) beheaded: Option<u64>,
    /// The newest manifest of the cold tree that the log knows.
    pub(super) manifest: Option<(u64, u32)>,
}

/// Why a frame was not written.
pub(super) enum WriteError {
    /// There is no room for another segment; nothing was written.
    Full(String),
    /// Allocated space could not be written.
    Broken(String),
}

/// Which segments there are, the active one last.
#[derive(Default)]
pub(super) struct Segments(Mutex<Vec<SegmentSummary>>);

#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentSummary {
    pub(super) generation: u64,
    pub(super) size: u64,
    /// The sequence number behind its last item.
    pub(super) end: u64,
}

impl Log {
    /// Opens what is there, cut where the last frame is incomplete; makes the first segment when there is none.
    pub(super) fn open(files: Arc<dyn Files>, options: &Options) -> Result<Found, Error> {
        let scan = Scan::run(&*files)?;
        let cannot = |error: io::Error| Error::Damaged(format!("the log cannot be written: {error}"));
        let spares = put_away(&*files, &scan, options.segment_bytes).map_err(cannot)?;
        let segments = Arc::new(Segments(Mutex::new(scan.segments)));
        let (active, offset) = match scan.active {
            Some((header, size, offset)) => {
                let mut file = files.open(&name(header.generation)).map_err(cannot)?;
                if scan.is_torn {
                    tracing::info!(segment = name(header.generation), offset, "cutting a frame that was never finished");
                }
                // After a kill or a failed flush the last frame may be in the system's memory only, and look written.
                let begin = offset - scan.last_frame.len() as u64;
                file.write_at(begin, &scan.last_frame).map_err(cannot)?;
                if scan.is_torn && offset + FRAME_HEADER_BYTES as u64 <= size {
                    file.write_at(offset, &[0; FRAME_HEADER_BYTES]).map_err(cannot)?;
                }
                file.sync().map_err(cannot)?;
                (Segment { file, header, size }, offset)
            }
            None => {
                let spare = spares.iter().max().map_or(1, |last| last + 1);
                let segment = first_segment(&*files, spare, options).map_err(|error| match space::is_full(&error) {
                    true => Error::Full(format!("the first log segment: {error}")),
                    false => cannot(error),
                })?;
                segments.push(segment.header.generation, segment.size, FIRST_SEQUENCE);
                (segment, SEGMENT_HEADER_BYTES as u64)
            }
        };
        let reserve = options.reserve_bytes.div_ceil(options.segment_bytes) as usize;
        let space = Space::new(Arc::clone(&files), options.segment_bytes, reserve, spares, active.header.next());
        let space_thread = space.spawn().map_err(cannot)?;
        let log = Self {
            files,
            space,
            space_thread: Some(space_thread),
            active,
            offset,
            previous: scan.previous.unwrap_or(0),
            next_sequence: scan.next_sequence.unwrap_or(FIRST_SEQUENCE),
            segments,
        };
        Ok(Found { log, first_sequence: scan.first_sequence, beheaded: scan.beheaded, manifest: scan.manifest })
    }

    /// Hands every item to `visit`, oldest first, with its sequence number.
    pub(super) fn replay(&self, visit: &mut dyn FnMut(u64, Item) -> Result<(), Error>) -> Result<(), Error> {
        for generation in self.segments.generations() {
            let bytes = read(&*self.files, generation)?;
            let header = SegmentHeader::decode(&bytes).ok_or_else(|| damaged(generation, 0, "its header changed"))?;
            let mut offset = SEGMENT_HEADER_BYTES;
            while let Some(frame) = FrameHeader::decode(&bytes, offset, header.salt) {
                for (index, item) in items(&bytes, generation, offset, &frame)?.into_iter().enumerate() {
                    visit(frame.sequence + index as u64, item)?;
                }
                offset += frame.size();
            }
        }
        Ok(())
    }

    /// Writes the frame and flushes. Answers the sequence number of its first item.
    pub(super) fn append(&mut self, frame: &mut FrameBuffer) -> Result<u64, WriteError> {
        let size = frame.size() as u64;
        if self.offset + size > self.active.size {
            self.switch_segment(size)?;
        }
        let first = self.next_sequence;
        let (bytes, checksum) = frame.seal(self.active.header.salt, first, self.previous);
        let written = self.active.file.write_at(self.offset, bytes).and_then(|()| self.active.file.sync());
        written
            .map_err(|error| WriteError::Broken(format!("{} at offset {}: {error}", name(self.active.header.generation), self.offset)))?;
        self.offset += size;
        self.previous = checksum;
        self.next_sequence += u64::from(frame.count());
        self.segments.extend(self.next_sequence);
        Ok(first)
    }

    /// Of the last item.
    pub(super) fn last_sequence(&self) -> u64 {
        self.next_sequence - 1
    }

    /// Of the segment that is written.
    pub(super) fn generation(&self) -> u64 {
        self.active.header.generation
    }

    /// Where the next frame goes.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn segments(&self) -> Arc<Segments> {
        Arc::clone(&self.segments)
    }

    pub(super) fn space(&self) -> Arc<Space> {
        Arc::clone(&self.space)
    }

    fn switch_segment(&mut self, frame_bytes: u64) -> Result<(), WriteError> {
        self.active = self.space.take(frame_bytes)?;
        self.segments.push(self.active.header.generation, self.active.size, self.next_sequence);
        self.offset = SEGMENT_HEADER_BYTES as u64;
        Ok(())
    }
}

impl Drop for Log {
    /// Nothing is allocated in the folder once the log is closed.
    fn drop(&mut self) {
        self.space.close();
        if let Some(thread) = self.space_thread.take() {
            // One that panicked has said so; there is nothing left to end.
            let _ = thread.join();
        }
    }
}

/// Makes spares of the segments that were ready for frames, last first, and removes what has another size now.
fn put_away(files: &dyn Files, scan: &Scan, segment_bytes: u64) -> io::Result<Vec<u64>> {
    let mut spares = Vec::new();
    let mut next_number = scan.spares.iter().max().map_or(1, |last| last + 1);
    for &number in &scan.spares {
        match files.size(&space::spare_name(number))? == segment_bytes {
            true => spares.push(number),
            false => files.remove(&space::spare_name(number))?,
        }
    }
    for &(generation, size) in scan.unused.iter().rev() {
        if size == segment_bytes {
            files.rename(&name(generation), &space::spare_name(next_number))?;
            spares.push(next_number);
            next_number += 1;
        } else {
            files.remove(&name(generation))?;
        }
    }
    Ok(spares)
}

fn first_segment(files: &dyn Files, spare: u64, options: &Options) -> io::Result<Segment> {
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
    let header = SegmentHeader { generation: 1, salt: u64::from_le_bytes(salt) };
    let bytes = options.segment_bytes.min(FIRST_SEGMENT_BYTES);
    files.create(&space::spare_name(spare), bytes, Fill::Zeros)?;
    space::prepare(files, spare, header, bytes)
}

impl Segments {
    /// Segments with these generations and ends.
    #[cfg(test)]
    pub(super) fn of(segments: &[(u64, u64)]) -> Self {
        let summary = |&(generation, end): &(u64, u64)| SegmentSummary { generation, size: 100, end };
        Self(Mutex::new(segments.iter().map(summary).collect()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SegmentSummary>> {
        self.0.lock().expect("nothing panics while it holds the list of segments")
    }

    fn push(&self, generation: u64, size: u64, end: u64) {
        self.lock().push(SegmentSummary { generation, size, end });
    }

    fn extend(&self, end: u64) {
        self.lock().last_mut().expect("there is always an active segment").end = end;
    }

    pub(super) fn generations(&self) -> Vec<u64> {
        self.lock().iter().map(|segment| segment.generation).collect()
    }

    /// The generation of the oldest segment.
    pub(super) fn oldest(&self) -> u64 {
        self.lock()[0].generation
    }

    /// Allocated ahead not counted.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().iter().map(|segment| segment.size).sum()
    }

    /// Items before this sequence number make the log longer than `bytes_max`; `None` when it is not.
    pub(super) fn end_of_excess(&self, bytes_max: u64) -> Option<u64> {
        let segments = self.lock();
        let mut bytes: u64 = segments.iter().map(|segment| segment.size).sum();
        let mut end = None;
        for segment in &segments[..segments.len() - 1] {
            if bytes <= bytes_max {
                break;
            }
            bytes -= segment.size;
            end = Some(segment.end);
        }
        end
    }

    /// Hands the segments whose items all come before `floor` to `retire`, oldest first: generation and size. The active
    /// one and one with the last item stay.
    pub(super) fn retire_below(&self, floor: u64, mut retire: impl FnMut(u64, u64) -> io::Result<()>) -> io::Result<()> {
        loop {
            let oldest = match &self.lock()[..] {
                [oldest, .., active] if oldest.end <= floor && oldest.end < active.end => *oldest,
                _ => return Ok(()),
            };
            retire(oldest.generation, oldest.size)?;
            self.lock().remove(0);
        }
    }
}

pub(super) fn items(bytes: &[u8], generation: u64, offset: usize, frame: &FrameHeader) -> Result<Vec<Item>, Error> {
    let start = offset + FRAME_HEADER_BYTES;
    decode_items(&bytes[start..start + frame.length as usize], frame.count)
        .map_err(|Malformed(why)| damaged(generation, offset as u64, why))
}

pub(super) fn read(files: &dyn Files, generation: u64) -> Result<Vec<u8>, Error> {
    files.read(&name(generation)).map_err(|error| Error::Damaged(format!("log/{}: {error}", name(generation))))
}

pub(super) fn damaged(generation: u64, offset: u64, why: &str) -> Error {
    Error::Damaged(format!("log/{} at offset {offset}: {why}", name(generation)))
}

/// The file of a segment.
pub(super) fn name(generation: u64) -> String {
    format!("{generation:012}.log")
}

pub(super) fn generation(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.parse().ok()
}
