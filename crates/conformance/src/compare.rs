//! Whether an answer is as recorded: variables, JSON in strings, and what may be there beyond the recording.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::{Map, Number};
use skald_query::Value;

/// Differences are quoted up to here.
const QUOTED_CHARACTERS: usize = 400;

/// Members that the recording does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// Of answers: AWS has added members since.
    Allowed,
    /// Of histories and of whatever a workflow computed.
    Refused,
}

/// What the variables of a case stand for, as far as it was seen: `{{name}}` with its braces, and the text.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    values: BTreeMap<String, String>,
}

impl Bindings {
    /// Puts in what is known for the variables in `text`.
    pub fn fill(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    pub fn bind(&mut self, name: String, value: String) {
        self.values.insert(name, value);
    }
}

/// Compares `actual` with a recording, in which `{{name}}` is any text, the same wherever it stands, and `{{any:…}}` anything.
/// Strings that hold JSON are compared as values.
///
/// # Errors
/// Says the first difference, and where under `place` it is.
pub fn compare(recorded: &Value, actual: &Value, beyond: Beyond, bindings: &mut Bindings, place: &str) -> Result<()> {
    let differ = || format!("{place}: recorded {}, came {}", brief(recorded), brief(actual));
    match (recorded, actual) {
        (Value::String(text), _) if is_anything(text) => Ok(()),
        (Value::String(text), Value::String(actual)) if matches(text, actual, bindings) => Ok(()),
        (Value::String(text), Value::String(actual)) => match (as_document(text), as_document(actual)) {
            (Some(text), Some(actual)) => compare(&text, &actual, Beyond::Refused, bindings, place),
            (Some(_), None) | (None, _) => bail!(differ()),
        },
        // The recorder parsed strings that began with a brace, and in a few cases all that held JSON.
        (Value::Number(number), Value::String(text)) if number.to_string() == *text => Ok(()),
        (Value::Object(_) | Value::Array(_), Value::String(text)) => match as_document(text) {
            Some(actual) => compare(recorded, &actual, Beyond::Refused, bindings, place),
            None => bail!(differ()),
        },
        (Value::Object(recorded), Value::Object(actual)) => {
            for (name, value) in recorded {
                match actual.get(name) {
                    Some(actual) => compare(value, actual, beyond, bindings, &format!("{place}.{name}"))?,
                    None => bail!("{place}.{name}: recorded {}, came nothing", brief(value)),
                }
            }
            let is_newer = |name: &str| name == "RedriveCount" && is_context_execution(recorded);
            let is_extra = |name: &String| !recorded.contains_key(name) && !is_newer(name);
            let extra = actual.iter().find(|(name, _)| beyond == Beyond::Refused && is_extra(name));
            if let Some((name, value)) = extra {
                bail!("{place}.{name}: not recorded, came {}", brief(value));
            }
            Ok(())
        }
        (Value::Array(recorded), Value::Array(actual)) if recorded.len() == actual.len() => recorded
            .iter()
            .zip(actual)
            .zip(0..)
            .try_for_each(|((recorded, actual), index)| compare(recorded, actual, beyond, bindings, &format!("{place}[{index}]"))),
        (Value::Number(recorded), Value::Number(actual)) if is_same_number(recorded, actual) => Ok(()),
        (recorded, actual) if recorded == actual => Ok(()),
        _ => bail!(differ()),
    }
}

/// A value as text, cut where it is long.
pub fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= QUOTED_CHARACTERS { text } else { text.chars().take(QUOTED_CHARACTERS).chain("…".chars()).collect() }
}

/// The recorder printed numbers anew: a fraction is the same however it is written, and is never a whole number.
pub fn is_same_number(recorded: &Number, actual: &Number) -> bool {
    let (recorded_text, actual_text) = (recorded.to_string(), actual.to_string());
    let is_fraction = |text: &str| text.contains(['.', 'e', 'E']);
    let are_fractions = is_fraction(&recorded_text) && is_fraction(&actual_text);
    recorded_text == actual_text || are_fractions && recorded.as_f64() == actual.as_f64()
}

/// `Execution` of a context object that was recorded before it had a `RedriveCount`.
/// SOURCE: What's New, November 2023, redrive; recordings from October 2023 lack it, those from July 2024 have it.
fn is_context_execution(recorded: &Map<String, Value>) -> bool {
    ["Id", "Name", "RoleArn", "StartTime"].iter().all(|name| recorded.contains_key(*name))
}

fn is_anything(text: &str) -> bool {
    text.starts_with("{{any:") && text.ends_with("}}") && text.matches("{{").count() == 1
}

fn as_document(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(|value| matches!(value, Value::Object(_) | Value::Array(_)))
}

/// Whether a text with variables in it matches.
fn matches(pattern: &str, text: &str, bindings: &mut Bindings) -> bool {
    let Some((before, name, after)) = first_variable(pattern) else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    if let Some(value) = bindings.values.get(name) {
        let rest = rest.strip_prefix(value.as_str()).map(str::to_owned);
        return rest.is_some_and(|rest| matches(after, &rest, bindings));
    }
    // The shortest text after which the rest matches.
    let mut ends = (1..=rest.len()).filter(|end| rest.is_char_boundary(*end));
    ends.any(|end| {
        let mut tried = bindings.clone();
        if !name.starts_with("{{any:") {
            tried.bind(name.to_owned(), rest[..end].to_owned());
        }
        let matched = matches(after, &rest[end..], &mut tried);
        if matched {
            *bindings = tried;
        }
        matched
    })
}

/// What stands before the first variable, the variable, and what stands after it.
fn first_variable(pattern: &str) -> Option<(&str, &str, &str)> {
    let start = pattern.find("{{")?;
    let end = start + pattern[start..].find("}}")? + 2;
    Some((&pattern[..start], &pattern[start..end], &pattern[end..]))
}

#[cfg(test)]
mod tests;
