//! Reading a chunk: every step is checked against what is left of it.

use std::sync::Arc;

use skald_query::Payload;

use super::DecodeError;

/// A chunk, and how far it is read.
pub(crate) struct Reader<'c> {
    chunk: &'c [u8],
    position: usize,
    /// Where the record ends, or between records the chunk.
    end: usize,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) names: Vec<Arc<str>>,
    /// Of the latest event.
    pub(crate) event_id: u64,
    pub(crate) event_millis: i64,
}

/// Where the chunk ends, while one record of it is read.
pub(crate) struct ChunkEnd(usize);

/// A text that may be shared.
pub(crate) enum Shared<'c> {
    Text(&'c str),
    /// Its place among the earlier ones.
    Ordinal(usize),
}

impl<'c> Reader<'c> {
    pub(crate) fn new(chunk: &'c [u8]) -> Self {
        let (payloads, names) = (Vec::new(), Vec::new());
        Self { chunk, position: 0, end: chunk.len(), payloads, names, event_id: 0, event_millis: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.position
    }

    /// Bytes left in the record: nothing longer can follow.
    pub(crate) fn left(&self) -> usize {
        self.end - self.position
    }

    pub(crate) fn begin_record(&mut self) -> Result<ChunkEnd, DecodeError> {
        let offset = self.position;
        let length: [u8; 4] = self.take(4)?.try_into().expect("four bytes were asked for");
        let length = u32::from_le_bytes(length) as usize;
        if length > self.left() {
            return Err(DecodeError::Truncated { offset });
        }
        let chunk_end = ChunkEnd(self.end);
        self.end = self.position + length;
        Ok(chunk_end)
    }

    pub(crate) fn end_record(&mut self, ChunkEnd(end): ChunkEnd) -> Result<(), DecodeError> {
        self.expect_end()?;
        self.end = end;
        Ok(())
    }

    pub(crate) fn expect_end(&self) -> Result<(), DecodeError> {
        if self.left() > 0 { Err(DecodeError::LeftOver { offset: self.position }) } else { Ok(()) }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let offset = self.position;
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                return Err(DecodeError::NumberTooLarge { offset });
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::NumberTooLarge { offset })
    }

    /// How many items follow, of a byte at least each.
    pub(crate) fn count(&mut self) -> Result<usize, DecodeError> {
        let offset = self.position;
        let count = usize::try_from(self.varint()?).ok();
        count.filter(|count| *count <= self.left()).ok_or(DecodeError::Truncated { offset })
    }

    pub(crate) fn signed(&mut self) -> Result<i64, DecodeError> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    pub(crate) fn text(&mut self) -> Result<&'c str, DecodeError> {
        let length = self.varint()?;
        self.utf8(length)
    }

    pub(crate) fn shared(&mut self) -> Result<Shared<'c>, DecodeError> {
        let head = self.varint()?;
        if head & 1 == 0 {
            return self.utf8(head >> 1).map(Shared::Text);
        }
        // An ordinal beyond `usize` is beyond what was read, too.
        Ok(Shared::Ordinal(usize::try_from(head >> 1).unwrap_or(usize::MAX)))
    }

    fn utf8(&mut self, length: u64) -> Result<&'c str, DecodeError> {
        let offset = self.position;
        let length = usize::try_from(length).map_err(|_| DecodeError::Truncated { offset })?;
        std::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::NotUtf8 { offset })
    }

    fn take(&mut self, length: usize) -> Result<&'c [u8], DecodeError> {
        if length > self.left() {
            return Err(DecodeError::Truncated { offset: self.position });
        }
        let taken = &self.chunk[self.position..self.position + length];
        self.position += length;
        Ok(taken)
    }
}
