//! Text to conditions: `||` binds less than `&&`, and `!` most.

use super::compare::Operator;
use super::pattern::Pattern;
use super::{Condition, Operand, literal, number};
use crate::jsonpath::ParseError;
use crate::jsonpath::cursor::Cursor;
use crate::jsonpath::parse::{Limits, sub_path, unescaped};

/// Compiles what stands between `[?` and `]`.
pub(super) fn condition(text: &str, limits: Limits<'_>) -> Result<Condition, ParseError> {
    let mut parser = Parser { cursor: Cursor::new(text) };
    let condition = parser.any(limits)?;
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
    fn any(&mut self, limits: Limits<'_>) -> Result<Condition, ParseError> {
        let first = self.all(limits)?;
        let mut conditions = vec![first];
        while self.take("||") {
            conditions.push(self.all(limits)?);
        }
        Ok(if conditions.len() == 1 { conditions.swap_remove(0) } else { Condition::Any(conditions) })
    }

    fn all(&mut self, limits: Limits<'_>) -> Result<Condition, ParseError> {
        let first = self.factor(limits)?;
        let mut conditions = vec![first];
        while self.take("&&") {
            conditions.push(self.factor(limits)?);
        }
        Ok(if conditions.len() == 1 { conditions.swap_remove(0) } else { Condition::All(conditions) })
    }

    fn factor(&mut self, limits: Limits<'_>) -> Result<Condition, ParseError> {
        self.cursor.skip_blanks();
        let start = self.cursor.position;
        if self.take("!") {
            self.cursor.skip_blanks();
            match self.cursor.current()? {
                // Part of the operand.
                b'$' | b'@' => self.cursor.position = start,
                _ => return Ok(Condition::Not(Box::new(self.factor(limits.nested()?)?))),
            }
        }
        if self.take("(") {
            let condition = self.any(limits.nested()?)?;
            if !self.take(")") {
                return Err(ParseError::new(format!("expected ')' before '{}'", self.cursor.rest())));
            }
            return Ok(condition);
        }
        self.comparison(limits)
    }

    fn comparison(&mut self, limits: Limits<'_>) -> Result<Condition, ParseError> {
        let (left, is_negated) = self.operand(limits)?;
        let behind_left = self.cursor.position;
        match self.operator() {
            Ok(operator) => {
                let (right, _) = self.operand(limits)?;
                Ok(Condition::Compare { left, operator, right })
            }
            Err(error) => match left {
                Operand::Path(path) => {
                    self.cursor.position = behind_left;
                    Ok(Condition::Exists { path, is_wanted: !is_negated })
                }
                Operand::Null | Operand::Bool(_) | Operand::Number(_) | Operand::Text(_) | Operand::Json { .. } | Operand::Pattern(_) => {
                    Err(error)
                }
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
    fn operand(&mut self, limits: Limits<'_>) -> Result<(Operand, bool), ParseError> {
        self.cursor.skip_blanks();
        if self.take("!") {
            self.cursor.skip_blanks();
            return match self.cursor.current()? {
                b'$' | b'@' => self.path(limits),
                _ => Err(ParseError::new("a '!' inside a comparison stands before a path only")),
            };
        }
        let literal = match self.cursor.current()? {
            b'$' | b'@' => return self.path(limits),
            quote @ (b'\'' | b'"') => self.text(quote)?,
            b'a'..=b'z' | b'A'..=b'Z' => self.word(),
            b'{' => self.json([b'{', b'}'])?,
            b'[' => self.json([b'[', b']'])?,
            b'/' => self.pattern(limits)?,
            _ => self.number()?,
        };
        Ok((literal, false))
    }

    /// A path ends at a blank, an operator or a parenthesis that is not that of `.function()`.
    fn path(&mut self, limits: Limits<'_>) -> Result<(Operand, bool), ParseError> {
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
        let path = sub_path(self.cursor.slice(start, self.cursor.position), limits)?;
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

    /// `true`, `false`, `null`, or a text without quotes.
    ///
    /// SOURCE: the library refuses such a text; AWS's own data processing tutorial has `[?(@.category==home)]`.
    fn word(&mut self) -> Operand {
        for (word, literal) in [("true", Operand::Bool(true)), ("false", Operand::Bool(false)), ("null", Operand::Null)] {
            if self.cursor.take(word) {
                return literal;
            }
        }
        let start = self.cursor.position;
        let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        while self.cursor.at(self.cursor.position).is_some_and(is_inside) {
            self.cursor.position += 1;
        }
        Operand::Text(self.cursor.slice(start, self.cursor.position).into())
    }

    fn json(&mut self, pair: [u8; 2]) -> Result<Operand, ParseError> {
        let start = self.cursor.position;
        let close = self.cursor.closing(start, pair, false)?;
        self.cursor.position = 1 + close.ok_or_else(|| ParseError::new("a literal list or object is not closed"))?;
        let text = self.cursor.slice(start, self.cursor.position);
        Ok(Operand::Json { text: text.into(), value: literal::parse(text) })
    }

    fn pattern(&mut self, limits: Limits<'_>) -> Result<Operand, ParseError> {
        let start = self.cursor.position;
        let close = self.cursor.unescaped_after(start, b'/').ok_or_else(|| ParseError::new("Pattern not closed. Expected /"))?;
        self.cursor.position = close + 1;
        while self.cursor.is_within() && self.cursor.current().is_ok_and(Pattern::is_flag) {
            self.cursor.position += 1;
        }
        limits.take_pattern()?;
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
