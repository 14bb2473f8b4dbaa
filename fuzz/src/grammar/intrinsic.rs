//! Calls of intrinsic functions.

use arbitrary::{Result, Unstructured};

use super::{jsonpath, number, word};

/// Name and number of arguments; what takes any number takes up to four.
const FUNCTIONS: &[(&str, usize)] = &[
    ("Array", 4),
    ("ArrayContains", 2),
    ("ArrayGetItem", 2),
    ("ArrayLength", 1),
    ("ArrayPartition", 2),
    ("ArrayRange", 3),
    ("ArrayUnique", 1),
    ("Base64Decode", 1),
    ("Base64Encode", 1),
    ("Format", 4),
    ("Format", 2),
    ("Hash", 2),
    ("JsonMerge", 3),
    ("JsonToString", 1),
    ("MathAdd", 2),
    ("MathRandom", 3),
    ("MathRandom", 2),
    ("StringSplit", 2),
    ("StringToJson", 1),
    ("UUID", 0),
];

pub fn call(bytes: &mut Unstructured<'_>) -> Result<String> {
    grow(bytes, 0)
}

fn grow(bytes: &mut Unstructured<'_>, depth: usize) -> Result<String> {
    let (name, count) = *bytes.choose(FUNCTIONS)?;
    let mut arguments = Vec::new();
    for _ in 0..count {
        arguments.push(match bytes.int_in_range(0..=9)? {
            0 => number(bytes)?,
            1 => (*bytes.choose(&["true", "false", "null"])?).to_owned(),
            2 | 3 => format!("'{}'", word(bytes)?.replace('"', "")),
            4..=6 if depth < 10 => grow(bytes, depth + 1)?,
            _ => jsonpath::path(bytes)?,
        });
    }
    Ok(format!("States.{name}({})", arguments.join(", ")))
}
