//! Text to steps. Takes what Jayway takes, except that a path starts with `$`.

use super::step::Step;
use super::{ParseError, Path, Root};

/// More steps than any document may nest lead nowhere, and are refused before they cost anything.
const STEPS_MAX: usize = crate::payload::PAYLOAD_DEPTH_MAX;

pub(super) fn parse(text: &str) -> Result<Path, ParseError> {
    let trimmed = text.trim_end();
    let (root, rest) = split_root(trimmed)?;
    let steps = Parser { rest }.steps()?;
    Ok(Path { text: text.into(), root, steps: steps.into_boxed_slice() })
}

fn split_root(text: &str) -> Result<(Root, &str), ParseError> {
    if let Some(name) = intrinsic_name(text) {
        return Err(unsupported(format!("intrinsic functions ({name})")));
    }
    let Some(rest) = text.strip_prefix('$') else {
        return Err(invalid("a path starts with '$'"));
    };
    match rest.chars().next() {
        Some('$') => Ok((Root::Context, &rest[1..])),
        None | Some('.' | '[') => Ok((Root::Input, rest)),
        Some(first) if first.is_alphabetic() || first == '_' => {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let rest = &rest[name.len()..];
            Ok((Root::Variable(name.into()), rest))
        }
        Some(first) => Err(invalid(format!("Illegal character at position 1 expected '.' or '[': {first}"))),
    }
}

/// `States.Format` of `States.Format('…')`.
fn intrinsic_name(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix("States.")?.split_once('(')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| &text[.."States.".len() + name.len()])
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn steps(mut self) -> Result<Vec<Step>, ParseError> {
        let mut steps = Vec::new();
        while !self.rest.is_empty() {
            if steps.len() >= STEPS_MAX {
                return Err(invalid(format!("a path has at most {STEPS_MAX} steps")));
            }
            if self.take("..") {
                steps.push(Step::Descent);
                steps.push(self.after_dot()?);
            } else if self.take(".") {
                steps.push(self.after_dot()?);
            } else if self.rest.starts_with('[') {
                steps.push(self.bracket()?);
                // SOURCE: Jayway needs no dot after a bracket: `$.a[0]b`. Published definitions have it.
                if self.rest.starts_with(|next| !matches!(next, '.' | '[' | ' ' | '*')) {
                    steps.push(self.after_dot()?);
                }
            } else {
                return Err(invalid(format!("expected '.' or '[' before '{}'", self.rest)));
            }
        }
        Ok(steps)
    }

    fn after_dot(&mut self) -> Result<Step, ParseError> {
        if self.rest.starts_with('[') {
            return self.bracket();
        }
        if self.take("*") {
            return Ok(Step::Wildcard);
        }
        let end = self.rest.find(['.', '[', '(', ' ']).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if rest.starts_with('(') && !name.is_empty() {
            return Err(unsupported(format!("JSONPath functions ({name}())")));
        }
        if rest.starts_with(' ') {
            return Err(invalid("a name with blanks needs brackets: ['my name']"));
        }
        if name.is_empty() {
            return Err(invalid("Path must not end with a '.' or '..'"));
        }
        // SOURCE: Jayway reads past a single bracket that ends the path after a name: `$.a[` is `$.a`.
        self.rest = if rest == "[" { "" } else { rest };
        Ok(Step::Name(name.to_owned()))
    }

    /// What stands in brackets; the opening one comes next.
    fn bracket(&mut self) -> Result<Step, ParseError> {
        self.rest = self.rest[1..].trim_start();
        match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => self.quoted_names(quote),
            Some('*') => {
                self.rest = &self.rest[1..];
                self.close()?;
                Ok(Step::Wildcard)
            }
            Some('?') => Err(unsupported("JSONPath filters ([?(…)])")),
            Some(first) if first.is_ascii_digit() || first == '-' || first == ':' => {
                let end = self.rest.find(']').ok_or_else(|| invalid("a '[' is not closed"))?;
                let inner = self.rest[..end].trim_end();
                self.rest = &self.rest[end + 1..];
                if inner.contains(':') { slice(inner) } else { indexes(inner) }
            }
            Some(_) | None => Err(invalid(format!("Could not parse token starting at '[{}'", self.rest))),
        }
    }

    fn quoted_names(&mut self, quote: char) -> Result<Step, ParseError> {
        let mut names = Vec::new();
        loop {
            names.push(self.quoted_name(quote)?);
            self.rest = self.rest.trim_start();
            if !self.take(",") {
                break;
            }
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with(quote) {
                return Err(invalid("a comma in brackets is followed by another name in the same quotes"));
            }
        }
        self.close()?;
        match names.len() {
            1 => Ok(Step::Name(names.swap_remove(0))),
            _ => Ok(Step::Names(names)),
        }
    }

    fn quoted_name(&mut self, quote: char) -> Result<String, ParseError> {
        let mut name = String::new();
        let mut characters = self.rest[1..].char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped)) => name.push(escaped),
                    None => break,
                },
                _ if character == quote => {
                    self.rest = &self.rest[1 + index + 1..];
                    return Ok(name);
                }
                _ => name.push(character),
            }
        }
        Err(invalid("Property has not been closed - missing closing quote"))
    }

    fn close(&mut self) -> Result<(), ParseError> {
        self.rest = self.rest.trim_start();
        if self.take("]") { Ok(()) } else { Err(invalid(format!("expected ']' before '{}'", self.rest))) }
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn indexes(text: &str) -> Result<Step, ParseError> {
    let indexes = text.split(',').map(|part| index(part.trim())).collect::<Result<Vec<_>, _>>()?;
    match indexes.as_slice() {
        [single] => Ok(Step::Index(*single)),
        _ => Ok(Step::Indexes(indexes)),
    }
}

/// `a:b`, `a:`, `:b`. A step (`a:b:s`) is read and ignored, as Jayway does.
fn slice(text: &str) -> Result<Step, ParseError> {
    let mut parts = text.split(':');
    let mut end = || match parts.next() {
        None | Some("") => Ok(None),
        Some(part) => index(part).map(Some),
    };
    let (from, to) = (end()?, end()?);
    for part in parts.filter(|part| !part.is_empty()) {
        index(part)?;
    }
    if from.is_none() && to.is_none() {
        return Err(invalid(format!("Failed to parse SliceOperation: {text}")));
    }
    Ok(Step::Slice { from, to })
}

/// Jayway's indexes are 32-bit.
fn index(text: &str) -> Result<i64, ParseError> {
    match text.parse::<i32>() {
        Ok(number) if !text.starts_with('+') => Ok(i64::from(number)),
        Ok(_) | Err(_) => Err(invalid(format!("Failed to parse token in ArrayIndexOperation: {text}"))),
    }
}

fn invalid(reason: impl Into<String>) -> ParseError {
    ParseError::Invalid { reason: reason.into() }
}

fn unsupported(feature: impl Into<String>) -> ParseError {
    ParseError::Unsupported { feature: feature.into() }
}
