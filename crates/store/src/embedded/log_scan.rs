//! The log of a store that may not open: every frame that is whole, and where others were.
//!
//! Opening stops at the first damage ([`super::scan`]); this goes on behind it. It changes nothing.
//!
//! Behind the last frame of a segment lies anything: that a frame is missing there shows in the next one, which does not
//! follow.

use std::fs;
use std::path::Path;

use super::frame::{ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, Item, SEGMENT_HEADER_BYTES, SegmentHeader, decode_items};
use super::log::{self, FIRST_SEQUENCE};

/// What is left of a log.
#[derive(Default)]
pub(super) struct LogScan {
    /// Whole items with their sequence numbers, in order.
    pub(super) items: Vec<(u64, Item)>,
    pub(super) segments: Vec<Segment>,
    /// What is missing, in the order of the log.
    pub(super) gaps: Vec<Gap>,
    /// The sequence number behind the last whole item.
    pub(super) next_sequence: Option<u64>,
    /// The last segment with a frame, and where its last frame ends.
    pub(super) end: Option<(u64, u64)>,
    /// The first segment in which a frame was begun and none is whole.
    beheaded: Option<(u64, u64)>,
    /// The checksum of the last whole frame.
    previous: Option<u32>,
}

/// One file.
pub(super) struct Segment {
    pub(super) generation: u64,
    pub(super) bytes: u64,
    /// Frames in it.
    pub(super) frames: u64,
    /// What is wrong in it, with its offset.
    pub(super) damages: Vec<String>,
}

/// Items that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) generation: u64,
    pub(super) offset: u64,
    /// `from..to` in sequence numbers; without an end when nothing whole follows, empty when nothing whole comes before.
    pub(super) from: u64,
    pub(super) to: Option<u64>,
}

impl LogScan {
    pub(super) fn run(folder: &Path) -> Self {
        let mut scan = Self::default();
        let Ok(entries) = fs::read_dir(folder) else { return scan };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut generations: Vec<u64> = names.filter_map(|name| log::generation(&name)).collect();
        generations.sort_unstable();
        for generation in generations {
            scan.segment(folder, generation);
        }
        scan
    }

    /// The sequence number of the first whole item.
    pub(super) fn first_sequence(&self) -> Option<u64> {
        self.items.first().map(|(sequence, _)| *sequence)
    }

    /// Says that the log should go on to `to`, or begin at `from`.
    pub(super) fn miss(&mut self, generation: u64, offset: u64, from: u64, to: Option<u64>, why: &str) {
        let place = format!("log/{} at offset {offset}: {why}", log::name(generation));
        match self.segments.iter_mut().find(|segment| segment.generation == generation) {
            Some(segment) => segment.damages.push(place),
            None => self.segments.push(Segment { generation, bytes: 0, frames: 0, damages: vec![place] }),
        }
        self.gaps.push(Gap { generation, offset, from, to });
    }

    fn segment(&mut self, folder: &Path, generation: u64) {
        let read = fs::read(folder.join(log::name(generation)));
        let bytes = read.as_deref().unwrap_or_default();
        self.segments.push(Segment { generation, bytes: bytes.len() as u64, frames: 0, damages: Vec::new() });
        if let Err(error) = &read {
            return self.damage(generation, 0, &error.to_string());
        }
        let Some(header) = SegmentHeader::decode(bytes).filter(|header| header.generation == generation) else {
            // A segment is given its name when its header is durable.
            self.damage(generation, 0, "its header is not what was written, and without it no frame can be told from chance");
            return;
        };
        let (mut offset, mut bad) = (SEGMENT_HEADER_BYTES, None);
        while offset < bytes.len() {
            // What a segment held before it was used again has another salt.
            let frame = FrameHeader::decode(bytes, offset, header.salt);
            let Some(frame) = frame.filter(|frame| self.next_sequence.is_none_or(|next| frame.sequence >= next)) else {
                bad = bad.or(Some(offset));
                offset += ALIGNMENT;
                continue;
            };
            self.frame(generation, bytes, offset, &frame, bad.take());
            offset += frame.size();
        }
        let is_begun =
            bytes.len() < SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES || FrameHeader::is_begun(bytes, SEGMENT_HEADER_BYTES, header.salt);
        if is_begun && self.end.is_none() {
            self.beheaded = self.beheaded.or(Some((generation, SEGMENT_HEADER_BYTES as u64)));
        }
    }

    /// Takes a whole frame; `bad` is where something else began before it.
    fn frame(&mut self, generation: u64, bytes: &[u8], offset: usize, frame: &FrameHeader, bad: Option<usize>) {
        let next = self.next_sequence.unwrap_or(frame.sequence);
        let follows = frame.sequence == next && self.previous.is_none_or(|previous| previous == frame.previous);
        match (bad, self.end) {
            (Some(bad), _) => {
                self.miss(generation, bad as u64, next, Some(frame.sequence), "what is there is no frame, and a later one is whole")
            }
            (None, Some((last, end))) if !follows => self.miss(last, end, next, Some(frame.sequence), "frames are missing"),
            (None, _) => {}
        }
        let start = offset + FRAME_HEADER_BYTES;
        match decode_items(&bytes[start..start + frame.length as usize], frame.count) {
            Ok(items) => self.items.extend((frame.sequence..).zip(items)),
            Err(why) => self.miss(generation, offset as u64, frame.sequence, Some(frame.sequence + u64::from(frame.count)), why.0),
        }
        self.next_sequence = Some(frame.sequence + u64::from(frame.count));
        self.previous = Some(frame.checksum);
        self.end = Some((generation, (offset + frame.size()) as u64));
        if let Some(segment) = self.segments.last_mut() {
            segment.frames += 1;
        }
    }

    fn damage(&mut self, generation: u64, offset: u64, why: &str) {
        let place = format!("log/{} at offset {offset}: {why}", log::name(generation));
        if let Some(segment) = self.segments.last_mut() {
            segment.damages.push(place);
        }
    }

    /// Compares the log with what the cold tree needs of it: items from `floor` on, and at least up to `in_tree`.
    pub(super) fn check_reach(&mut self, floor: u64, in_tree: u64) {
        let oldest = self.segments.first().map_or(1, |segment| segment.generation.saturating_sub(1).max(1));
        let (generation, offset) = self.beheaded.unwrap_or((oldest, 0));
        let floor = floor.max(FIRST_SEQUENCE);
        match self.first_sequence() {
            Some(first) if first > floor => {
                let why = if self.beheaded.is_some() { "no frame is whole" } else { "it is missing: the log begins later" };
                self.miss(generation, offset, floor, Some(first), why);
            }
            None if in_tree >= FIRST_SEQUENCE => self.miss(generation, offset, floor, None, "there is nothing in the log"),
            Some(_) | None => {}
        }
        if let (Some((generation, offset)), Some(next)) = (self.end, self.next_sequence)
            && next <= in_tree
        {
            self.miss(generation, offset, next, None, "the log ends here, the cold store knows more");
        }
    }
}
