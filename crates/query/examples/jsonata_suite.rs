//! Runs a folder of the official JSONata test suite, as `cargo run --release --example jsonata_suite DIR`, and prints
//! what fails and the figure.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use skald_query::jsonata::plain;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("usage: jsonata_suite DIR")?;
    let folder = Path::new(&folder);
    let (mut passed, mut failed) = (0, 0);
    let mut groups: Vec<_> = std::fs::read_dir(folder.join("groups"))?.collect::<Result<_, _>>()?;
    groups.sort_by_key(std::fs::DirEntry::path);
    for group in groups {
        let text = std::fs::read_to_string(group.path())?;
        let cases: Vec<&serde_json::value::RawValue> = serde_json::from_str(&text)?;
        for case in cases {
            // A case with a lone surrogate cannot be read: it counts as failed.
            match serde_json::from_str::<Value>(case.get()).map_err(anyhow::Error::from).and_then(|case| check(folder, &case)) {
                Ok(()) => passed += 1,
                Err(error) => {
                    failed += 1;
                    let id = case.get().split('"').nth(3).unwrap_or_default();
                    println!("{id}: {error}");
                }
            }
        }
    }
    println!("{passed} of {} passed ({:.2} %)", passed + failed, 100.0 * f64::from(passed) / f64::from(passed + failed));
    Ok(())
}

fn check(folder: &Path, case: &Value) -> Result<()> {
    let data = match (case.get("data"), case["dataset"].as_str()) {
        (Some(data), _) => Some(data.clone()),
        (None, Some(name)) => Some(serde_json::from_str(&std::fs::read_to_string(folder.join("datasets").join(format!("{name}.json")))?)?),
        (None, None) => None,
    };
    let expression = case["expr"].as_str().context("no expression")?;
    let bindings: Vec<(String, Value)> = case["bindings"]
        .as_object()
        .map(|members| members.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
        .unwrap_or_default();
    let outcome = plain::evaluate(expression, data.as_ref(), &bindings);
    let expected_code = case["code"].as_str().or(case["error"]["code"].as_str());
    match (outcome, expected_code) {
        (Err(error), Some(code)) if error.code == code => Ok(()),
        (outcome, Some(code)) => anyhow::bail!("expected {code}, but was {outcome:?}"),
        (Err(error), None) => anyhow::bail!("expected {}, but was {error}", case["result"]),
        (Ok(None), None) if case["undefinedResult"] == true => Ok(()),
        (Ok(Some(value)), None) if case.get("result").is_some_and(|result| same(&value, result, case["unordered"] == true)) => Ok(()),
        (Ok(value), None) => {
            anyhow::bail!("expected {}, but was {}", case["result"], value.map_or("nothing".to_owned(), |value| value.to_string()))
        }
    }
}

/// Whether two values are equal, numbers by what they are worth.
fn same(value: &Value, expected: &Value, unordered: bool) -> bool {
    match (value, expected) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) if unordered => {
            a.len() == b.len() && b.iter().all(|expected| a.iter().any(|value| same(value, expected, false)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, false)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|expected| same(value, expected, false)))
        }
        (value, expected) => value == expected,
    }
}
