//! The format of the log: segments of frames, a frame for each flush, items inside.
//!
//! A segment begins with a header that names its generation and a random salt. A frame is what one flush made durable:
//! a header, then items, each with a sequence number of its own. Its checksum begins with the salt, so that no payload
//! can be made to look like a frame, and covers the predecessor's checksum, so that none can be missing.
//!
//! A segment is written over the frames of an earlier one. These cannot be taken for its own: the salts of a log differ in
//! four bytes that count its segments, and CRC-32C, as any checksum of 32 bits that is linear, maps what differs in four
//! neighbouring bytes only to different values.

use bytes::Bytes;

use crate::{Batch, Change, Chunk, EntityId, Entry, Epoch, Operation, PartitionId, Position, Removal, Table, Urgency};

pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
pub(super) const FRAME_HEADER_BYTES: usize = 32;
/// Frames begin at multiples of this, so that a search for them is quick.
pub(super) const ALIGNMENT: usize = 32;
/// The version of everything in the log.
const VERSION: u32 = 2;

const SEGMENT_MAGIC: [u8; 8] = *b"SkaldLog";
const FRAME_MAGIC: [u8; 4] = *b"SkFr";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// 1 for the first segment, one more for each later one.
    pub(super) generation: u64,
    /// Its upper half is the log's, its lower half counts segments.
    pub(super) salt: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Of the items, padding not counted.
    pub(super) length: u32,
    /// Of the first item.
    pub(super) sequence: u64,
    pub(super) count: u32,
    /// The checksum of the frame before; 0 for the very first.
    pub(super) previous: u32,
    /// Whether a [`Item::Manifest`] is among the items.
    pub(super) has_manifest: bool,
    pub(super) checksum: u32,
}

/// What the log holds.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Batch(Batch),
    /// A partition was taken over.
    Claim {
        partition: PartitionId,
        epoch: Epoch,
    },
    /// The cold tree's manifest, as its last flush left it.
    Manifest {
        version: u64,
        checksum: u32,
    },
    /// Entities left.
    Removal(Removal),
}

/// Bytes that do not decode although their checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl SegmentHeader {
    /// Of the segment that follows this one.
    pub(super) fn next(self) -> Self {
        let count = (self.salt as u32).wrapping_add(1);
        Self { generation: self.generation + 1, salt: self.salt & !u64::from(u32::MAX) | u64::from(count) }
    }

    pub(super) fn encode(self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.generation.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` for anything but a whole header of this version.
    pub(super) fn decode(segment: &[u8]) -> Option<Self> {
        let bytes = segment.get(..SEGMENT_HEADER_BYTES)?;
        let is_whole = bytes[..8] == SEGMENT_MAGIC
            && bytes[8..12] == VERSION.to_le_bytes()
            && bytes[60..] == crc32c::crc32c(&bytes[..60]).to_le_bytes();
        is_whole.then(|| Self { generation: u64_at(bytes, 16), salt: u64_at(bytes, 24) })
    }
}

impl FrameHeader {
    /// The frame at `offset`, when a whole one is there.
    pub(super) fn decode(segment: &[u8], offset: usize, salt: u64) -> Option<Self> {
        let bytes = segment.get(offset..offset + FRAME_HEADER_BYTES)?;
        if bytes[..4] != FRAME_MAGIC {
            return None;
        }
        let header = Self {
            length: u32_at(bytes, 4),
            sequence: u64_at(bytes, 8),
            count: u32_at(bytes, 16),
            previous: u32_at(bytes, 20),
            has_manifest: bytes[24] == 1,
            checksum: u32_at(bytes, 28),
        };
        // Cheap, and enough for nearly everything that is no frame of this segment.
        if bytes[25..28] != tag(salt, &bytes[..25]) {
            return None;
        }
        // Its padding is part of it: a segment is never shorter than what was written.
        let items = segment.get(offset..)?.get(..header.size())?.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + header.length as usize)?;
        (header.checksum == checksum(salt, &bytes[..28], items)).then_some(header)
    }

    /// Whether the header of a frame is at `offset`, whatever follows it.
    pub(super) fn is_begun(segment: &[u8], offset: usize, salt: u64) -> bool {
        let header = segment.get(offset..).and_then(|rest| rest.get(..FRAME_HEADER_BYTES));
        header.is_some_and(|bytes| bytes[..4] == FRAME_MAGIC && bytes[25..28] == tag(salt, &bytes[..25]))
    }

    /// Where the next frame may begin, counted from where this one does.
    pub(super) fn size(&self) -> usize {
        padded(FRAME_HEADER_BYTES + self.length as usize)
    }
}

/// A checksum of the header alone: whoever searches for frames need not look at what only seems to be one.
fn tag(salt: u64, header: &[u8]) -> [u8; 3] {
    let [first, second, third, _] = crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), header).to_le_bytes();
    [first, second, third]
}

fn checksum(salt: u64, header: &[u8], items: &[u8]) -> u32 {
    let seed = crc32c::crc32c(&salt.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(seed, header), items)
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}

/// A frame under construction. The buffer is used again and again.
#[derive(Debug, Default)]
pub(super) struct FrameBuffer {
    bytes: Vec<u8>,
    count: u32,
    has_manifest: bool,
}

/// Above this the buffer is given back after use.
const KEPT_BUFFER_BYTES: usize = 8 << 20;

impl FrameBuffer {
    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BUFFER_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.resize(FRAME_HEADER_BYTES, 0);
        self.count = 0;
        self.has_manifest = false;
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// With header and padding.
    pub(super) fn size(&self) -> usize {
        padded(self.bytes.len())
    }

    pub(super) fn push(&mut self, item: &Item) {
        self.count += 1;
        match item {
            Item::Batch(batch) => {
                self.bytes.push(1);
                self.push_batch(batch);
            }
            Item::Claim { partition, epoch } => {
                self.bytes.push(2);
                self.bytes.extend(partition.0.to_le_bytes());
                self.bytes.extend(epoch.0.to_le_bytes());
            }
            Item::Manifest { version, checksum } => {
                self.has_manifest = true;
                self.bytes.push(3);
                self.bytes.extend(version.to_le_bytes());
                self.bytes.extend(checksum.to_le_bytes());
            }
            Item::Removal(removal) => {
                self.bytes.push(4);
                self.push_batch(&removal.condition());
            }
        }
    }

    fn push_batch(&mut self, batch: &Batch) {
        self.bytes.extend(batch.partition.0.to_le_bytes());
        self.bytes.extend(batch.epoch.0.to_le_bytes());
        self.bytes.extend(batch.at.to_le_bytes());
        self.bytes.extend((batch.entries.len() as u32).to_le_bytes());
        self.bytes.extend((batch.changes.len() as u32).to_le_bytes());
        for Entry { entity, expected, chunk, head } in &batch.entries {
            self.bytes.extend(entity.to_bytes());
            self.bytes.extend(expected.0.to_le_bytes());
            self.bytes.push(u8::from(chunk.is_some()) | u8::from(head.is_some()) << 1);
            if let Some(chunk) = chunk {
                self.bytes.extend(chunk.count.to_le_bytes());
                self.push_bytes(&chunk.bytes);
            }
            if let Some(head) = head {
                self.push_bytes(head);
            }
        }
        for Change { table, key, operation } in &batch.changes {
            self.bytes.push(*table as u8);
            match operation {
                // That the key was free was found out before: replaying it is putting.
                Operation::Put(value) | Operation::PutIfAbsent(value) => {
                    self.bytes.push(1);
                    self.push_bytes(key);
                    self.push_bytes(value);
                }
                Operation::Delete => {
                    self.bytes.push(2);
                    self.push_bytes(key);
                }
            }
        }
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend((bytes.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    /// The frame as it is to be written, and its checksum.
    pub(super) fn seal(&mut self, salt: u64, sequence: u64, previous: u32) -> (&[u8], u32) {
        let length = (self.bytes.len() - FRAME_HEADER_BYTES) as u32;
        self.bytes[..4].copy_from_slice(&FRAME_MAGIC);
        self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        self.bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
        self.bytes[16..20].copy_from_slice(&self.count.to_le_bytes());
        self.bytes[20..24].copy_from_slice(&previous.to_le_bytes());
        self.bytes[24] = u8::from(self.has_manifest);
        let tag = tag(salt, &self.bytes[..25]);
        self.bytes[25..28].copy_from_slice(&tag);
        let (header, items) = self.bytes.split_at(FRAME_HEADER_BYTES);
        let checksum = checksum(salt, &header[..28], items);
        self.bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
        self.bytes.resize(padded(self.bytes.len()), 0);
        (&self.bytes, checksum)
    }
}

/// The `count` items of a frame.
pub(super) fn decode_items(bytes: &[u8], count: u32) -> Result<Vec<Item>, Malformed> {
    let mut reader = Reader(bytes);
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(match reader.u8()? {
            1 => Item::Batch(reader.batch()?),
            2 => Item::Claim { partition: PartitionId(reader.u16()?), epoch: Epoch(reader.u64()?) },
            3 => Item::Manifest { version: reader.u64()?, checksum: reader.u32()? },
            4 => Item::Removal(reader.removal()?),
            _ => return Err(Malformed("an item of an unknown kind")),
        });
    }
    if reader.0.is_empty() { Ok(items) } else { Err(Malformed("bytes behind the last item")) }
}

/// Takes values off the front of a slice.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.take(2)?.try_into().expect("two bytes")))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32_at(self.take(4)?, 0))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64_at(self.take(8)?, 0))
    }

    pub(super) fn u128(&mut self) -> Result<u128, Malformed> {
        Ok(u128::from_le_bytes(self.take(16)?.try_into().expect("sixteen bytes")))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn batch(&mut self) -> Result<Batch, Malformed> {
        let (partition, epoch) = (PartitionId(self.u16()?), Epoch(self.u64()?));
        let at = self.u64()? as i64;
        let (entries, changes) = (self.u32()?, self.u32()?);
        Ok(Batch {
            partition,
            epoch,
            urgency: Urgency::RunningWork,
            at,
            entries: (0..entries).map(|_| self.entry()).collect::<Result<_, _>>()?,
            changes: (0..changes).map(|_| self.change()).collect::<Result<_, _>>()?,
        })
    }

    /// Written as the batch that demands the same.
    fn removal(&mut self) -> Result<Removal, Malformed> {
        let Batch { partition, epoch, urgency: _, at, entries, changes } = self.batch()?;
        let entities = entries.iter().map(|entry| (entry.entity, entry.expected)).collect();
        Ok(Removal { partition, epoch, at, entities, changes })
    }

    fn entry(&mut self) -> Result<Entry, Malformed> {
        let entity = EntityId::from_bytes(self.take(16)?.try_into().expect("sixteen bytes"));
        let expected = Position(self.u64()?);
        let parts = self.u8()?;
        // Copied: a slice of the segment would keep all of it in memory.
        let chunk = match parts & 1 {
            0 => None,
            _ => Some(Chunk { count: self.u32()?, bytes: Bytes::copy_from_slice(self.bytes()?) }),
        };
        let head = match parts & 2 {
            0 => None,
            _ => Some(Bytes::copy_from_slice(self.bytes()?)),
        };
        Ok(Entry { entity, expected, chunk, head })
    }

    fn change(&mut self) -> Result<Change, Malformed> {
        let table = table(self.u8()?)?;
        let kind = self.u8()?;
        let key = Bytes::copy_from_slice(self.bytes()?);
        let operation = match kind {
            1 => Operation::Put(Bytes::copy_from_slice(self.bytes()?)),
            2 => Operation::Delete,
            _ => return Err(Malformed("a change of an unknown kind")),
        };
        Ok(Change { table, key, operation })
    }
}

pub(super) fn table(number: u8) -> Result<Table, Malformed> {
    Table::ALL.into_iter().find(|table| *table as u8 == number).ok_or(Malformed("a table of an unknown number"))
}
