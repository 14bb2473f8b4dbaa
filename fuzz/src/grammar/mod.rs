//! Bytes to expressions that are mostly right: what random edits of text seldom reach.

pub mod json;
pub mod jsonpath;
pub mod intrinsic;
pub mod jsonata;
pub mod machine;

use arbitrary::{Result, Unstructured};

/// How deep what is grown nests.
const DEPTH_MAX: usize = 6;

/// Names that documents have, and expressions ask for.
const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "é", "x y", ""];

fn name(bytes: &mut Unstructured<'_>) -> Result<&'static str> {
    bytes.choose(NAMES).copied()
}

fn number(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(match bytes.int_in_range(0..=9)? {
        0 => bytes.arbitrary::<i64>()?.to_string(),
        1 => bytes.arbitrary::<i16>()?.to_string(),
        2 => {
            (*bytes.choose(&["0.5", "1.5", "-2.5", "1e3", "1e-7", "1e21", "9007199254740993", "1e308", "-0", "0.1", "1000000"])?).to_owned()
        }
        _ => bytes.int_in_range(-3..=12)?.to_string(),
    })
}

fn word(bytes: &mut Unstructured<'_>) -> Result<&'static str> {
    bytes
        .choose(&[
            "",
            "a",
            "text",
            "a,b,,c",
            "{}",
            "{}{}",
            "abcabc",
            "😀é",
            "2024-01-02T03:04:05.678Z",
            "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01][Z]",
            "#,##0.00;(#)",
            "0.0e0",
            "W",
            "I",
            "w;o",
            "[YI]-[Mn,3-3] [h#1] [P] [F0] [x]",
            "SHA-256",
            "eyJhIjoxfQ==",
            "%41%zz",
            "\\\\{",
            "((a+)+)+$",
            "[1,{\\\"a\\\":2}]",
            "0",
            "12.5",
            "true",
        ])
        .copied()
}
