//! Expressions of JSONata.

use arbitrary::{Result, Unstructured};

use super::{name, number, word};

const DEPTH_MAX: usize = 7;

/// Functions by the number of arguments that are most often right.
const FUNCTIONS: &[(&str, usize)] = &[
    ("string", 1),
    ("length", 1),
    ("substring", 3),
    ("substringBefore", 2),
    ("substringAfter", 2),
    ("uppercase", 1),
    ("lowercase", 1),
    ("trim", 1),
    ("pad", 3),
    ("contains", 2),
    ("split", 2),
    ("join", 2),
    ("match", 2),
    ("replace", 3),
    ("base64encode", 1),
    ("base64decode", 1),
    ("encodeUrlComponent", 1),
    ("encodeUrl", 1),
    ("decodeUrlComponent", 1),
    ("decodeUrl", 1),
    ("number", 1),
    ("abs", 1),
    ("floor", 1),
    ("ceil", 1),
    ("round", 2),
    ("power", 2),
    ("sqrt", 1),
    ("random", 0),
    ("formatNumber", 2),
    ("formatBase", 2),
    ("formatInteger", 2),
    ("parseInteger", 2),
    ("sum", 1),
    ("max", 1),
    ("min", 1),
    ("average", 1),
    ("boolean", 1),
    ("not", 1),
    ("exists", 1),
    ("count", 1),
    ("append", 2),
    ("sort", 1),
    ("reverse", 1),
    ("shuffle", 1),
    ("distinct", 1),
    ("zip", 3),
    ("keys", 1),
    ("lookup", 2),
    ("spread", 1),
    ("merge", 1),
    ("error", 1),
    ("assert", 2),
    ("type", 1),
    ("now", 0),
    ("now", 2),
    ("millis", 0),
    ("fromMillis", 3),
    ("toMillis", 2),
    ("partition", 2),
    ("range", 3),
    ("hash", 2),
    ("uuid", 0),
    ("parse", 1),
    ("each", 1),
    ("eval", 1),
];

/// Functions over an array or object and a function.
const HIGHER: &[&str] = &["map", "filter", "reduce", "sift", "each", "single", "sort", "match", "replace"];

pub fn expression(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    grow(bytes, 0, &mut text)?;
    Ok(text)
}

fn grow(bytes: &mut Unstructured<'_>, depth: usize, to: &mut String) -> Result<()> {
    if depth >= DEPTH_MAX {
        return leaf(bytes, to);
    }
    let inner = |bytes: &mut Unstructured<'_>, to: &mut String| grow(bytes, depth + 1, to);
    let parts = |bytes: &mut Unstructured<'_>, to: &mut String, [open, separator, close]: [&str; 3], count: usize| {
        to.push_str(open);
        for index in 0..count {
            to.push_str(if index > 0 { separator } else { "" });
            grow(bytes, depth + 1, to)?;
        }
        to.push_str(close);
        Ok(())
    };
    match bytes.int_in_range(0..=27)? {
        0..=4 => leaf(bytes, to)?,
        5..=7 => {
            let operator = *bytes.choose(&[
                "+", "-", "*", "/", "%", "&", "=", "!=", "<", "<=", ">", ">=", " and ", " or ", " in ", "~>", "?:", "??", "..",
            ])?;
            let [open, close] = if operator == ".." { ["[", "]"] } else { ["(", ")"] };
            parts(bytes, to, [open, operator, close], 2)?;
        }
        8 => parts(bytes, to, ["(", "", ")"], 1)?,
        9 | 10 => {
            inner(bytes, to)?;
            to.push_str(bytes.choose(&[".", "."])?);
            inner(bytes, to)?;
        }
        11 => {
            inner(bytes, to)?;
            to.push_str(bytes.choose(&[".*", ".**", ".%", ".%.%", "[]", "@$i", "#$i", "^(a)", "^(>$)", "{`a`: $}", ".(**)"])?);
        }
        12 | 13 => {
            inner(bytes, to)?;
            to.push('[');
            inner(bytes, to)?;
            to.push(']');
        }
        14 => parts(bytes, to, ["[", ",", "]"], 3)?,
        15 => {
            to.push('{');
            for index in 0..bytes.int_in_range(0..=3)? {
                to.push_str(if index > 0 { "," } else { "" });
                to.push_str(&format!("\"{}\":", name(bytes)?));
                inner(bytes, to)?;
            }
            to.push('}');
        }
        16 => {
            inner(bytes, to)?;
            to.push('{');
            inner(bytes, to)?;
            to.push(':');
            inner(bytes, to)?;
            to.push('}');
        }
        17 => {
            to.push_str(&format!("($v{} := ", bytes.int_in_range(0..=2)?));
            inner(bytes, to)?;
            to.push(';');
            inner(bytes, to)?;
            to.push(')');
        }
        18 => parts(bytes, to, ["(", ";", ")"], 3)?,
        19 => {
            to.push('(');
            inner(bytes, to)?;
            to.push('?');
            inner(bytes, to)?;
            to.push(':');
            inner(bytes, to)?;
            to.push(')');
        }
        20 | 21 => {
            to.push_str(&format!("${}(", bytes.choose(HIGHER)?));
            inner(bytes, to)?;
            to.push(',');
            to.push_str(bytes.choose(&["function($v1)", "function($v1,$v2)", "λ($v1,$v2,$v0)", "function($v1,$v2)<nn:n>"])?);
            to.push('{');
            inner(bytes, to)?;
            to.push_str("})");
        }
        22 => parts(bytes, to, ["|", "|", "|"], 2)?,
        23 => {
            // Recursion.
            to.push_str("($v0 := function($v1){");
            inner(bytes, to)?;
            to.push_str("}; $v0(");
            inner(bytes, to)?;
            to.push_str("))");
        }
        _ => {
            let (name, count) = *bytes.choose(FUNCTIONS)?;
            to.push_str(&format!("${name}("));
            let count = if bytes.ratio(1, 12)? { bytes.int_in_range(0..=4)? } else { count };
            for index in 0..count {
                to.push_str(if index > 0 { "," } else { "" });
                inner(bytes, to)?;
            }
            to.push(')');
        }
    }
    Ok(())
}

fn leaf(bytes: &mut Unstructured<'_>, to: &mut String) -> Result<()> {
    match bytes.int_in_range(0..=13)? {
        0 | 1 => to.push_str(number(bytes)?.trim_start_matches('-')),
        2 | 3 => to.push_str(&format!("\"{}\"", word(bytes)?)),
        4 => to.push_str(bytes.choose(&["true", "false", "null", "[]", "{}", "**", "*", "%"])?),
        5 | 6 => to.push_str("$states.input"),
        7 => to.push_str(&format!("$states.input.{}", name(bytes)?.replace("x y", "`x y`"))),
        8 => to.push_str(bytes.choose(&["$states.context", "$states.result", "$states", "$states.input.**", "$states.input.*", "$v"])?),
        9 => to.push_str(bytes.choose(&["$", "$$", "$v0", "$v1", "$v2", "$i"])?),
        10 => to.push_str(bytes.choose(&["/a+/", "/(a|b)*c/i", "/./m", "/(\\w+) (\\d{2,9})/", "/^$/", "/,/", "//"])?),
        11 => to.push_str(bytes.choose(&["[1..9]", "[1..1000]", "[1..100000]", "[0..-1]", "$string", "$sum", "$count", "$v0(?, 1)"])?),
        _ => to.push_str(&name(bytes)?.replace("x y", "`x y`")),
    }
    Ok(())
}
