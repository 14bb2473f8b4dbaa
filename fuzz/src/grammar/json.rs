//! Documents.

use arbitrary::{Result, Unstructured};

use super::{DEPTH_MAX, name, number, word};

pub fn document(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    value(bytes, 0, &mut text)?;
    Ok(text)
}

fn value(bytes: &mut Unstructured<'_>, depth: usize, to: &mut String) -> Result<()> {
    let kinds = if depth < DEPTH_MAX { 11 } else { 6 };
    match bytes.int_in_range(0..=kinds)? {
        0 => to.push_str("null"),
        1 => to.push_str("true"),
        2..=4 => to.push_str(&&number(bytes)?),
        5 | 6 => to.push_str(&format!("\"{}\"", word(bytes)?)),
        7 => {
            // A long list of one thing.
            let count = bytes.int_in_range(0..=300)?;
            let item = number(bytes)?;
            to.push_str(&format!("[{}]", vec![item; count].join(",")));
        }
        8 | 9 => {
            to.push('[');
            for index in 0..bytes.int_in_range(0..=5)? {
                to.push_str(if index > 0 { "," } else { "" });
                value(bytes, depth + 1, to)?;
            }
            to.push(']');
        }
        _ => {
            to.push('{');
            for index in 0..bytes.int_in_range(0..=5)? {
                to.push_str(if index > 0 { "," } else { "" });
                to.push_str(&format!("\"{}\":", name(bytes)?));
                value(bytes, depth + 1, to)?;
            }
            to.push('}');
        }
    }
    Ok(())
}
