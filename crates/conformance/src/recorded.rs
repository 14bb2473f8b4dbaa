//! Recorded cases: what AWS answered to a machine and an input, replayed with the recorded answers of its tasks.
//!
//! A development tool, not a test: the recordings are not part of this repository. Their format is told in their README;
//! an execution counts as right when status, output, error, cause and every event of its history are as recorded.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, json};
use skald_interpreter::history::{self, Include};
use skald_query::{Payload, Value};

use crate::case::activities_of;
use crate::script::{Answer, Script, Step, TokenKey, Worker};
use crate::simulation::{EXECUTION, MACHINE, ROLE_ARN, Settings, Simulation};

/// What became of one case.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Right,
    /// The first difference.
    Wrong(String),
    /// Needs what is not built, and is refused by name; or needs more than a simulation has.
    NotRun(String),
}

/// Replays every execution under `folder`: area, id and what became of it.
///
/// # Errors
/// A file that is not in the recordings' format.
pub fn replay_all(folder: &Path) -> Result<Vec<(String, String, Verdict)>> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    let mut verdicts = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let text = std::fs::read_to_string(file)?;
        let document: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        for case in list(&document["cases"]).iter().filter(|case| case["kind"] == "execution" || case["kind"] == "output") {
            let verdict = replay(case).unwrap_or_else(|error| Verdict::Wrong(format!("{error:#}")));
            verdicts.push((text_of(&case["area"]).to_owned(), text_of(&case["id"]).to_owned(), verdict));
        }
    }
    Ok(verdicts)
}

fn replay(case: &Value) -> Result<Verdict> {
    let not_run = |reason: &str| Ok(Verdict::NotRun(reason.to_owned()));
    match text_of(&case["replay"]) {
        "pure" | "lambda" | "stubs" | "interactive" => {}
        other => return not_run(other),
    }
    if case["type"] == "EXPRESS" {
        return not_run("express");
    }
    // Names are those of the simulation.
    let mut renamed = case.to_string().replace(text_of(&case["state_machine_name"]), MACHINE);
    let role_arn = &case["expected"]["events"][0]["executionStartedEventDetails"]["roleArn"];
    if let Some(role_arn) = role_arn.as_str() {
        renamed = renamed.replace(role_arn, ROLE_ARN);
    }
    if let Some(name) = case["execution_name"].as_str() {
        renamed = renamed.replace(name, EXECUTION);
    }
    let case: Value = serde_json::from_str(&renamed)?;
    let machine = match case["definition_text"].as_str() {
        Some(text) => text.to_owned(),
        None => case["definition"].to_string(),
    };
    let script = match script_of(&case) {
        Ok(script) => script,
        Err(reason) => return not_run(&reason.to_string()),
    };
    let input = Payload::parse(case["input_text"].as_str().unwrap_or("{}"))?;
    // One that was deleted before its task was reached is never scheduled.
    let were_scheduled = list(&case["expected"]["events"]).iter().any(|event| event["type"] == "ActivityScheduled");
    let activities =
        serde_json::from_str(&machine).ok().filter(|_| were_scheduled).map(|machine| activities_of(&machine)).unwrap_or_default();
    let simulation = Simulation { machine, activities, script, settings: Settings { input, ..Settings::default() }, faults: Vec::new() };
    let run = match simulation.run() {
        Ok(run) => run,
        Err(error) if error.to_string().contains("NOT_SUPPORTED_YET") => return not_run("not supported yet"),
        Err(error) => bail!("refused: {error}"),
    };
    if let Some(violation) = run.violations.first() {
        bail!("{violation}\n    {}", run.history.join("\n    "));
    }
    let events: Vec<Value> = run
        .events
        .iter()
        .map(|event| {
            let mut rendered = history::render(event, Include::Data);
            if let Some(members) = rendered.as_object_mut() {
                members.remove("timestamp");
            }
            rendered
        })
        .collect();
    Ok(match compare(&case, &events) {
        Ok(()) => Verdict::Right,
        Err(error) => Verdict::Wrong(error.to_string()),
    })
}

/// The recorded answers, as a script.
fn script_of(case: &Value) -> Result<Script> {
    let mut script = Script::parse("")?;
    let events = list(&case["expected"]["events"]);
    for stub in list(&case["stubs"]) {
        let (state, resource) = (text_of(&stub["state"]), text_of(&stub["resource"]));
        let result = &stub["result"];
        if resource.contains(".sync") {
            bail!("a job of a service");
        }
        if result.is_null() || state.is_empty() {
            bail!("an answer was not recorded");
        }
        let scheduled = stub["scheduled_event"].as_i64().unwrap_or(0);
        let ended = end_of(events, scheduled).unwrap_or(scheduled + 2);
        let after_ms = (ended - scheduled) * 10;
        let timed_out = text_of(&result["type"]).ends_with("TimedOut");
        let answer = if timed_out {
            Answer::Never
        } else if result.get("output").is_some() {
            Answer::Ok(payload_of(&result["output"])?)
        } else {
            Answer::Fail { error: result["error"].as_str().map(str::to_owned), cause: cause_of(&result["cause"]) }
        };
        if let Some((_, activity)) = resource.split_once(":activity:") {
            let started = events.iter().find(|event| event["type"] == "ActivityStarted");
            script.worker_name = started.and_then(|event| event["activityStartedEventDetails"]["workerName"].as_str()).map(str::to_owned);
            match (timed_out, started) {
                (false, _) => script.workers.push((activity.to_owned(), Worker::Answers(Step { answer, after_ms: 100 }))),
                (true, Some(_)) => script.workers.push((activity.to_owned(), Worker::Lost)),
                (true, None) => {}
            }
        } else if resource.ends_with(".waitForTaskToken") {
            let submitted = stub.get("submitted").map(|submitted| payload_of(&submitted["output"])).transpose()?;
            let first = submitted.map_or(Answer::Never, Answer::Ok);
            script.tasks.push((state.to_owned(), Step { answer: first, after_ms: 10 }));
            let number = script.tokens.iter().filter(|(key, _)| key.state == state).count() + 1;
            if !timed_out {
                script
                    .tokens
                    .push((TokenKey { state: state.to_owned(), number: Some(number) }, Step { answer, after_ms: after_ms.max(20) }));
            }
        } else {
            script.tasks.push((format!("{state}@{scheduled}"), Step { answer: answer.clone(), after_ms }));
            // Where another interleaving gives other ids, the order decides.
            script.tasks.push((state.to_owned(), Step { answer, after_ms }));
        }
    }
    if case["replay"] == "interactive" && list(&case["stubs"]).is_empty() {
        bail!("interactive");
    }
    Ok(script)
}

/// The event that ended the task of a scheduled event: the last one of the chain Scheduled, Started, Submitted, …
fn end_of(events: &[Value], scheduled: i64) -> Option<i64> {
    let mut at = scheduled;
    loop {
        let next = events.iter().find(|event| event["previousEventId"].as_i64() == Some(at))?;
        let kind = text_of(&next["type"]);
        at = next["id"].as_i64()?;
        if !(kind.ends_with("Started") || kind.ends_with("Submitted")) {
            return Some(at);
        }
    }
}

/// Recorded texts that began with `{` were parsed by the recorder.
fn payload_of(recorded: &Value) -> Result<Payload> {
    match recorded {
        Value::String(text) => Ok(Payload::parse(text.as_str())?),
        other => Ok(Payload::from_value(other.clone())),
    }
}

fn cause_of(recorded: &Value) -> Option<String> {
    match recorded {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn compare(case: &Value, events: &[Value]) -> Result<()> {
    let expected = &case["expected"];
    let last = events.last().context("nothing happened")?;
    let kind = text_of(&last["type"]);
    let status = match kind {
        "ExecutionSucceeded" => "SUCCEEDED",
        "ExecutionFailed" => "FAILED",
        "ExecutionTimedOut" => "TIMED_OUT",
        "ExecutionAborted" => "ABORTED",
        other => bail!("the last event is {other}"),
    };
    let mut bound = BTreeMap::new();
    let details = last.as_object().and_then(|members| members.values().find(|value| value.is_object())).cloned().unwrap_or(json!({}));
    let expected_status = expected["status"].as_str().filter(|status| !status.starts_with("{{"));
    if expected_status.is_some_and(|expected| expected != status) {
        bail!("status {status}, recorded {}: {details}", expected["status"]);
    }
    for member in ["output", "error", "cause"] {
        if let Some(expected) = expected.get(member) {
            equal(expected, &details[member], &mut bound, member)?;
        }
    }
    let Some(recorded) = expected["events"].as_array() else { return Ok(()) };
    if case.get("order").is_some() || case.get("lost_events").is_some() {
        return compare_as_sets(recorded, events);
    }
    for (recorded, event) in recorded.iter().zip(events) {
        let place = format!("event {} {}", recorded["id"], text_of(&recorded["type"]));
        equal(recorded, event, &mut bound, &place)?;
    }
    if recorded.len() != events.len() && case.get("incomplete").is_none() {
        bail!("{} events, recorded {}", events.len(), recorded.len());
    }
    Ok(())
}

/// Another interleaving is as good: the types of events, each as often as recorded.
fn compare_as_sets(recorded: &[Value], events: &[Value]) -> Result<()> {
    let types = |events: &[Value]| {
        let mut types: Vec<String> = events.iter().map(|event| text_of(&event["type"]).to_owned()).collect();
        types.sort();
        types
    };
    let (mut ours, theirs) = (types(events), types(recorded));
    // What the recorder lost.
    for kind in ["ParallelStateSucceeded", "ParallelStateFailed", "ParallelStateExited"] {
        let lost = ours.iter().filter(|ours| *ours == kind).count().saturating_sub(theirs.iter().filter(|theirs| *theirs == kind).count());
        for _ in 0..lost {
            if let Some(place) = ours.iter().position(|ours| ours == kind) {
                ours.remove(place);
            }
        }
    }
    if ours != theirs {
        bail!("other events: {ours:?}, recorded {theirs:?}");
    }
    Ok(())
}

/// `{{name}}` matches any text, the same wherever it stands; `{{any:…}}` matches anything.
fn equal(expected: &Value, actual: &Value, bound: &mut BTreeMap<String, String>, place: &str) -> Result<()> {
    let differ = || format!("{place}: recorded {}, came {}", brief(expected), brief(actual));
    match (expected, actual) {
        (Value::String(text), _) if text.starts_with("{{any:") && text.ends_with("}}") && text.matches("{{").count() == 1 => Ok(()),
        (Value::String(text), Value::String(actual)) if matches(text, actual, bound) => Ok(()),
        // JSON texts are compared by value first.
        (Value::String(text), Value::String(actual)) => {
            match (serde_json::from_str::<Value>(text), serde_json::from_str::<Value>(actual)) {
                (Ok(text @ (Value::Object(_) | Value::Array(_))), Ok(actual @ (Value::Object(_) | Value::Array(_)))) => {
                    equal(&text, &actual, bound, place)
                }
                (Ok(_) | Err(_), _) => bail!(differ()),
            }
        }
        (Value::Object(_) | Value::Array(_), Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(actual) => equal(expected, &actual, bound, place),
            Err(_) => bail!(differ()),
        },
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, value) in expected {
                equal(value, actual.get(name).unwrap_or(&Value::Null), bound, &format!("{place}.{name}"))?;
            }
            let extra: Map<String, Value> = actual
                .iter()
                .filter(|(name, _)| !expected.contains_key(*name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            if !extra.is_empty() {
                bail!("{place}: not recorded: {}", Value::Object(extra));
            }
            Ok(())
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => expected
            .iter()
            .zip(actual)
            .zip(0..)
            .try_for_each(|((expected, actual), index)| equal(expected, actual, bound, &format!("{place}[{index}]"))),
        (expected, actual) if expected == actual => Ok(()),
        _ => bail!(differ()),
    }
}

/// Whether a text with variables in it matches.
fn matches(pattern: &str, text: &str, bound: &mut BTreeMap<String, String>) -> bool {
    let Some(start) = pattern.find("{{") else { return pattern == text };
    let Some(length) = pattern[start..].find("}}") else { return pattern == text };
    let (name, rest) = (&pattern[start..start + length + 2], &pattern[start + length + 2..]);
    let Some(after) = text.strip_prefix(&pattern[..start]) else { return false };
    if let Some(value) = bound.get(name).cloned().filter(|_| !name.starts_with("{{any:")) {
        return after.strip_prefix(value.as_str()).is_some_and(|after| matches(rest, after, bound));
    }
    // The shortest text after which the rest matches.
    let ends = (1..=after.len()).filter(|end| after.is_char_boundary(*end));
    for end in ends {
        let mut tried = bound.clone();
        tried.insert(name.to_owned(), after[..end].to_owned());
        if matches(rest, &after[end..], &mut tried) {
            *bound = tried;
            return true;
        }
    }
    false
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 400 { text } else { text.chars().take(400).chain("…".chars()).collect() }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
