//! The official JSONata suite: `groups/<group>.json` are lists of cases, `datasets/<name>.json` their input.

use std::path::Path;

use anyhow::{Context, Result, bail};
use skald_query::Value;
use skald_query::jsonata::plain;

use crate::set;
use crate::verdict::{Judged, Reason, Verdict};

/// Expressions may nest thousands of calls, and unoptimised code takes kilobytes for each.
const STACK_BYTES: usize = 1 << 30;
/// `$eval` is no part of Step Functions. SOURCE: Step Functions guide, "JSONata functions".
const LEFT_OUT: &str = "function-eval";

/// Judges the cases of a folder whose id contains `only`; an area is a group.
///
/// # Errors
/// A file that is not in the suite's format.
pub fn judge_all(folder: &Path, only: &str) -> Result<Vec<Judged>> {
    let (folder, only) = (folder.to_owned(), only.to_owned());
    let judging = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || judge_groups(&folder, &only))?;
    judging.join().map_err(|_| anyhow::anyhow!("a case panicked"))?
}

fn judge_groups(folder: &Path, only: &str) -> Result<Vec<Judged>> {
    let mut judged = Vec::new();
    for file in set::json_files(&folder.join("groups"))? {
        let area = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = without_lone_surrogates(&std::fs::read_to_string(&file)?);
        let cases: Vec<Value> = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        for case in &cases {
            let id = case["id"].as_str().context("a case without an id")?;
            if !id.contains(only) {
                continue;
            }
            let verdict = match judge(folder, case) {
                _ if area == LEFT_OUT => Verdict::NotRun(Reason::OtherDialect),
                Ok(()) => Verdict::Passed,
                Err(error) => Verdict::Failed(format!("{}: {error:#}", case["expr"])),
            };
            judged.push(Judged { area: area.clone(), id: id.to_owned(), verdict });
        }
    }
    Ok(judged)
}

fn judge(folder: &Path, case: &Value) -> Result<()> {
    let data = match (case.get("data"), case["dataset"].as_str()) {
        (Some(data), _) => Some(data.clone()),
        (None, Some(name)) => Some(set::read(&folder.join("datasets").join(format!("{name}.json")))?),
        (None, None) => None,
    };
    let bindings: Vec<(String, Value)> =
        case["bindings"].as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
    let expression = case["expr"].as_str().context("no expression")?;
    let outcome = plain::evaluate(expression, data.as_ref(), &bindings);
    let error = case.get("error").unwrap_or(case);
    if let Some(code) = error["code"].as_str() {
        return match outcome {
            Err(came) if came.code != code => bail!("expected {code}, came {} {}", came.code, came.message),
            Err(came) => match error["message"].as_str() {
                Some(message) if message != came.message => bail!("expected {code} {message:?}, came {:?}", came.message),
                Some(_) | None => Ok(()),
            },
            Ok(value) => bail!("expected {code}, came {}", shown(value.as_ref())),
        };
    }
    let expected = case.get("result");
    let is_unordered = case["unordered"] == true;
    match (outcome, expected) {
        (Err(came), _) => bail!("expected {}, came {} {}", shown(expected), came.code, came.message),
        (Ok(None), None) => Ok(()),
        (Ok(Some(value)), Some(expected)) if is_same(&value, expected, is_unordered) => Ok(()),
        (Ok(value), expected) => bail!("expected {}, came {}", shown(expected), shown(value.as_ref())),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), crate::compare::brief)
}

/// Numbers are equal by what they are worth: the suite's own runner has one kind of number.
fn is_same(value: &Value, expected: &Value, is_unordered: bool) -> bool {
    match (value, expected) {
        (Value::Number(value), Value::Number(expected)) => value.as_f64() == expected.as_f64(),
        (Value::Array(values), Value::Array(expected)) if is_unordered => {
            let mut left: Vec<&Value> = expected.iter().collect();
            let all_found = values.iter().all(|value| {
                let place = left.iter().position(|expected| is_same(value, expected, false));
                place.map(|place| left.swap_remove(place)).is_some()
            });
            all_found && left.is_empty()
        }
        (Value::Array(values), Value::Array(expected)) => {
            values.len() == expected.len() && values.iter().zip(expected).all(|(value, expected)| is_same(value, expected, false))
        }
        (Value::Object(members), Value::Object(expected)) => {
            let is_member = |name: &String, value| expected.get(name).is_some_and(|expected| is_same(value, expected, false));
            members.len() == expected.len() && members.iter().all(|(name, value)| is_member(name, value))
        }
        (value, expected) => value == expected,
    }
}

/// The escapes `\ud800` to `\udfff` that are no half of a pair, replaced: no text of ours can hold them.
fn without_lone_surrogates(text: &str) -> String {
    let surrogate_at = |place: usize| {
        let digits = text.get(place..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok().filter(|unit| (0xd800..0xe000).contains(unit))
    };
    let mut kept = String::with_capacity(text.len());
    let mut place = 0;
    while let Some(letter) = text[place..].chars().next() {
        let length = match (surrogate_at(place), surrogate_at(place + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..)) => 12,
            (Some(_), _) => {
                kept.push_str("\\ufffd");
                place += 6;
                continue;
            }
            // An escaped backslash begins no other escape.
            (None, _) if text[place..].starts_with("\\\\") => 2,
            (None, _) => letter.len_utf8(),
        };
        kept.push_str(&text[place..place + length]);
        place += length;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_replaced() {
        for (text, kept) in [
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud800x""#, r#""\ufffdx""#),
            (r#""\udc00\ud800""#, r#""\ufffd\ufffd""#),
            (r#""\\ud800""#, r#""\\ud800""#),
            ("é", "é"),
        ] {
            assert_eq!(without_lone_surrogates(text), kept);
        }
    }
}
