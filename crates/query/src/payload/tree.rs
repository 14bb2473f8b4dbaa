//! Text that is known to be JSON to a tree.
//!
//! Not serde_json's own reader: with `arbitrary_precision` that takes an object with a certain member for a number, so
//! that a hostile payload would change or fail there; and it refuses what [`Payload::parse`](super::Payload::parse) lets
//! pass, halves of surrogate pairs. This one takes all that passed, and never fails: what it does not understand, it
//! reads as null, because only a text that was never checked can hold it.

use serde_json::{Map, Value};

use crate::number;

/// How deep a text that was never checked may lead.
const DEPTH_MAX: usize = 2 * super::PAYLOAD_DEPTH_MAX;

pub(super) fn read(text: &str) -> Value {
    Reader { text, at: 0 }.value(0)
}

/// The text of a list's item that begins at `offset`, 0 for the first, and where the next one begins.
pub(super) fn item_at(text: &str, offset: usize) -> Option<(&str, usize)> {
    let start = match offset {
        0 => text.len() - text.trim_ascii_start().strip_prefix('[')?.len(),
        start => start,
    };
    let rest = text.get(start..)?;
    let mut depth = 0usize;
    let (mut in_string, mut is_escaped) = (false, false);
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b',' | b']' if depth == 0 => {
                let item = rest[..at].trim_ascii();
                return (!item.is_empty()).then_some((item, start + at + 1));
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

struct Reader<'t> {
    text: &'t str,
    /// A byte, at a character's start.
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Value {
        self.skip_blanks();
        match self.peek() {
            Some(b'{') if depth < DEPTH_MAX => self.object(depth),
            Some(b'[') if depth < DEPTH_MAX => self.array(depth),
            Some(b'"') => Value::String(self.string()),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) | None => self.word("null", Value::Null),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let mut members = Map::new();
        self.at += 1;
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b'"') => {
                    let name = self.string();
                    self.skip_blanks();
                    // The colon.
                    self.at += usize::from(self.peek() == Some(b':'));
                    let member = self.value(depth + 1);
                    members.insert(name, member);
                }
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Value::Object(members);
                }
                Some(_) | None => return self.give_up(),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Value {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Value::Array(items);
                }
                Some(_) => items.push(self.value(depth + 1)),
                None => return self.give_up(),
            }
        }
    }

    fn number(&mut self) -> Value {
        let start = self.at;
        self.skip_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
        number::read(&self.text[start..self.at]).map_or(Value::Null, Value::Number)
    }

    fn word(&mut self, word: &str, value: Value) -> Value {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return value;
        }
        self.give_up()
    }

    fn string(&mut self) -> String {
        self.at += 1;
        let mut string = String::new();
        loop {
            let start = self.at;
            self.skip_while(|byte| !matches!(byte, b'"' | b'\\'));
            string.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut string);
                }
                Some(_) => {
                    self.at += 1;
                    return string;
                }
                None => return string,
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, string: &mut String) {
        let Some(character) = self.text[self.at..].chars().next() else { return };
        self.at += character.len_utf8();
        match character {
            'b' => string.push('\u{8}'),
            'f' => string.push('\u{c}'),
            'n' => string.push('\n'),
            'r' => string.push('\r'),
            't' => string.push('\t'),
            'u' => {
                let first = self.unit();
                let is_high = (0xD800..0xDC00).contains(&first);
                let second = if is_high && self.text[self.at..].starts_with("\\u") { self.peek_unit(self.at + 2) } else { None };
                match second {
                    Some(low @ 0xDC00..=0xDFFF) => {
                        self.at += 6;
                        let code = 0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00);
                        string.push(char::from_u32(code).expect("two halves make a character"));
                    }
                    Some(_) | None => string.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            other => string.push(other),
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> u32 {
        match self.peek_unit(self.at) {
            Some(unit) => {
                self.at += 4;
                unit
            }
            None => u32::from(char::REPLACEMENT_CHARACTER),
        }
    }

    fn peek_unit(&self, at: usize) -> Option<u32> {
        u32::from_str_radix(self.text.get(at..at + 4)?, 16).ok()
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn skip_while(&mut self, holds: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| !holds(*byte)).unwrap_or(rest.len());
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Ends the reading everywhere.
    fn give_up(&mut self) -> Value {
        self.at = self.text.len();
        Value::Null
    }
}
