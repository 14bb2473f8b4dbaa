//! `/patterns/flags`: Java's regular expressions, as far as they can be matched in linear time.
//!
//! The text is rewritten for the `regex` crate. What that has no match for (look-around, back-references, possessive
//! quantifiers, atomic groups) is refused by name.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use crate::jsonpath::ParseError;

/// A pattern that compiles to more is refused.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// What matching may keep of what it has found out.
const CACHE_BYTES_MAX: usize = 1 << 20;
const NESTING_MAX: u32 = 100;

/// The whole of a text must match.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: Box<str>,
    flags: Box<str>,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.flags == other.flags
    }
}

impl Pattern {
    pub(super) fn new(text: &str, flags: &str) -> Result<Self, ParseError> {
        let is_set = |flag| flags.contains(flag);
        let translated = Translator {
            rest: text.chars().peekable(),
            translated: String::with_capacity(text.len() + 16),
            class_depth: 0,
            is_unicode: is_set('U'),
            is_dot_all: is_set('s'),
            has_unix_lines: is_set('d'),
        }
        .run()?;
        // A comment must not swallow the end.
        let end = if is_set('x') { "\n" } else { "" };
        let regex = RegexBuilder::new(&format!(r"\A(?:{translated}{end})\z"))
            .case_insensitive(is_set('i'))
            .multi_line(is_set('m'))
            .dot_matches_new_line(is_set('s'))
            .ignore_whitespace(is_set('x'))
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .nest_limit(NESTING_MAX)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => unusable("so many repetitions"),
                _ => ParseError::new(format!("the pattern /{text}/ cannot be read")),
            })?;
        Ok(Self { text: text.into(), flags: flags.into(), regex })
    }

    pub(super) fn is_flag(byte: u8) -> bool {
        matches!(byte, b'd' | b'i' | b'm' | b's' | b'u' | b'x' | b'U')
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

struct Translator<'t> {
    rest: Peekable<Chars<'t>>,
    translated: String,
    class_depth: usize,
    /// Whether `\w` and its like mean Unicode's classes; else ASCII's.
    is_unicode: bool,
    is_dot_all: bool,
    has_unix_lines: bool,
}

impl Translator<'_> {
    fn run(mut self) -> Result<String, ParseError> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape()?,
                '[' => self.open_class(),
                ']' if self.class_depth > 0 => {
                    self.class_depth -= 1;
                    self.translated.push(']');
                }
                '-' | '~' if self.class_depth > 0 && self.rest.peek() == Some(&character) => {
                    self.translated.push('\\');
                    self.translated.push(character);
                }
                _ if self.class_depth > 0 => self.translated.push(character),
                '(' => self.group()?,
                '*' | '+' | '?' => self.quantifier(character)?,
                '{' => self.counted()?,
                '.' if self.is_dot_all => self.translated.push('.'),
                '.' if self.has_unix_lines => self.translated.push_str(r"[^\n]"),
                '.' => self.translated.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
                other => self.translated.push(other),
            }
        }
        Ok(self.translated)
    }

    fn open_class(&mut self) {
        self.class_depth += 1;
        self.translated.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.translated.push('^');
        }
        if self.rest.next_if_eq(&']').is_some() {
            self.translated.push_str(r"\]");
        }
    }

    fn group(&mut self) -> Result<(), ParseError> {
        self.translated.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.translated.push('?');
        match self.rest.peek().copied() {
            Some(':') => Ok(()),
            Some('=' | '!') => Err(unusable("look-around")),
            Some('>') => Err(unusable("atomic groups")),
            Some('<') => {
                self.rest.next();
                self.translated.push('<');
                if matches!(self.rest.peek(), Some('=' | '!')) { Err(unusable("look-around")) } else { Ok(()) }
            }
            Some(_) => self.inline_flags(),
            None => Err(unusable("a group that does not end")),
        }
    }

    fn inline_flags(&mut self) -> Result<(), ParseError> {
        let mut kept = String::new();
        loop {
            match self.rest.next() {
                Some(flag @ ('i' | 'm' | 'x' | '-')) => kept.push(flag),
                Some('s') => {
                    self.is_dot_all = true;
                    kept.push('s');
                }
                Some('U') => self.is_unicode = true,
                Some('d') => self.has_unix_lines = true,
                Some('u') => {}
                Some(':') => {
                    self.translated.push_str(kept.trim_end_matches('-'));
                    self.translated.push(':');
                    return Ok(());
                }
                Some(')') => {
                    match kept.trim_end_matches('-') {
                        "" => self.translated.push_str(":)"),
                        flags => {
                            self.translated.push_str(flags);
                            self.translated.push(')');
                        }
                    }
                    return Ok(());
                }
                Some(other) => return Err(unusable(&format!("the group '(?{other}'"))),
                None => return Err(unusable("a group that does not end")),
            }
        }
    }

    fn quantifier(&mut self, quantifier: char) -> Result<(), ParseError> {
        self.translated.push(quantifier);
        self.behind_quantifier()
    }

    fn counted(&mut self) -> Result<(), ParseError> {
        self.translated.push('{');
        loop {
            match self.rest.next() {
                Some('}') => break,
                Some(part @ ('0'..='9' | ',')) if part != ',' || !self.translated.ends_with('{') => self.translated.push(part),
                Some(_) | None => return Err(unusable("a '{' that counts nothing")),
            }
        }
        self.translated.push('}');
        self.behind_quantifier()
    }

    fn behind_quantifier(&mut self) -> Result<(), ParseError> {
        if self.rest.next_if_eq(&'?').is_some() {
            self.translated.push('?');
        }
        match self.rest.peek() {
            Some('+') => Err(unusable("possessive quantifiers")),
            Some('*' | '?') => Err(unusable("a quantifier behind a quantifier")),
            Some(_) | None => Ok(()),
        }
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        let Some(escaped) = self.rest.next() else { return Err(unusable("a backslash at the end")) };
        let is_in_class = self.class_depth > 0;
        match escaped {
            'd' | 'D' | 'w' | 'W' if self.is_unicode => self.translated.extend(['\\', escaped]),
            's' | 'S' if self.is_unicode => self.translated.extend(['\\', escaped]),
            'd' => self.translated.push_str("[0-9]"),
            'D' => self.translated.push_str("[^0-9]"),
            'w' => self.translated.push_str("[0-9A-Za-z_]"),
            'W' => self.translated.push_str("[^0-9A-Za-z_]"),
            's' => self.translated.push_str(r"[ \t\n\x0B\f\r]"),
            'S' => self.translated.push_str(r"[^ \t\n\x0B\f\r]"),
            'h' => self.translated.push_str(r"[ \t\xA0\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"),
            'v' => self.translated.push_str(r"[\n\x0B\f\r\x85\x{2028}\x{2029}]"),
            'b' | 'B' | 'A' | 'z' if !is_in_class => self.translated.extend(['\\', escaped]),
            'Z' if !is_in_class => self.translated.push_str(r"(?:\n?\z)"),
            'R' if !is_in_class => self.translated.push_str(r"(?:\r\n|[\n\x0B\f\r\x85\x{2028}\x{2029}])"),
            't' | 'n' | 'r' | 'f' | 'a' => self.translated.extend(['\\', escaped]),
            'e' => self.translated.push_str(r"\x1B"),
            'c' => {
                let control = self.rest.next().and_then(|character| char::from_u32(u32::from(character) ^ 64));
                self.literal(control.ok_or_else(|| unusable("a '\\c' without a character"))?);
            }
            'Q' => self.quote(),
            'x' => self.code_point(2)?,
            'u' => self.code_point(4)?,
            '0' => self.octal()?,
            'p' | 'P' => self.property(escaped == 'P')?,
            'k' | '1'..='9' => return Err(unusable("back-references")),
            letter if letter.is_ascii_alphabetic() => return Err(unusable(&format!("the escape '\\{letter}'"))),
            other => self.literal(other),
        }
        Ok(())
    }

    fn literal(&mut self, character: char) {
        self.translated.push_str(&format!(r"\x{{{:x}}}", u32::from(character)));
    }

    /// `\Q…\E`.
    fn quote(&mut self) {
        while let Some(character) = self.rest.next() {
            if character == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(character);
        }
    }

    fn code_point(&mut self, digits: usize) -> Result<(), ParseError> {
        let braced = digits == 2 && self.rest.next_if_eq(&'{').is_some();
        let text: String = if braced {
            self.rest.by_ref().take_while(|character| *character != '}').collect()
        } else {
            self.rest.by_ref().take(digits).collect()
        };
        let character = u32::from_str_radix(&text, 16).ok().and_then(char::from_u32);
        self.literal(character.ok_or_else(|| unusable(&format!("the code '{text}'")))?);
        Ok(())
    }

    fn octal(&mut self) -> Result<(), ParseError> {
        let mut code = 0;
        let mut digits = 0;
        while let Some(digit) =
            self.rest.peek().and_then(|character| character.to_digit(8)).filter(|digit| digits < 3 && code * 8 + digit < 256)
        {
            code = code * 8 + digit;
            digits += 1;
            self.rest.next();
        }
        match char::from_u32(code) {
            Some(character) if digits > 0 => {
                self.literal(character);
                Ok(())
            }
            Some(_) | None => Err(unusable("an octal code without digits")),
        }
    }

    fn property(&mut self, is_negated: bool) -> Result<(), ParseError> {
        let name: String = match self.rest.next() {
            Some('{') => self.rest.by_ref().take_while(|character| *character != '}').collect(),
            Some(letter) => letter.to_string(),
            None => return Err(unusable("a '\\p' without a name")),
        };
        let is_posix = matches!(
            name.as_str(),
            "Lower"
                | "Upper"
                | "ASCII"
                | "Alpha"
                | "Digit"
                | "Alnum"
                | "Punct"
                | "Graph"
                | "Print"
                | "Blank"
                | "Cntrl"
                | "XDigit"
                | "Space"
        );
        if is_posix {
            let negation = if is_negated { "^" } else { "" };
            self.translated.push_str(&format!("[[:{negation}{}:]]", name.to_ascii_lowercase()));
        } else {
            let letter = if is_negated { 'P' } else { 'p' };
            let name = name.strip_prefix("Is").unwrap_or(&name);
            self.translated.push_str(&format!("\\{letter}{{{name}}}"));
        }
        Ok(())
    }
}

fn unusable(what: &str) -> ParseError {
    ParseError::new(format!("a pattern with {what} cannot be used here"))
}
