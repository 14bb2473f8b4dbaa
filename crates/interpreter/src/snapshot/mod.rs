//! The binary form of a folded execution: what a head carries, so that waking it reads no more than what came after.
//!
//! [`encode`] and [`decode`] are the way in; [`layout`] lists every part of the state. Numbers, texts and shared payloads
//! are written as in a chunk of [`crate::journal`].
//!
//! ```text
//! snapshot  fold version: varint; position, last event: varints; last time: signed varint, milliseconds since 1970;
//!           identity, status, next frame, frames, deadline, owed cancellations
//! instant   signed varint: milliseconds after the last time
//! choice    tag (1 byte), fields
//! map       count: varint, the pairs
//! ```
//!
//! A snapshot may be lost, and is never needed: the journal says the same. So it does not grow as the journal's format
//! does: whenever folding comes to mean something else, or the state has another part, [`FOLD_VERSION`] is raised, and
//! snapshots of other versions are not read at all.
//!
//! Not here, on purpose: the definition, which is stored once for all executions; checksums and compression (the store's).

mod layout;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use skald_asl::{Definition, Timestamp};

use crate::execution::Execution;
use crate::journal;
use crate::journal::field::Field;
use crate::journal::reader::Reader;
use crate::journal::writer::Writer;

/// What the folded state means. INVARIANT: raised with every change of `fold.rs` after which some journal folds into
/// another state than before, and with every change of [`layout`]. `golden/` shows when.
pub const FOLD_VERSION: u64 = 1;

/// What of a snapshot stands beside its frames, counted as if it were frames.
const PARTS_BESIDE_FRAMES: usize = 4;

/// Why bytes are no snapshot to begin with. The journal has to be folded instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another release wrote it, whose fold meant something else.
    #[error("unknown fold version {version}")]
    UnknownVersion { version: u64 },
    #[error("no snapshot: {0}")]
    Broken(#[from] journal::DecodeError),
}

/// Writes an execution, all but its definition.
pub fn encode(execution: &Execution) -> Vec<u8> {
    let Execution { definition: _, identity, status, position, last_event, last_time, next_frame, frames, deadline, owed } = execution;
    let mut writer = Writer::new(frames.len() + PARTS_BESIDE_FRAMES);
    writer.varint(FOLD_VERSION);
    position.write(&mut writer);
    last_event.write(&mut writer);
    last_time.write(&mut writer);
    writer.event_millis = last_time.millis;
    identity.write(&mut writer);
    status.write(&mut writer);
    next_frame.write(&mut writer);
    frames.write(&mut writer);
    deadline.write(&mut writer);
    owed.write(&mut writer);
    writer.into_bytes()
}

/// Reads an execution that runs `definition`. What it allocates is bounded by the bytes, whatever they say.
///
/// # Errors
/// [`DecodeError::UnknownVersion`] for what another fold wrote; [`DecodeError::Broken`] for what [`encode`] never writes.
pub fn decode(bytes: &[u8], definition: Arc<Definition>) -> Result<Execution, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.varint()?;
    if version != FOLD_VERSION {
        return Err(DecodeError::UnknownVersion { version });
    }
    Ok(read_execution(&mut reader, definition)?)
}

fn read_execution(reader: &mut Reader<'_>, definition: Arc<Definition>) -> Result<Execution, journal::DecodeError> {
    let position = Field::read(reader)?;
    let last_event = Field::read(reader)?;
    let last_time = Timestamp::read(reader)?;
    reader.event_millis = last_time.millis;
    let execution = Execution {
        definition,
        identity: Field::read(reader)?,
        status: Field::read(reader)?,
        position,
        last_event,
        last_time,
        next_frame: Field::read(reader)?,
        frames: Field::read(reader)?,
        deadline: Field::read(reader)?,
        owed: Field::read(reader)?,
    };
    reader.expect_end()?;
    Ok(execution)
}
