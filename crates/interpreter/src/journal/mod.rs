//! The binary form of records: what a store keeps, for ever.
//!
//! One append is one **chunk**: [`encode`] and [`decode`] are the way in. [`layout`] lists every record, its tag and the
//! order of its fields; [`field`] says how one field is written. `golden/` holds bytes that must keep their meaning.
//!
//! ```text
//! chunk     version (1 byte: 1), records
//! record    length of the rest (4 bytes, little-endian), tag (1 byte), for events the head, fields
//! head      id − id of the event before, id − previous, time − time of the event before: signed varints; frame: varint
//! varint    LEB128, 1 to 10 bytes; signed: zigzag; "the event before" is the one before it in the chunk, at first 0
//! text      length: varint, UTF-8
//! name      varint: length × 2, and the UTF-8 follows; or ordinal × 2 + 1, the name written as the ordinal-th of the chunk
//! payload   as a name, with ordinals of its own
//! instant   signed varint: milliseconds after the time of the latest event so far
//! optional  0; or 1 and the value
//! list      count: varint, the items
//! ```
//!
//! A payload or state name that a chunk holds already is written as its ordinal, and decoding gives both places the same
//! allocation. References never leave the chunk: each can be read alone.
//!
//! **How the format grows.** A new record takes a new tag; tags are never reused. A later version may append fields to a
//! record: its reader knows by the record's length that an older one lacks them. The other way round nothing is guessed: an
//! unknown version, an unknown tag, and bytes left over in a record or chunk are errors, since skipping what one does not
//! know would rebuild a different execution.
//!
//! Not here, on purpose: checksums and compression (the store's); checking that payloads are JSON (done when they came in).

pub(crate) mod field;
pub(crate) mod layout;
pub(crate) mod reader;
pub(crate) mod writer;

#[cfg(test)]
pub(crate) mod tests;

use skald_asl::Timestamp;

use crate::event::{Event, EventId, EventKind, FrameId};
use crate::note::Note;
use crate::record::Record;
use field::Field;
use layout::Tagged;
use reader::Reader;
use writer::Writer;

const VERSION: u8 = 1;

/// The fewest bytes of a record: length, tag, one field of one byte.
const RECORD_BYTES_MIN: usize = 6;

/// Why bytes are no chunk of records. Offsets count from the start of the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("unknown journal format version {version}")]
    UnknownVersion { version: u8 },
    #[error("unknown record tag {tag} at byte {offset}")]
    UnknownTag { tag: u8, offset: usize },
    #[error("truncated at byte {offset}")]
    Truncated { offset: usize },
    #[error("bytes left over at byte {offset}")]
    LeftOver { offset: usize },
    #[error("number too large at byte {offset}")]
    NumberTooLarge { offset: usize },
    /// A byte that stands for one of several values stands for none.
    #[error("unknown value {value} at byte {offset}")]
    UnknownValue { value: u8, offset: usize },
    #[error("reference to nothing earlier at byte {offset}")]
    UnknownReference { offset: usize },
    #[error("text is not UTF-8 at byte {offset}")]
    NotUtf8 { offset: usize },
}

/// Writes the records of one append as one chunk.
pub fn encode(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::new(records.len());
    writer.byte(VERSION);
    for record in records {
        let length = writer.begin_record();
        match record {
            Record::Event(event) => {
                writer.byte(event.kind.tag());
                write_head(event, &mut writer);
                event.kind.write_fields(&mut writer);
            }
            Record::Note(note) => {
                writer.byte(note.tag());
                note.write_fields(&mut writer);
            }
        }
        writer.end_record(length);
    }
    writer.into_bytes()
}

/// Reads a chunk of `count` records. What it allocates is bounded by the bytes, whatever they and `count` say.
///
/// # Errors
/// [`DecodeError`] for any bytes that [`encode`] did not write.
pub fn decode(bytes: &[u8], count: u32) -> Result<Vec<Record>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(DecodeError::UnknownVersion { version });
    }
    let count = count as usize;
    let mut records = Vec::with_capacity(count.min(bytes.len() / RECORD_BYTES_MIN));
    for _ in 0..count {
        let chunk_end = reader.begin_record()?;
        records.push(read_record(&mut reader)?);
        reader.end_record(chunk_end)?;
    }
    reader.expect_end()?;
    Ok(records)
}

fn read_record(reader: &mut Reader<'_>) -> Result<Record, DecodeError> {
    let offset = reader.offset();
    let tag = reader.byte()?;
    if layout::is_note(tag) {
        let note = Note::read_fields(tag, reader)?.ok_or(DecodeError::UnknownTag { tag, offset })?;
        return Ok(Record::Note(note));
    }
    let Head { id, previous, at, frame } = read_head(reader)?;
    let kind = EventKind::read_fields(tag, reader)?.ok_or(DecodeError::UnknownTag { tag, offset })?;
    Ok(Record::Event(Event { id, previous, at, frame, kind }))
}

/// What every event begins with.
struct Head {
    id: EventId,
    previous: EventId,
    at: Timestamp,
    frame: FrameId,
}

fn write_head<'r>(event: &'r Event, writer: &mut Writer<'r>) {
    writer.signed(difference(event.id, writer.event_id));
    writer.signed(difference(event.id, event.previous));
    event.at.write(writer);
    event.frame.write(writer);
    writer.event_id = event.id;
    writer.event_millis = event.at.millis;
}

fn read_head(reader: &mut Reader<'_>) -> Result<Head, DecodeError> {
    let id = reader.event_id.wrapping_add_signed(reader.signed()?);
    let previous = id.wrapping_add_signed(reader.signed()?.wrapping_neg());
    let at = Timestamp::read(reader)?;
    let frame = FrameId::read(reader)?;
    reader.event_id = id;
    reader.event_millis = at.millis;
    Ok(Head { id, previous, at, frame })
}

/// `left − right`, around the end of numbers if need be: the reader goes around it the same way.
fn difference(left: u64, right: u64) -> i64 {
    left.wrapping_sub(right).cast_signed()
}
