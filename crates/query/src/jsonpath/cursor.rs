//! A place in the text of a path or a filter. Every character with a meaning is ASCII, so places are counted in bytes.

use super::ParseError;

/// INVARIANT: `position` and `end` lie between characters.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    pub(super) position: usize,
    /// What lies behind it is not to be read, but may be looked at.
    end: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, position: 0, end: text.len() }
    }

    pub(super) fn at(&self, position: usize) -> Option<u8> {
        self.text.as_bytes().get(position).copied()
    }

    /// The byte here.
    ///
    /// # Errors
    /// [`ParseError`] at the end of the text.
    pub(super) fn current(&self) -> Result<u8, ParseError> {
        self.at(self.position).ok_or_else(|| ParseError::new("the path ends too early"))
    }

    pub(super) fn is_at(&self, byte: u8) -> bool {
        self.at(self.position) == Some(byte)
    }

    pub(super) fn is_within(&self) -> bool {
        self.position < self.end
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub(super) fn rest(&self) -> &'t str {
        self.slice(self.position, self.end)
    }

    /// Whether at most one more UTF-16 unit is left. The library looks no further, and drops it.
    pub(super) fn is_tail(&self) -> bool {
        self.rest().encode_utf16().nth(1).is_none()
    }

    pub(super) fn take(&mut self, prefix: &str) -> bool {
        let is_there = self.rest().starts_with(prefix);
        if is_there {
            self.position += prefix.len();
        }
        is_there
    }

    /// Past blanks, but not past the last character.
    pub(super) fn skip_blanks(&mut self) {
        while self.position + 1 < self.end && self.is_at(b' ') {
            self.position += 1;
        }
    }

    /// Where the first character behind `position` is that is no blank.
    pub(super) fn significant_after(&self, position: usize) -> Option<usize> {
        (position + 1..self.end).find(|place| self.at(*place) != Some(b' '))
    }

    /// The same, if it is `byte`.
    pub(super) fn significant_byte_after(&self, position: usize, byte: u8) -> Option<usize> {
        self.significant_after(position).filter(|place| self.at(*place) == Some(byte))
    }

    /// The last character before this place that is no blank.
    pub(super) fn significant_before(&self) -> Option<usize> {
        (0..self.position).rev().find(|place| self.at(*place) != Some(b' '))
    }

    /// Where `byte` stands next behind `position` without a backslash before it.
    pub(super) fn unescaped_after(&self, position: usize, byte: u8) -> Option<usize> {
        let mut is_escaped = false;
        for place in position + 1..self.end {
            match self.at(place) {
                _ if is_escaped => is_escaped = false,
                Some(b'\\') => is_escaped = true,
                found if found == Some(byte) => return Some(place),
                _ => {}
            }
        }
        None
    }

    /// Where the bracket at `position` closes; brackets in strings (and in `/patterns/`) do not count.
    ///
    /// # Errors
    /// [`ParseError`] for a string or a pattern that does not end.
    pub(super) fn closing(&self, position: usize, pair: [u8; 2], skips_patterns: bool) -> Result<Option<usize>, ParseError> {
        let [open, close] = pair;
        let mut depth = 1;
        let mut place = position + 1;
        while place < self.end {
            if let Some(quote @ (b'\'' | b'"')) = self.at(place) {
                place = 1 + self.unescaped_after(place, quote).ok_or_else(|| ParseError::new("a closing quote is missing"))?;
            }
            if skips_patterns && self.at(place) == Some(b'/') {
                place = 1 + self.unescaped_after(place, b'/').ok_or_else(|| ParseError::new("the '/' that closes a pattern is missing"))?;
            }
            match self.at(place) {
                None => return Err(ParseError::new("the path ends too early")),
                Some(byte) if byte == open => depth += 1,
                Some(byte) if byte == close => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(Some(place));
                    }
                }
                Some(_) => {}
            }
            place += 1;
        }
        Ok(None)
    }
}
