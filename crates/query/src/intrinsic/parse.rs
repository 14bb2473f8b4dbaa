//! Text to calls. A path is cut out here and read by [`Path::parse`]; so its end is found without understanding it.

use serde_json::Value;

use super::{Argument, Call, Function, NESTING_MAX, ParseError, TextLiteral};
use crate::jsonpath::Path;
use crate::number;

pub(super) fn parse(text: &str) -> Result<Call, ParseError> {
    let mut parser = Parser { rest: text.trim() };
    let call = parser.call(1)?;
    match parser.rest {
        "" => Ok(call),
        rest => Err(invalid(format!("nothing may follow the call: {rest}"))),
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn call(&mut self, depth: usize) -> Result<Call, ParseError> {
        if depth > NESTING_MAX {
            return Err(invalid(format!("calls nest deeper than {NESTING_MAX}")));
        }
        let start = self.rest;
        let name_end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(self.rest.len());
        let name = self.take(name_end);
        let function = Function::named(name).ok_or_else(|| invalid(format!("there is no function '{name}'")))?;
        self.skip_blanks();
        self.expect('(')?;
        let arguments = self.arguments(depth)?;
        let arity = function.arity();
        if !arity.contains(&arguments.len()) {
            return Err(invalid(format!("{name} does not take {} arguments", arguments.len())));
        }
        let is_text = |argument: &Argument| matches!(argument, Argument::Text(_));
        if matches!(function, Function::MathAdd | Function::MathRandom | Function::ArrayRange) && arguments.iter().any(is_text) {
            return Err(invalid(format!("{name} takes numbers")));
        }
        let text = &start[..start.len() - self.rest.len()];
        Ok(Call { text: text.into(), function, arguments: arguments.into_boxed_slice() })
    }

    /// What stands between the parentheses, and the closing one.
    fn arguments(&mut self, depth: usize) -> Result<Vec<Argument>, ParseError> {
        let mut arguments = Vec::new();
        self.skip_blanks();
        if self.skip(')') {
            return Ok(arguments);
        }
        loop {
            self.skip_blanks();
            arguments.push(self.argument(depth)?);
            self.skip_blanks();
            if self.skip(',') {
                continue;
            }
            self.expect(')')?;
            return Ok(arguments);
        }
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, ParseError> {
        match self.rest.chars().next() {
            Some('\'') => self.text_literal().map(Argument::Text),
            Some('$') => {
                let text = self.take(path_end(self.rest)).trim_end();
                Path::parse(text).map(Argument::Path).map_err(|error| invalid(format!("{text}: {error}")))
            }
            Some('S') => self.call(depth + 1).map(Argument::Call),
            Some(_) => self.constant(),
            None => Err(invalid("the text ends where an argument should be".to_owned())),
        }
    }

    fn constant(&mut self) -> Result<Argument, ParseError> {
        let end = self.rest.find(|c: char| c == ',' || c == ')' || c.is_ascii_whitespace()).unwrap_or(self.rest.len());
        let value = match self.take(end) {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => Value::Number(number::read(text).ok_or_else(|| invalid(format!("no argument: '{text}'")))?),
        };
        Ok(Argument::Constant(value))
    }

    /// A text in single quotes; the opening one comes next.
    fn text_literal(&mut self) -> Result<TextLiteral, ParseError> {
        let mut value = String::new();
        let mut between_placeholders = Vec::new();
        let mut between = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((index, character)) = characters.next() {
            match character {
                '\'' => {
                    self.take(index + 1);
                    between_placeholders.push(between.into());
                    return Ok(TextLiteral { value: value.into(), between_placeholders: between_placeholders.into() });
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('\'' | '{' | '}' | '\\'))) => {
                        value.push(escaped);
                        between.push(escaped);
                    }
                    // SOURCE: recorded on AWS: `\"` is refused when the machine is created.
                    Some((_, other)) => return Err(invalid(format!("'\\{other}' is no escape"))),
                    None => break,
                },
                '{' if characters.next_if(|(_, next)| *next == '}').is_some() => {
                    value.push_str("{}");
                    between_placeholders.push(std::mem::take(&mut between).into());
                }
                _ => {
                    value.push(character);
                    between.push(character);
                }
            }
        }
        Err(invalid("a text in quotes does not end".to_owned()))
    }

    fn take(&mut self, end: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn skip(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, character: char) -> Result<(), ParseError> {
        if self.skip(character) { Ok(()) } else { Err(invalid(format!("expected '{character}' before '{}'", self.rest))) }
    }
}

/// Where the path at the start of `text` ends: at a comma or a closing parenthesis that is not its own. Inside brackets
/// and parentheses stand quoted names, filters with texts in quotes, and regular expressions (`=~ /…/`).
fn path_end(text: &str) -> usize {
    let mut depth = 0usize;
    let mut closing = None;
    let mut escaped = false;
    let mut before = ['\0'; 2];
    for (index, character) in text.char_indices() {
        if let Some(quote) = closing {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if character == quote => closing = None,
                _ => {}
            }
            continue;
        }
        match character {
            ',' | ')' if depth == 0 => return index,
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            '\'' | '"' if depth > 0 => closing = Some(character),
            '/' if before == ['=', '~'] => closing = Some('/'),
            _ => {}
        }
        if !character.is_whitespace() {
            before = [before[1], character];
        }
    }
    text.len()
}

fn invalid(reason: String) -> ParseError {
    ParseError { reason }
}
