//! Paths of the Jayway dialect.

use arbitrary::{Result, Unstructured};

use super::{DEPTH_MAX, name, number, word};

pub fn path(bytes: &mut Unstructured<'_>) -> Result<String> {
    let root = *bytes.choose(&["$", "$", "$", "$$", "$v"])?;
    path_from(root, bytes, 0)
}

fn path_from(root: &str, bytes: &mut Unstructured<'_>, depth: usize) -> Result<String> {
    let mut text = root.to_owned();
    for _ in 0..bytes.int_in_range(0..=5)? {
        step(bytes, depth, &mut text)?;
    }
    Ok(text)
}

fn step(bytes: &mut Unstructured<'_>, depth: usize, to: &mut String) -> Result<()> {
    let kinds = if depth < DEPTH_MAX { 13 } else { 8 };
    let small = |bytes: &mut Unstructured<'_>| bytes.int_in_range(-4i32..=6);
    match bytes.int_in_range(0..=kinds)? {
        0 | 1 => to.push_str(&format!(".{}", name(bytes)?)),
        2 => to.push_str(&format!("['{}']", name(bytes)?)),
        3 => to.push_str(&format!("['{}','{}']", name(bytes)?, name(bytes)?)),
        4 => to.push_str(&format!("[{}]", small(bytes)?)),
        5 => to.push_str(&format!("[{},{}]", small(bytes)?, small(bytes)?)),
        6 => to.push_str(&format!("[{}:{}]", small(bytes)?, small(bytes)?)),
        7 => to.push_str(bytes.choose(&["[*]", ".*", "..*", "..[*]", "[:]", "[-1:]", "[:2]"])?),
        8 => to.push_str(&format!("..{}", name(bytes)?)),
        9..=11 => to.push_str(&format!("{}[?({})]", bytes.choose(&["", "."])?, condition(bytes, depth + 1)?)),
        _ => {
            let function = bytes.choose(&[
                "length", "size", "sum", "min", "max", "avg", "stddev", "concat", "append", "keys", "first", "last", "index", "other",
            ])?;
            let mut arguments = Vec::new();
            for _ in 0..bytes.int_in_range(0..=2)? {
                arguments.push(operand(bytes, depth + 1)?);
            }
            to.push_str(&format!(".{function}({})", arguments.join(",")));
        }
    }
    Ok(())
}

fn condition(bytes: &mut Unstructured<'_>, depth: usize) -> Result<String> {
    if depth >= DEPTH_MAX {
        return Ok("@.a".to_owned());
    }
    Ok(match bytes.int_in_range(0..=7)? {
        0 => format!("{} && {}", condition(bytes, depth + 1)?, condition(bytes, depth + 1)?),
        1 => format!("{} || {}", condition(bytes, depth + 1)?, condition(bytes, depth + 1)?),
        2 => format!("!({})", condition(bytes, depth + 1)?),
        3 => operand(bytes, depth + 1)?,
        _ => {
            let operator = bytes.choose(&[
                "==", "!=", "<", "<=", ">", ">=", "=~", "in", "nin", "subsetof", "anyof", "noneof", "size", "empty", "contains", "all",
                "type", "===", "!==", "matches",
            ])?;
            format!("{} {operator} {}", operand(bytes, depth + 1)?, operand(bytes, depth + 1)?)
        }
    })
}

fn operand(bytes: &mut Unstructured<'_>, depth: usize) -> Result<String> {
    Ok(match bytes.int_in_range(0..=9)? {
        0 => number(bytes)?,
        1 => format!("'{}'", word(bytes)?),
        2 => (*bytes.choose(&[
            "true",
            "false",
            "null",
            "[1,2,'x']",
            "['a',null]",
            "{\"a\":1}",
            "[]",
            "/a+b*/i",
            "/(a|b)*c{2,5}/",
            "/^.*$/",
        ])?)
        .to_owned(),
        3 => path_from("$", bytes, depth + 1)?,
        _ => path_from("@", bytes, depth + 1)?,
    })
}
