//! Lists and objects in a filter, read as leniently as json-smart does: quotes of both kinds or none, stray commas.

use std::iter::Peekable;
use std::str::{CharIndices, FromStr};

use serde_json::{Map, Number, Value};

/// SOURCE: json-smart's limit.
const DEPTH_MAX: usize = 400;

/// The value that `text` spells, if it spells one.
pub(super) fn parse(text: &str) -> Option<Value> {
    let mut reader = Reader { text, rest: text.char_indices().peekable() };
    reader.skip_blanks();
    match reader.next()? {
        '[' => reader.list(1),
        '{' => reader.object(1),
        _ => None,
    }
}

struct Reader<'t> {
    text: &'t str,
    rest: Peekable<CharIndices<'t>>,
}

impl<'t> Reader<'t> {
    fn list(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        loop {
            match self.peek()? {
                ' ' | '\r' | '\n' | '\t' | ',' => {
                    self.next();
                }
                ']' => {
                    self.next();
                    return Some(Value::Array(items));
                }
                ':' | '}' => return None,
                _ => items.push(self.value(depth, &[',', ']'])?),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut members = Map::new();
        loop {
            match self.peek()? {
                ' ' | '\r' | '\n' | '\t' | ',' => {
                    self.next();
                    continue;
                }
                '}' => {
                    self.next();
                    return Some(Value::Object(members));
                }
                ':' | ']' | '[' | '{' => return None,
                _ => {}
            }
            let name = match self.peek()? {
                '"' | '\'' => self.quoted()?,
                _ => self.bare(&[':'])?.to_owned(),
            };
            self.skip_blanks();
            if self.next()? != ':' {
                return None;
            }
            let value = self.value(depth, &[',', '}'])?;
            members.insert(name, value);
            self.skip_blanks();
            match self.next()? {
                '}' => return Some(Value::Object(members)),
                ',' => {}
                _ => return None,
            }
        }
    }

    fn value(&mut self, depth: usize, stops: &[char]) -> Option<Value> {
        self.skip_blanks();
        match self.peek()? {
            ':' | '}' | ']' => None,
            '[' | '{' if depth >= DEPTH_MAX => None,
            '[' => {
                self.next();
                self.list(depth + 1)
            }
            '{' => {
                self.next();
                self.object(depth + 1)
            }
            '"' | '\'' => self.quoted().map(Value::String),
            _ => Some(match self.bare(stops)? {
                "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                word => number(word).map_or_else(|| Value::String(word.to_owned()), Value::Number),
            }),
        }
    }

    /// What stands up to one of `stops`, without the blanks around it.
    fn bare(&mut self, stops: &[char]) -> Option<&'t str> {
        let (start, _) = *self.rest.peek()?;
        let mut end = self.text.len();
        while let Some((index, character)) = self.rest.peek() {
            if stops.contains(character) {
                end = *index;
                break;
            }
            self.rest.next();
        }
        Some(self.text[start..end].trim())
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.next()?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let character = match self.next()? {
                end if end == quote => return Some(String::from_utf16_lossy(&units)),
                '\\' => match self.next()? {
                    't' => '\t',
                    'n' => '\n',
                    'r' => '\r',
                    'f' => '\u{c}',
                    'b' => '\u{8}',
                    digits @ ('u' | 'x') => {
                        let mut unit = 0;
                        for _ in 0..(if digits == 'u' { 4 } else { 2 }) {
                            unit = unit * 16 + u16::try_from(self.next()?.to_digit(16)?).ok()?;
                        }
                        units.push(unit);
                        continue;
                    }
                    other @ ('\\' | '/' | '\'' | '"') => other,
                    // SOURCE: json-smart drops a backslash it does not know, with what follows.
                    _ => continue,
                },
                other => other,
            };
            units.extend(character.encode_utf16(&mut [0; 2]).iter());
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, character)| *character)
    }

    fn next(&mut self) -> Option<char> {
        self.rest.next().map(|(_, character)| character)
    }

    fn skip_blanks(&mut self) {
        while self.rest.next_if(|(_, character)| matches!(character, ' ' | '\r' | '\n' | '\t')).is_some() {}
    }
}

/// A number as json-smart reads it: leading zeros and an empty fraction are fine.
fn number(word: &str) -> Option<Number> {
    let (sign, rest) = word.strip_prefix('-').map_or(("", word), |rest| ("-", rest));
    let digits_end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(digits_end);
    let integer = match digits.trim_start_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    if digits.is_empty() {
        return None;
    }
    let (fraction, exponent) = match rest.strip_prefix('.') {
        None => ("", rest),
        Some(rest) => rest.split_at(rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len())),
    };
    let fraction = match (rest.starts_with('.'), fraction) {
        (true, "") => ".0".to_owned(),
        (true, digits) => format!(".{digits}"),
        (false, _) => String::new(),
    };
    let is_exponent = |digits: &str| {
        let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match exponent.strip_prefix(['e', 'E']) {
        None if exponent.is_empty() => {}
        Some(digits) if is_exponent(digits) => {}
        None | Some(_) => return None,
    }
    Number::from_str(&format!("{sign}{integer}{fraction}{exponent}")).ok()
}
