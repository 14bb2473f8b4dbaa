//! What one read answers: about so many bytes of chunks, and at least one.

use crate::StoredChunk;

pub(crate) struct Page {
    chunks: Vec<StoredChunk>,
    bytes: usize,
    bytes_max: usize,
}

/// Whether a page takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Left,
    Gone,
}

impl Page {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { chunks: Vec::new(), bytes: 0, bytes_max }
    }

    /// The first of `chunks` that fit.
    pub(crate) fn of<'a>(chunks: impl Iterator<Item = &'a StoredChunk>, bytes_max: usize) -> Vec<StoredChunk> {
        let mut page = Self::new(bytes_max);
        page.fill(chunks.cloned());
        page.into_chunks()
    }

    /// Takes the first of `chunks` that fit.
    pub(crate) fn fill(&mut self, chunks: impl Iterator<Item = StoredChunk>) -> Room {
        for chunk in chunks {
            if !self.chunks.is_empty() && self.bytes.saturating_add(chunk.bytes.len()) > self.bytes_max {
                return Room::Gone;
            }
            self.bytes += chunk.bytes.len();
            self.chunks.push(chunk);
        }
        Room::Left
    }

    pub(crate) fn into_chunks(self) -> Vec<StoredChunk> {
        self.chunks
    }
}
