//! The row of an asynchronous execution that has begun and not ended. Bytes that outlive the process.

use std::sync::Arc;

use bytes::Bytes;
use skald_interpreter::note::Origin;
use skald_interpreter::{Note, Record, journal};
use skald_query::Payload;

const VERSION: u8 = 1;

/// What is needed to run it again from the start.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) origin: Arc<Origin>,
    pub(super) input: Payload,
}

impl Row {
    /// Version, the Express id and the origin's record with their lengths, and the input's text.
    pub(super) fn encode(&self) -> Bytes {
        let id = self.origin.express_id.as_deref().unwrap_or_default();
        let origin = journal::encode(&[Record::Note(Note::Created(Arc::clone(&self.origin)))]);
        let mut bytes = Vec::with_capacity(9 + id.len() + origin.len() + self.input.byte_count());
        bytes.push(VERSION);
        for part in [id.as_bytes(), &origin] {
            bytes.extend_from_slice(&u32::try_from(part.len()).expect("names are short").to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(self.input.text().as_bytes());
        Bytes::from(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = bytes.split_first()? else { return None };
        let (id, rest) = part(rest)?;
        let (created, input) = part(rest)?;
        let Some(Record::Note(Note::Created(mut origin))) = journal::decode(created, 1).ok()?.pop() else { return None };
        Arc::make_mut(&mut origin).express_id = Some(String::from_utf8(id.to_vec()).ok()?);
        let input = Payload::parse(std::str::from_utf8(input).ok()?).ok()?;
        Some(Self { origin, input })
    }
}

/// Bytes that follow their length, and what follows them.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written_and_never_in_part() {
        let origin = Origin {
            machine_name: "Größe".to_owned(),
            execution_name: "N".to_owned(),
            trace_header: Some("Root=1".to_owned()),
            express_id: Some("6a0b".to_owned()),
            ..Origin::default()
        };
        let row = Row { origin: Arc::new(origin), input: Payload::trusted("{ \"a\": 1.0 }") };
        let bytes = row.encode();
        assert_eq!(Row::decode(&bytes), Some(row));
        for length in 0..bytes.len() {
            assert_eq!(Row::decode(&bytes[..length]), None, "cut to {length}");
        }
        assert_eq!(Row::decode(&[&[VERSION + 1], &bytes[1..]].concat()), None, "another version");
    }
}
