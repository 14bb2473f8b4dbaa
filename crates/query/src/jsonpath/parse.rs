//! Text to steps. Takes what Jayway takes, except that a path starts with `$`.

use std::cell::Cell;

use super::cursor::Cursor;
use super::filter::Filter;
use super::function::{self, Function};
use super::step::{Origin, Step, SubPath};
use super::{ParseError, Path, Root};

/// More steps than any document may nest lead nowhere, and are refused before they cost anything.
const STEPS_MAX: usize = crate::payload::PAYLOAD_DEPTH_MAX;
/// No path is longer, so that none takes long to read.
const TEXT_BYTES_MAX: usize = 16_384;
/// How deep parentheses, filters and arguments may nest.
const NESTING_MAX: usize = 100;
const FUNCTIONS_MAX: usize = 100;
/// Patterns are what takes memory.
const PATTERNS_MAX: usize = 16;

/// What a part of a path may still use up.
#[derive(Clone, Copy)]
pub(super) struct Limits<'l> {
    depth: usize,
    patterns_left: &'l Cell<usize>,
}

impl<'l> Limits<'l> {
    pub(super) fn new(patterns_left: &'l Cell<usize>) -> Self {
        Self { depth: 0, patterns_left }
    }

    /// For what is nested in this part.
    ///
    /// # Errors
    /// [`ParseError`] when that is too deep.
    pub(super) fn nested(self) -> Result<Self, ParseError> {
        if self.depth == NESTING_MAX {
            return Err(ParseError::new(format!("parentheses, filters and arguments nest at most {NESTING_MAX} deep")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// # Errors
    /// [`ParseError`] when the path has used up its patterns.
    pub(super) fn take_pattern(self) -> Result<(), ParseError> {
        let left = self.patterns_left.get().checked_sub(1);
        self.patterns_left.set(left.ok_or_else(|| ParseError::new(format!("a path has at most {PATTERNS_MAX} patterns")))?);
        Ok(())
    }
}

pub(super) fn parse(text: &str) -> Result<Path, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ParseError::new(format!("a path has at most {TEXT_BYTES_MAX} bytes")));
    }
    let trimmed = text.trim_end_matches(' ');
    let (root, rest) = split_root(trimmed)?;
    if rest.ends_with('.') {
        return Err(ParseError::new("Path must not end with a '.' or '..'"));
    }
    let patterns_left = Cell::new(PATTERNS_MAX);
    let steps = steps(rest, Limits::new(&patterns_left))?;
    Ok(Path { text: text.into(), root, steps: steps.into_boxed_slice() })
}

fn split_root(text: &str) -> Result<(Root, &str), ParseError> {
    let Some(rest) = text.strip_prefix('$') else {
        return Err(ParseError::new("a path starts with '$'"));
    };
    if let Some(rest) = rest.strip_prefix('$') {
        return Ok((Root::Context, rest));
    }
    let is_start = |first: char| first == '_' || unicode_ident::is_xid_start(first);
    if rest.starts_with(is_start) {
        let end = rest.find(|next| !unicode_ident::is_xid_continue(next)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        return Ok((Root::Variable(name.into()), rest));
    }
    Ok((Root::Input, rest))
}

/// A path inside another, `@…` or `$…`.
pub(super) fn sub_path(text: &str, limits: Limits<'_>) -> Result<SubPath, ParseError> {
    let trimmed = text.trim_matches(' ');
    if trimmed.ends_with('.') {
        return Err(ParseError::new("Path must not end with a '.' or '..'"));
    }
    untrimmed_sub_path(trimmed, limits)
}

pub(super) fn untrimmed_sub_path(text: &str, limits: Limits<'_>) -> Result<SubPath, ParseError> {
    let (origin, rest) = match text.as_bytes().first() {
        Some(b'$') => (Origin::Document, &text[1..]),
        Some(b'@') => (Origin::Item, &text[1..]),
        Some(_) | None => return Err(ParseError::new("Path must start with '$' or '@'")),
    };
    Ok(SubPath::new(origin, steps(rest, limits.nested()?)?))
}

/// The steps of what follows the root.
fn steps(text: &str, limits: Limits<'_>) -> Result<Vec<Step>, ParseError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if !text.starts_with(['.', '[']) {
        return Err(ParseError::new(format!("Illegal character at position 1 expected '.' or '[': {text}")));
    }
    let mut parser = Parser { cursor: Cursor::new(text), limits, steps: Vec::new(), functions: 0 };
    parser.read()?;
    Ok(function::pulled_out_of_descent(parser.steps))
}

struct Parser<'t> {
    cursor: Cursor<'t>,
    limits: Limits<'t>,
    steps: Vec<Step>,
    functions: usize,
}

impl Parser<'_> {
    fn read(&mut self) -> Result<(), ParseError> {
        loop {
            if self.steps.len() >= STEPS_MAX {
                return Err(ParseError::new(format!("a path has at most {STEPS_MAX} steps")));
            }
            if self.cursor.is_at(b'.') {
                self.dot()?;
            }
            let step = match self.cursor.current()? {
                b'[' => self.bracket()?,
                b'*' => {
                    self.cursor.position += 1;
                    Step::Wildcard
                }
                _ => self.name()?,
            };
            self.steps.push(step);
            // SOURCE: Jayway drops a single character behind a finished step: `$.a[`, `$['a']x`.
            if self.cursor.is_tail() {
                return Ok(());
            }
        }
    }

    fn dot(&mut self) -> Result<(), ParseError> {
        if self.cursor.take("..") {
            self.steps.push(Step::Descent);
        } else {
            self.cursor.position += 1;
        }
        match self.cursor.current()? {
            b'.' => Err(ParseError::new(format!("Character '.' on position {} is not valid", self.cursor.position + 1))),
            _ => Ok(()),
        }
    }

    /// A name, or a function with its arguments.
    fn name(&mut self) -> Result<Step, ParseError> {
        let rest = self.cursor.rest();
        let end = rest.find(['.', '[', '(', ' ']).unwrap_or(rest.len());
        let name = &rest[..end];
        match rest.as_bytes().get(end) {
            Some(b' ') => Err(ParseError::new("a name with blanks needs brackets: ['my name']")),
            Some(b'(') => {
                let open = self.cursor.position + end;
                self.cursor.position = open;
                self.function(name, open)
            }
            Some(_) | None => {
                self.cursor.position += end;
                Ok(Step::Name(name.to_owned()))
            }
        }
    }

    fn function(&mut self, name: &str, open: usize) -> Result<Step, ParseError> {
        self.functions += 1;
        if self.functions > FUNCTIONS_MAX {
            return Err(ParseError::new(format!("a path has at most {FUNCTIONS_MAX} functions")));
        }
        let mut depth = 0_usize;
        let is_closed = self.cursor.rest().bytes().any(|byte| {
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        if !is_closed {
            return Err(ParseError::new(format!("Arguments to function: '{name}' are not closed properly.")));
        }
        self.cursor.position = open + 1;
        // SOURCE: Jayway goes on reading at the ')' of an empty pair: `.length().x` reads a name `)`.
        let arguments = if self.cursor.is_at(b')') { Vec::new() } else { function::read_arguments(&mut self.cursor, name, self.limits)? };
        Ok(Step::Function(Box::new(Function::new(name, arguments))))
    }

    /// What stands in brackets; the opening one comes next.
    fn bracket(&mut self) -> Result<Step, ParseError> {
        let open = self.cursor.position;
        let first = self.cursor.significant_after(open);
        match first.and_then(|first| Some((first, self.cursor.at(first)?))) {
            Some((_, quote @ (b'\'' | b'"'))) => self.quoted_names(quote),
            Some((_, b'0'..=b'9' | b'-' | b':')) => self.indexes(),
            Some((star, b'*')) => {
                let close = self.cursor.significant_byte_after(star, b']');
                self.cursor.position = 1 + close.ok_or_else(|| ParseError::new("expected ']' behind '[*'"))?;
                Ok(Step::Wildcard)
            }
            Some((question, b'?')) => self.filter(question),
            Some(_) | None => Err(self.no_token()),
        }
    }

    fn no_token(&self) -> ParseError {
        ParseError::new(format!("Could not parse token starting at '{}'. Expected ?, ', 0-9, *", self.cursor.rest()))
    }

    fn quoted_names(&mut self, quote: u8) -> Result<Step, ParseError> {
        let mut names = Vec::new();
        let mut opened = None;
        let mut is_after_comma = false;
        let mut closed = self.cursor.position;
        let mut place = self.cursor.position + 1;
        while place < self.cursor.end() {
            match (self.cursor.at(place), opened) {
                (Some(b'\\'), _) => place += 1,
                (Some(b']'), None) if is_after_comma => return Err(ParseError::new("a comma in brackets is followed by another name")),
                (Some(b']'), None) => break,
                (Some(byte), Some(from)) if byte == quote => {
                    let next = self.cursor.significant_after(place).and_then(|next| self.cursor.at(next));
                    if !matches!(next, Some(b']' | b',')) {
                        return Err(ParseError::new("a name in brackets is followed by a comma or a closing bracket"));
                    }
                    names.push(unescaped_name(self.cursor.slice(from, place), quote)?);
                    opened = None;
                    closed = place;
                }
                (Some(byte), None) if byte == quote => {
                    opened = Some(place + 1);
                    is_after_comma = false;
                }
                (Some(b','), None) if is_after_comma => return Err(ParseError::new("an empty name stands between two commas")),
                (Some(b','), None) => is_after_comma = true,
                (_, Some(_) | None) => {}
            }
            place += 1;
        }
        if opened.is_some() {
            return Err(ParseError::new(format!("Property has not been closed - missing closing {}", char::from(quote))));
        }
        let close = self.cursor.significant_byte_after(closed, b']');
        self.cursor.position = 1 + close.ok_or_else(|| ParseError::new("Property has not been closed - missing closing ]"))?;
        match names.len() {
            0 => Err(ParseError::new("Empty properties")),
            1 => Ok(Step::Name(names.swap_remove(0))),
            _ => Ok(Step::Names(names)),
        }
    }

    fn indexes(&mut self) -> Result<Step, ParseError> {
        let rest = self.cursor.rest();
        let end = rest.find(']').ok_or_else(|| ParseError::new("a '[' is not closed"))?;
        let inner = rest[1..end].trim_matches(|character| character <= ' ');
        if !inner.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b',' | b'-' | b':' | b' ')) {
            return Err(self.no_token());
        }
        self.cursor.position += end + 1;
        if inner.contains(':') { slice(inner) } else { indexes(inner) }
    }

    /// `[?(…)]`; the question mark stands at `question`.
    fn filter(&mut self, question: usize) -> Result<Step, ParseError> {
        let open = self.cursor.significant_byte_after(question, b'(').ok_or_else(|| ParseError::new("a filter is written [?( … )]"))?;
        let unclosed = || ParseError::new("a filter ends with ')]'");
        let close = self.cursor.closing(open, [b'(', b')'], true)?.ok_or_else(unclosed)?;
        let end = self.cursor.significant_byte_after(close, b']').ok_or_else(unclosed)?;
        let filter = Filter::parse(self.cursor.slice(open, close + 1), self.limits)?;
        self.cursor.position = end + 1;
        Ok(Step::Filter(Box::new(filter)))
    }
}

fn indexes(text: &str) -> Result<Step, ParseError> {
    let indexes = text.split(',').map(|part| index(part.trim_matches(' '))).collect::<Result<Vec<_>, _>>()?;
    match indexes.as_slice() {
        [single] => Ok(Step::Index(*single)),
        _ => Ok(Step::Indexes(indexes)),
    }
}

/// `a:b`, `a:`, `:b`. What follows a second colon is not looked at, as Jayway does not.
fn slice(text: &str) -> Result<Step, ParseError> {
    let mut parts = text.split(':');
    let mut end = || match parts.next() {
        None | Some("") => Ok(None),
        Some(part) => index(part).map(Some),
    };
    let (from, to) = (end()?, end()?);
    if from.is_none() && to.is_none() {
        return Err(ParseError::new(format!("Failed to parse SliceOperation: {text}")));
    }
    Ok(Step::Slice { from, to })
}

/// Jayway's indexes are 32-bit.
fn index(text: &str) -> Result<i64, ParseError> {
    text.parse::<i32>().map(i64::from).map_err(|_| ParseError::new(format!("Failed to parse token in ArrayIndexOperation: {text}")))
}

/// A name between quotes.
fn unescaped_name(text: &str, quote: u8) -> Result<String, ParseError> {
    // SOURCE: recorded on AWS, unlike the library: a backslash before the other kind of quote stands for itself.
    unescaped(text, Some(if quote == b'"' { '\'' } else { '"' }))
}

/// Jayway's escapes: those of JSON, and any other character for itself. `kept` keeps its backslash.
pub(super) fn unescaped(text: &str, kept: Option<char>) -> Result<String, ParseError> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let unit = match character {
            '\\' => match characters.next() {
                None => '\\',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('t') => '\t',
                Some('n') => '\n',
                Some('b') => '\u{8}',
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).collect();
                    if digits.chars().count() == 4 {
                        let unit = u16::from_str_radix(&digits, 16);
                        units.push(unit.map_err(|_| ParseError::new(format!("Unable to parse unicode value: {digits}")))?);
                    }
                    continue;
                }
                Some(other) => {
                    if kept == Some(other) {
                        units.push(u16::from(b'\\'));
                    }
                    other
                }
            },
            other => other,
        };
        units.extend(unit.encode_utf16(&mut [0; 2]).iter());
    }
    Ok(String::from_utf16_lossy(&units))
}
