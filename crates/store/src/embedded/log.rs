//! The log: frames in segments, one written and flushed at a time, and what is found of them when it is opened.
//!
//! INVARIANT: a frame is written only after the flush of the one before returned, and a segment is durably allocated
//! before it is written. So after a crash only the last frame can be incomplete: it was never answered, and is cut.
//! Anything else that is wrong is damage, and refuses to open.
//!
//! One damage cannot be told from a crash: in the last frame of all. A store that was closed has an empty frame there.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use super::files::{Files, WritableFile};
use super::frame::{
    ALIGNMENT, FRAME_HEADER_BYTES, FrameBuffer, FrameHeader, Item, Malformed, SEGMENT_HEADER_BYTES, SegmentHeader, decode_items,
};
use crate::Error;

/// The sequence number of the first item. Smaller ones number the versions of the cold tree.
pub(super) const FIRST_SEQUENCE: u64 = 1024;

/// The end of the log, where it is written.
pub(super) struct Log {
    files: Arc<dyn Files>,
    segment_bytes: u64,
    active: Segment,
    offset: u64,
    /// The next segment, once it is asked for.
    ahead: Option<Receiver<io::Result<Segment>>>,
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

struct Segment {
    file: Box<dyn WritableFile>,
    header: SegmentHeader,
    size: u64,
}

/// Which segments there are, the active one last.
#[derive(Default)]
pub(super) struct Segments(Mutex<Vec<SegmentSummary>>);

#[derive(Debug, Clone, Copy)]
struct SegmentSummary {
    generation: u64,
    size: u64,
    /// The sequence number behind its last item.
    end: u64,
}

impl Log {
    /// Opens what is there, cut where the last frame is incomplete; makes the first segment when there is none.
    pub(super) fn open(files: Arc<dyn Files>, segment_bytes: u64) -> Result<Found, Error> {
        let scan = Scan::run(&*files)?;
        let cannot = |error: io::Error| Error::Damaged(format!("the log cannot be written: {error}"));
        for generation in scan.unused.iter().rev() {
            files.remove(&name(*generation)).map_err(cannot)?;
        }
        let segments = Arc::new(Segments(Mutex::new(scan.segments)));
        let (active, offset) = match scan.active {
            Some((header, size, offset)) => {
                let mut file = files.open(&name(header.generation)).map_err(cannot)?;
                if let Some(end) = scan.torn_end {
                    tracing::info!(segment = name(header.generation), offset, "cutting a frame that was never finished");
                    file.write_at(offset, &vec![0; (end - offset) as usize]).and_then(|()| file.sync()).map_err(cannot)?;
                }
                (Segment { file, header, size }, offset)
            }
            None => {
                let segment = create(&*files, 1, segment_bytes).map_err(|error| Error::Full(format!("the first log segment: {error}")))?;
                segments.push(1, segment.size, FIRST_SEQUENCE);
                (segment, SEGMENT_HEADER_BYTES as u64)
            }
        };
        let mut log = Self {
            files,
            segment_bytes,
            active,
            offset,
            ahead: None,
            previous: scan.previous.unwrap_or(0),
            next_sequence: scan.next_sequence.unwrap_or(FIRST_SEQUENCE),
            segments,
        };
        log.allocate_ahead();
        Ok(Found { log, first_sequence: scan.first_sequence, manifest: scan.manifest })
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
            self.switch_segment(size).map_err(|error| WriteError::Full(error.to_string()))?;
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

    fn switch_segment(&mut self, frame_bytes: u64) -> io::Result<()> {
        if self.ahead.is_none() {
            self.allocate_ahead();
        }
        let ahead = self.ahead.take().expect("it was asked for just now");
        let gone = |_| io::Error::other("the thread that allocates segments ended");
        let mut next = ahead.recv().map_err(gone).and_then(|allocated| allocated)?;
        if SEGMENT_HEADER_BYTES as u64 + frame_bytes > next.size {
            // A frame larger than a segment gets one of its own; the one allocated ahead is replaced.
            next = create(&*self.files, next.header.generation, SEGMENT_HEADER_BYTES as u64 + frame_bytes)?;
        }
        self.segments.push(next.header.generation, next.size, self.next_sequence);
        self.active = next;
        self.offset = SEGMENT_HEADER_BYTES as u64;
        self.allocate_ahead();
        Ok(())
    }

    fn allocate_ahead(&mut self) {
        let (sender, receiver) = sync_channel(1);
        let (files, generation, bytes) = (Arc::clone(&self.files), self.active.header.generation + 1, self.segment_bytes);
        let allocate = move || {
            // Nobody listens when the store was closed meanwhile.
            let _ = sender.send(create(&*files, generation, bytes));
        };
        // Without a thread nobody sends: the frame that needs the segment is told so, and asks again.
        let _ = std::thread::Builder::new().name("skald-log-ahead".to_owned()).spawn(allocate);
        self.ahead = Some(receiver);
    }
}

impl Drop for Log {
    /// No allocation goes on in the folder once the log is closed.
    fn drop(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            let _ = ahead.recv();
        }
    }
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

    /// Removes the segments whose items all come before `floor`. The active one and one with the last item stay.
    pub(super) fn remove_below(&self, floor: u64, files: &dyn Files) -> io::Result<()> {
        loop {
            let oldest = match &self.lock()[..] {
                [oldest, .., active] if oldest.end <= floor && oldest.end < active.end => oldest.generation,
                _ => return Ok(()),
            };
            files.remove(&name(oldest))?;
            self.lock().remove(0);
        }
    }
}

/// A pass over all segments that checks everything and keeps nothing.
#[derive(Default)]
struct Scan {
    segments: Vec<SegmentSummary>,
    /// Header, size, and where the next frame goes.
    active: Option<(SegmentHeader, u64, u64)>,
    /// Where the rests of an incomplete frame at the end of the active segment end.
    torn_end: Option<u64>,
    /// Segments behind the active one.
    unused: Vec<u64>,
    first_sequence: Option<u64>,
    next_sequence: Option<u64>,
    previous: Option<u32>,
    manifest: Option<(u64, u32)>,
    /// The first place that holds something else than a frame or zeros.
    torn: Option<(u64, u64)>,
}

impl Scan {
    fn run(files: &dyn Files) -> Result<Self, Error> {
        let names = files.list().map_err(|error| Error::Damaged(format!("the log folder cannot be read: {error}")))?;
        let mut generations: Vec<u64> = names.iter().filter_map(|name| generation(name)).collect();
        generations.sort_unstable();
        let mut scan = Self::default();
        for (index, &generation) in generations.iter().enumerate() {
            if index > 0 && generations[index - 1] + 1 != generation {
                return Err(damaged(generations[index - 1] + 1, 0, "the segment is missing"));
            }
            let is_last = index + 1 == generations.len();
            scan.segment(generation, &read(files, generation)?, is_last)?;
        }
        Ok(scan)
    }

    fn segment(&mut self, generation: u64, bytes: &[u8], is_last: bool) -> Result<(), Error> {
        let Some(header) = SegmentHeader::decode(bytes) else {
            // The allocation of a segment writes its header and zeros.
            if is_last && bytes.iter().skip(SEGMENT_HEADER_BYTES).all(|byte| *byte == 0) {
                self.unused.push(generation);
                return Ok(());
            }
            return Err(damaged(generation, 0, "its header is wrong"));
        };
        if header.generation != generation {
            return Err(damaged(generation, 0, "it is another segment"));
        }
        let mut offset = SEGMENT_HEADER_BYTES;
        while let Some(frame) = FrameHeader::decode(bytes, offset, header.salt) {
            self.frame(generation, bytes, offset, &frame)?;
            offset += frame.size();
        }
        let rest = bytes.get(offset..).unwrap_or_default();
        let last_byte = rest.iter().rposition(|byte| *byte != 0);
        if last_byte.is_some() {
            self.rest(&header, bytes, offset)?;
        }
        if self.active.is_none() || offset > SEGMENT_HEADER_BYTES {
            self.torn_end = last_byte.map(|last| (offset + last + 1) as u64);
            self.active = Some((header, bytes.len() as u64, offset as u64));
            let end = self.next_sequence.unwrap_or(FIRST_SEQUENCE);
            self.segments.push(SegmentSummary { generation, size: bytes.len() as u64, end });
        } else {
            self.unused.push(generation);
        }
        Ok(())
    }

    fn frame(&mut self, generation: u64, bytes: &[u8], offset: usize, frame: &FrameHeader) -> Result<(), Error> {
        // A later frame is only written once all before it were flushed.
        if let Some((torn, torn_offset)) = self.torn {
            return Err(damaged(torn, torn_offset, "what is there is no frame, and a later one is whole"));
        }
        let follows =
            self.next_sequence.is_none_or(|next| next == frame.sequence) && self.previous.is_none_or(|previous| previous == frame.previous);
        if !follows {
            let (generation, offset) = match &self.active {
                Some((active, _, end)) if offset == SEGMENT_HEADER_BYTES => (active.generation, *end),
                Some(_) | None => (generation, offset as u64),
            };
            return Err(damaged(generation, offset, "frames are missing"));
        }
        if frame.has_manifest {
            for item in items(bytes, generation, offset, frame)? {
                if let Item::Manifest { version, checksum } = item {
                    self.manifest = self.manifest.max(Some((version, checksum)));
                }
            }
        }
        self.first_sequence = self.first_sequence.or(Some(frame.sequence));
        self.next_sequence = Some(frame.sequence + u64::from(frame.count));
        self.previous = Some(frame.checksum);
        Ok(())
    }

    /// Behind the last frame of a segment there is something that is neither a frame nor zeros.
    fn rest(&mut self, header: &SegmentHeader, bytes: &[u8], offset: usize) -> Result<(), Error> {
        let generation = header.generation;
        if let Some((torn, torn_offset)) = self.torn {
            return Err(damaged(torn, torn_offset, "what is there is no frame, and a later segment was written"));
        }
        let is_frame = |at: &usize| FrameHeader::decode(bytes, *at, header.salt).is_some();
        if (offset + ALIGNMENT..bytes.len()).step_by(ALIGNMENT).any(|at| is_frame(&at)) {
            return Err(damaged(generation, offset as u64, "what is there is no frame, and a later one is whole"));
        }
        self.torn = Some((generation, offset as u64));
        Ok(())
    }
}

fn items(bytes: &[u8], generation: u64, offset: usize, frame: &FrameHeader) -> Result<Vec<Item>, Error> {
    let start = offset + FRAME_HEADER_BYTES;
    decode_items(&bytes[start..start + frame.length as usize], frame.count)
        .map_err(|Malformed(why)| damaged(generation, offset as u64, why))
}

fn create(files: &dyn Files, generation: u64, bytes: u64) -> io::Result<Segment> {
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
    let header = SegmentHeader { generation, salt: u64::from_le_bytes(salt) };
    let file = files.create(&name(generation), &header.encode(), bytes)?;
    Ok(Segment { file, header, size: bytes })
}

fn read(files: &dyn Files, generation: u64) -> Result<Vec<u8>, Error> {
    files.read(&name(generation)).map_err(|error| Error::Damaged(format!("log/{}: {error}", name(generation))))
}

fn damaged(generation: u64, offset: u64, why: &str) -> Error {
    Error::Damaged(format!("log/{} at offset {offset}: {why}", name(generation)))
}

/// The file of a segment.
pub(super) fn name(generation: u64) -> String {
    format!("{generation:012}.log")
}

pub(super) fn generation(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.parse().ok()
}
