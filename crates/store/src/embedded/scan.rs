//! What is found of the log when it is opened: a pass over all segments that checks everything.
//!
//! Behind the last frame of a segment lies anything: zeros, or frames of the segment that was there before. What is no
//! frame is the end, then, when nothing contradicts: a later frame of the same segment, or a first frame of the next one
//! that does not follow.

use super::files::Files;
use super::frame::{ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, Item, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::log::{FIRST_SEQUENCE, SegmentSummary, damaged, generation, items, read};
use super::space::spare_number;
use crate::Error;

#[derive(Default)]
pub(super) struct Scan {
    pub(super) segments: Vec<SegmentSummary>,
    /// Header, size, and where the next frame goes.
    pub(super) active: Option<(SegmentHeader, u64, u64)>,
    /// The bytes of the last frame, when the active segment has one.
    pub(super) last_frame: Vec<u8>,
    /// A frame was begun behind the last one.
    pub(super) is_torn: bool,
    /// The first segment, when a frame was begun in it and none is whole.
    pub(super) beheaded: Option<u64>,
    /// Segments behind the active one: generation and size.
    pub(super) unused: Vec<(u64, u64)>,
    /// Files that may become segments, by number.
    pub(super) spares: Vec<u64>,
    pub(super) first_sequence: Option<u64>,
    pub(super) next_sequence: Option<u64>,
    pub(super) previous: Option<u32>,
    pub(super) manifest: Option<(u64, u32)>,
}

impl Scan {
    pub(super) fn run(files: &dyn Files) -> Result<Self, Error> {
        let names = files.list().map_err(|error| Error::Damaged(format!("the log folder cannot be read: {error}")))?;
        let mut generations: Vec<u64> = names.iter().filter_map(|name| generation(name)).collect();
        generations.sort_unstable();
        let mut scan = Self { spares: names.iter().filter_map(|name| spare_number(name)).collect(), ..Self::default() };
        scan.spares.sort_unstable();
        for (index, &generation) in generations.iter().enumerate() {
            if index > 0 && generations[index - 1] + 1 != generation {
                return Err(damaged(generations[index - 1] + 1, 0, "the segment is missing"));
            }
            scan.segment(generation, &read(files, generation)?)?;
        }
        Ok(scan)
    }

    fn segment(&mut self, generation: u64, bytes: &[u8]) -> Result<(), Error> {
        // A segment is given its name when its header is durable.
        let header = SegmentHeader::decode(bytes).ok_or_else(|| damaged(generation, 0, "its header is wrong"))?;
        if header.generation != generation {
            return Err(damaged(generation, 0, "it is another segment"));
        }
        let (mut offset, mut last) = (SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES);
        while let Some(frame) = FrameHeader::decode(bytes, offset, header.salt) {
            self.frame(generation, bytes, offset, &frame)?;
            (offset, last) = (offset + frame.size(), offset);
        }
        let is_frame = |at: &usize| FrameHeader::decode(bytes, *at, header.salt).is_some();
        if (offset + ALIGNMENT..bytes.len()).step_by(ALIGNMENT).any(|at| is_frame(&at)) {
            return Err(damaged(generation, offset as u64, "what is there is no frame, and a later one is whole"));
        }
        let is_cut_short = bytes.len() < SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES;
        let is_torn = is_cut_short || FrameHeader::is_begun(bytes, offset, header.salt);
        // A frame that was never finished is erased before the log goes on behind it.
        if let Some((before, _, end)) = self.active.as_ref().filter(|_| self.is_torn && is_torn && offset == SEGMENT_HEADER_BYTES) {
            return Err(damaged(before.generation, *end, "what is there is no frame, and a later segment was begun"));
        }
        if self.active.is_none() || offset > SEGMENT_HEADER_BYTES || is_torn {
            self.active = Some((header, bytes.len() as u64, offset as u64));
            self.last_frame = bytes[last..offset].to_vec();
            self.is_torn = is_torn;
            if self.is_torn && self.first_sequence.is_none() {
                self.beheaded = Some(generation);
            }
            let end = self.next_sequence.unwrap_or(FIRST_SEQUENCE);
            self.segments.push(SegmentSummary { generation, size: bytes.len() as u64, end });
        } else {
            self.unused.push((generation, bytes.len() as u64));
        }
        Ok(())
    }

    fn frame(&mut self, generation: u64, bytes: &[u8], offset: usize, frame: &FrameHeader) -> Result<(), Error> {
        let is_first = offset == SEGMENT_HEADER_BYTES;
        if let Some((empty, _)) = self.unused.first().filter(|_| is_first) {
            return Err(damaged(*empty, SEGMENT_HEADER_BYTES as u64, "what is there is no frame, and a later segment was written"));
        }
        let follows =
            self.next_sequence.is_none_or(|next| next == frame.sequence) && self.previous.is_none_or(|previous| previous == frame.previous);
        if !follows {
            let (generation, offset) = match &self.active {
                Some((active, _, end)) if is_first => (active.generation, *end),
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
}
