//! JSON text that passes through a workflow: shared, immutable, byte for byte, parsed only when something looks inside.
//!
//! What a tree keeps of the text, and how it is printed again:
//! * Numbers keep their text, whatever their size ([`crate::number`] compares them).
//! * Of members with the same name the last one counts, at the place of the first. SOURCE: Jackson.
//! * An escaped half of a surrogate pair becomes U+FFFD: no Unicode text can hold it. Java's strings can.
//! * Numbers are a guess, too: Jackson by itself would print `-0` as `0`, `1.10` as `1.1`, `1e2` as `100.0`, `1e999` as
//!   `"Infinity"`. Nothing recorded shows which of its settings AWS uses; digits that stay can do no harm.
//! * Control characters are escaped with upper-case digits, `/` and what is not ASCII not at all. SOURCE: Jackson.

mod tree;
mod print;

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

pub(crate) use print::print_string;
pub use print::{Weight, print, weigh};

/// How deeply a document may nest. SOURCE: Jackson's `StreamReadConstraints`, which AWS's parser shares, allow 1,000.
pub const PAYLOAD_DEPTH_MAX: usize = 1_000;

/// The largest text whose tree is kept when nobody looks inside: a tree may be seventy times as large as its text.
/// SOURCE: measured on a list of one-digit numbers.
const TREE_KEPT_BYTES_MAX: usize = 16 * 1024;

/// A JSON document as text; its tree is built on first use and kept beside it.
#[derive(Clone)]
pub struct Payload {
    text: Arc<str>,
    /// Shared by clones.
    tree: Arc<OnceLock<Value>>,
}

/// Why a text is no payload. Says where, as `line 1 column 4`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    #[error("{message} at line {line} column {column}")]
    NotJson { message: String, line: usize, column: usize },
    #[error("the document nests deeper than {PAYLOAD_DEPTH_MAX} levels")]
    TooDeep,
}

impl Payload {
    /// Checks that `text` is one JSON document and keeps it as it is.
    ///
    /// # Errors
    /// [`SyntaxError`] for anything else, with the place.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, SyntaxError> {
        let text = text.into();
        check_depth(&text)?;
        // Checks the grammar without building a tree.
        serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(|error| SyntaxError::NotJson {
            message: grammar_message(&error),
            line: error.line(),
            column: error.column(),
        })?;
        Ok(Self::trusted(text))
    }

    /// Takes text that is known to be JSON: it was a payload before, or was just printed from a tree.
    pub fn trusted(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), tree: Arc::default() }
    }

    /// Prints `value` without spaces, as AWS prints what it computes.
    pub fn from_value(value: Value) -> Self {
        let payload = Self::trusted(print(&value));
        if !payload.is_large() {
            let _ = payload.tree.set(value);
        }
        payload
    }

    /// The empty object, `{}`.
    pub fn empty_object() -> Self {
        Self::trusted("{}")
    }

    /// The text, byte for byte as it came in.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same document without its tree: for what is kept for long.
    pub fn text_only(&self) -> Self {
        Self::trusted(Arc::clone(&self.text))
    }

    /// The same document, without its tree when that may be large.
    pub fn light(&self) -> Self {
        if self.is_large() { self.text_only() } else { self.clone() }
    }

    /// Whether it holds a tree that may be large.
    pub fn is_heavy(&self) -> bool {
        self.is_large() && self.tree.get().is_some()
    }

    /// At least as many as the tree has nodes when that may be large, 0 when it is not: what it costs to look inside.
    pub fn opening_steps(&self) -> u64 {
        match self.is_large() {
            true => self.text.bytes().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count() as u64 + 1,
            false => 0,
        }
    }

    fn is_large(&self) -> bool {
        self.byte_count() > TREE_KEPT_BYTES_MAX
    }

    /// Bytes of the text.
    pub fn byte_count(&self) -> usize {
        self.text.len()
    }

    /// The parsed tree.
    pub fn value(&self) -> &Value {
        self.tree.get_or_init(|| tree::read(&self.text))
    }

    /// The text of a list's item that begins at byte `offset`, and where the next one begins: no tree of the whole is built.
    /// The first begins at 0; there is none behind the last.
    pub fn item_at(&self, offset: usize) -> Option<(&str, usize)> {
        tree::item_at(&self.text, offset)
    }

    /// Whether it nests deeper than [`PAYLOAD_DEPTH_MAX`], as only what was computed can.
    pub fn is_too_deep(&self) -> bool {
        // Each level takes two bytes.
        self.byte_count() > 2 * PAYLOAD_DEPTH_MAX && check_depth(self.text()).is_err()
    }

    /// Whether both share their text: equal without looking.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.text() == other.text()
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The parser's words without its own "at line …", which the caller words as it needs.
fn grammar_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Refuses nesting deeper than [`PAYLOAD_DEPTH_MAX`] before any recursive parser sees the text.
fn check_depth(text: &str) -> Result<(), SyntaxError> {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > PAYLOAD_DEPTH_MAX {
                    return Err(SyntaxError::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}
