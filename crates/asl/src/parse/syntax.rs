//! What Jackson, the JSON parser behind AWS, says of text that is no JSON.

/// How much of the text Jackson repeats in a location.
const SOURCE_CHARACTERS_MAX: usize = 500;

const EXPECTED: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// Jackson's message, location included, and the location alone. `line` and `column` are where our parser stopped.
pub(super) fn jackson(text: &str, reason: &str, line: usize, column: usize) -> (String, String) {
    let stop = offset(text, line, column);
    let (message, end) = describe(text, reason, stop);
    let location = locate(text, end);
    (format!("{message}\n at {location}"), location)
}

/// The message, and where Jackson would say it is.
fn describe(text: &str, reason: &str, stop: usize) -> (String, usize) {
    let Some(character) = text[stop..].chars().next().filter(|_| !reason.starts_with("EOF")) else {
        return ("Unexpected end-of-input".to_owned(), text.len());
    };
    let is_token = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    if is_token(character) && !reason.contains("number") {
        let before = text[..stop].char_indices().rev().take_while(|(_, c)| is_token(*c));
        let start = before.last().map_or(stop, |(index, _)| index);
        let end = text[stop..].find(|c| !is_token(c)).map_or(text.len(), |length| stop + length);
        return (format!("Unrecognized token '{}': was expecting {EXPECTED}", &text[start..end]), end);
    }
    let expected = match reason {
        "key must be a string" | "trailing comma" => "was expecting double-quote to start field name".to_owned(),
        "expected `:`" => "was expecting a colon to separate field name and value".to_owned(),
        "expected `,` or `}`" => "was expecting comma to separate Object entries".to_owned(),
        "expected `,` or `]`" => "was expecting comma to separate Array entries".to_owned(),
        "expected value" => format!("expected a valid value {EXPECTED}"),
        other => other.to_owned(),
    };
    let message = format!("Unexpected character ('{character}' (code {})): {expected}", u32::from(character));
    (message, stop + character.len_utf8())
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

/// `[Source: (String)"…"; line: 1, column: 4]`: the column is behind the last character read.
fn locate(text: &str, end: usize) -> String {
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |index| index + 1);
    let column = before[line_start..].chars().count() + 1;
    let shown: String = text.chars().take(SOURCE_CHARACTERS_MAX).collect();
    let cut = match text.chars().count() - shown.chars().count() {
        0 => String::new(),
        characters => format!("[truncated {characters} chars]"),
    };
    format!("[Source: (String)\"{shown}\"{cut}; line: {line}, column: {column}]")
}
