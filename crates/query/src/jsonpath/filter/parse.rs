//! Text to conditions: `||` binds less than `&&`, and `!` most.

use super::compare::Operator;
use super::pattern::Pattern;
use super::{Condition, Operand, literal, number};
use crate::jsonpath::ParseError;
use crate::jsonpath::cursor::Cursor;
use crate::jsonpath::parse::{NESTING_MAX, nested_too_deep, sub_path, unescaped};

/// Compiles what stands between `[?` and `]`.
pub(super) fn condition(text: &str, depth: usize) -> Result<Condition, ParseError> {
    let mut parser = Parser { cursor: Cursor::new(text) };
    let condition = parser.any(depth)?;
    parser.cursor.skip_blanks();
    if parser.cursor.is_within() {
        return Err(ParseError::new(format!("Expected end of filter expression instead of: {}", parser.cursor.rest())));
    }
    Ok(condition)
}

struct Parser<'t> {
    cursor: Cursor<'t>,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Condition, ParseError> {
        let first = self.all(depth)?;
        let mut conditions = vec![first];
        while self.take("||") {
            conditions.push(self.all(depth)?);
        }
        Ok(if conditions.len() == 1 { conditions.swap_remove(0) } else { Condition::Any(conditions) })
    }

    fn all(&mut self, depth: usize) -> Result<Condition, ParseError> {
        let first = self.factor(depth)?;
        let mut conditions = vec![first];
        while self.take("&&") {
            conditions.push(self.factor(depth)?);
        }
        Ok(if conditions.len() == 1 { conditions.swap_remove(0) } else { Condition::All(conditions) })
    }

    fn factor(&mut self, depth: usize) -> Result<Condition, ParseError> {
        if depth > NESTING_MAX {
            return Err(nested_too_deep());
        }
        self.cursor.skip_blanks();
        let start = self.cursor.position;
        if self.take("!") {
            self.cursor.skip_blanks();
            match self.cursor.current()? {
                // Part of the operand.
                b'$' | b'@' => self.cursor.position = start,
                _ => return Ok(Condition::Not(Box::new(self.factor(depth + 1)?))),
            }
        }
        if self.take("(") {
            let condition = self.any(depth + 1)?;
            if !self.take(")") {
                return Err(ParseError::new(format!("expected ')' before '{}'", self.cursor.rest())));
            }
            return Ok(condition);
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Condition, ParseError> {
        let (left, is_negated) = self.operand(depth)?;
        let behind_left = self.cursor.position;
        match self.operator() {
            Ok(operator) => {
                let (right, _) = self.operand(depth)?;
                Ok(Condition::Compare { left, operator, right })
            }
            Err(error) => match left {
                Operand::Path(path) => {
                    self.cursor.position = behind_left;
                    Ok(Condition::Exists { path, is_wanted: !is_negated })
                }
                Operand::Null
                | Operand::Bool(_)
                | Operand::Number(_)
                | Operand::Text(_)
                | Operand::Json { .. }
                | Operand::Pattern(_) => Err(error),
            },
        }
    }

    fn operator(&mut self) -> Result<Operator, ParseError> {
        self.cursor.skip_blanks();
        let start = self.cursor.position;
        let is_symbolic = is_symbol(self.cursor.current()?);
        while self.cursor.is_within() {
            let byte = self.cursor.current()?;
            if (is_symbolic && !is_symbol(byte)) || (!is_symbolic && byte == b' ') {
                break;
            }
            self.cursor.position += 1;
        }
        Operator::of(self.cursor.slice(start, self.cursor.position))
    }

    /// An operand, and whether a `!` stands before it.
    fn operand(&mut self, depth: usize) -> Result<(Operand, bool), ParseError> {
        self.cursor.skip_blanks();
        if self.take("!") {
            self.cursor.skip_blanks();
            return match self.cursor.current()? {
                b'$' | b'@' => self.path(depth),
                _ => Err(ParseError::new("a '!' inside a comparison stands before a path only")),
            };
        }
        let literal = match self.cursor.current()? {
            b'$' | b'@' => return self.path(depth),
            quote @ (b'\'' | b'"') => self.text(quote)?,
            b't' => self.word("true", Operand::Bool(true))?,
            b'f' => self.word("false", Operand::Bool(false))?,
            b'n' => self.word("null", Operand::Null)?,
            b'{' => self.json([b'{', b'}'])?,
            b'[' => self.json([b'[', b']'])?,
            b'/' => self.pattern()?,
            _ => self.number()?,
        };
        Ok((literal, false))
    }

    /// A path ends at a blank, an operator or a parenthesis that is not that of `.function()`.
    fn path(&mut self, depth: usize) -> Result<(Operand, bool), ParseError> {
        let is_negated = self.cursor.significant_before().and_then(|place| self.cursor.at(place)) == Some(b'!');
        let start = self.cursor.position;
        self.cursor.position += 1;
        while self.cursor.is_within() {
            if self.cursor.is_at(b'[') {
                let close = self.cursor.closing(self.cursor.position, [b'[', b']'], false)?;
                self.cursor.position = 1 + close.ok_or_else(|| ParseError::new("square brackets do not match in a filter"))?;
            }
            let byte = self.cursor.current()?;
            if is_symbol(byte) || byte == b' ' || (byte == b')' && !self.closes_a_function(start)) {
                break;
            }
            self.cursor.position += 1;
        }
        let path = sub_path(self.cursor.slice(start, self.cursor.position), depth)?;
        Ok((Operand::Path(path), is_negated))
    }

    fn closes_a_function(&self, start: usize) -> bool {
        let Some(open) = self.cursor.significant_before() else { return false };
        self.cursor.at(open) == Some(b'(') && (start + 1..open).rev().any(|place| self.cursor.at(place) == Some(b'.'))
    }

    fn text(&mut self, quote: u8) -> Result<Operand, ParseError> {
        let start = self.cursor.position;
        let close = self.cursor.unescaped_after(start, quote);
        let close = close.ok_or_else(|| ParseError::new("String literal does not have matching quotes"))?;
        self.cursor.position = close + 1;
        Ok(Operand::Text(unescaped(self.cursor.slice(start + 1, close), None)?.into()))
    }

    fn word(&mut self, word: &str, literal: Operand) -> Result<Operand, ParseError> {
        if self.cursor.take(word) { Ok(literal) } else { Err(ParseError::new(format!("Expected <{word}> value"))) }
    }

    fn json(&mut self, pair: [u8; 2]) -> Result<Operand, ParseError> {
        let start = self.cursor.position;
        let close = self.cursor.closing(start, pair, false)?;
        self.cursor.position = 1 + close.ok_or_else(|| ParseError::new("a literal list or object is not closed"))?;
        let text = self.cursor.slice(start, self.cursor.position);
        Ok(Operand::Json { text: text.into(), value: literal::parse(text) })
    }

    fn pattern(&mut self) -> Result<Operand, ParseError> {
        let start = self.cursor.position;
        let close = self.cursor.unescaped_after(start, b'/').ok_or_else(|| ParseError::new("Pattern not closed. Expected /"))?;
        self.cursor.position = close + 1;
        while self.cursor.is_within() && self.cursor.current().is_ok_and(Pattern::is_flag) {
            self.cursor.position += 1;
        }
        let flags = self.cursor.slice(close + 1, self.cursor.position);
        Ok(Operand::Pattern(Pattern::new(self.cursor.slice(start + 1, close), flags)?))
    }

    fn number(&mut self) -> Result<Operand, ParseError> {
        let start = self.cursor.position;
        while self.cursor.is_within() && matches!(self.cursor.current()?, b'0'..=b'9' | b'-' | b'.' | b'E' | b'e') {
            self.cursor.position += 1;
        }
        let text = self.cursor.slice(start, self.cursor.position);
        if number::is_decimal(text) {
            Ok(Operand::Number(text.into()))
        } else {
            Err(ParseError::new(format!("Failed to parse filter: no value starts at '{}'", self.cursor.slice(start, self.cursor.end()))))
        }
    }

    fn take(&mut self, word: &str) -> bool {
        self.cursor.skip_blanks();
        self.cursor.take(word)
    }
}

fn is_symbol(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'=' | b'~' | b'!')
}
