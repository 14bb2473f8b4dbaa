//! What is wrong with a JSON document that travels as a string, in the words of AWS's parser (Jackson).

use skald_query::Payload;
use skald_query::payload::SyntaxError;

/// Characters that Jackson takes into an unrecognized token.
fn is_token(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

/// Reads a document; the text stays as it is, byte for byte.
///
/// # Errors
/// Jackson's message, without the place.
pub(crate) fn parse_document(text: String) -> Result<Payload, String> {
    // `Payload::parse` takes the text, and the message needs it: a refused document is read a second time.
    match Payload::parse(text.as_str()) {
        Ok(payload) => Ok(payload),
        Err(SyntaxError::TooDeep) => Err(SyntaxError::TooDeep.to_string()),
        Err(SyntaxError::NotJson { message, line, column }) => Err(describe(&text, &message, line, column)),
    }
}

fn describe(text: &str, reason: &str, line: usize, column: usize) -> String {
    let stop = offset(text, line, column);
    let ends_in_token = text.ends_with(is_token);
    let character = text[stop..].chars().next().filter(|_| !reason.starts_with("EOF"));
    let (character, expected) = match (character, reason) {
        (None, "EOF while parsing a value") if ends_in_token => return unrecognized(text, text.len()),
        (None, _) => return "Unexpected end-of-input".to_owned(),
        (Some(_), "expected ident") => return unrecognized(text, stop),
        (Some(c), "key must be a string" | "trailing comma") => (c, "was expecting double-quote to start field name"),
        (Some(c), "expected `:`") => (c, "was expecting a colon to separate field name and value"),
        (Some(c), "expected `,` or `}`") => (c, "was expecting comma to separate Object entries"),
        (Some(c), "expected `,` or `]`") => (c, "was expecting comma to separate Array entries"),
        (Some(c), "expected value" | "trailing characters") if is_token(c) => return unrecognized(text, stop),
        (Some(c), "expected value") => {
            (c, "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')")
        }
        (Some(c), other) => (c, other),
    };
    format!("Unexpected character ('{character}' (code {})): {expected}", u32::from(character))
}

/// The whole token around the place where our parser gave it up.
fn unrecognized(text: &str, stop: usize) -> String {
    let start = text[..stop].char_indices().rev().take_while(|(_, c)| is_token(*c)).last().map_or(stop, |(index, _)| index);
    let end = text[stop..].find(|c| !is_token(c)).map_or(text.len(), |length| stop + length);
    let expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
    format!("Unrecognized token '{}': was expecting {expected}", &text[start..end])
}

/// The byte our parser stopped at: its columns count bytes, from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut offset = (line_start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests;
