//! Histories as a page shows them: one line an event, with what it carries.

use skald_interpreter::Event;
use skald_interpreter::history::{self, Include};
use skald_query::Value;

use crate::world::{BEGINNING_MS, World};

/// `3<-2 LambdaFunctionScheduled createOrder {"id":1}`. Tokens and instants of the run are blurred, so that the line is
/// the same however often the run was crashed.
pub fn line(event: &Event) -> String {
    let mut line = history::line(event);
    let rendered = history::render(event, Include::Data);
    let details = rendered.as_object().and_then(|members| members.iter().find(|(member, _)| member.ends_with("EventDetails")));
    let Some((_, Value::Object(details))) = details else { return line };
    if let Some(resource) = details.get("resource").and_then(Value::as_str) {
        line.push(' ');
        match details.get("resourceType").and_then(Value::as_str) {
            Some(service) => line.push_str(&format!("{service}:{resource}")),
            None => line.push_str(resource.rsplit(':').next().unwrap_or(resource)),
        }
    }
    for (name, value) in details {
        let text = value.as_str();
        match (name.as_str(), text) {
            ("input" | "output" | "parameters" | "error", Some(text)) => line.push_str(&format!(" {text}")),
            ("cause", Some(text)) => line.push_str(&format!(" {text:?}")),
            ("assignedVariables", _) => {
                for (variable, value) in value.as_object().into_iter().flatten() {
                    line.push_str(&format!(" ${variable}={}", value.as_str().unwrap_or_default()));
                }
            }
            (
                "name"
                | "state"
                | "resource"
                | "resourceType"
                | "region"
                | "roleArn"
                | "inputDetails"
                | "outputDetails"
                | "assignedVariablesDetails",
                _,
            ) => {}
            (name, _) => line.push_str(&format!(" {name}={value}")),
        }
    }
    blurred(&line)
}

/// A whole history; the seconds since the start stand where they change.
pub fn page<'e>(events: impl Iterator<Item = &'e Event>) -> Vec<String> {
    let mut began = None;
    let mut shown_seconds = 0;
    let shown = |event: &Event| {
        let began = *began.get_or_insert(event.at.millis);
        // Flushes take their milliseconds: to the nearest second.
        let seconds = (event.at.millis - began + 500) / 1_000;
        let mut line = line(event);
        if seconds != shown_seconds {
            shown_seconds = seconds;
            line.push_str(&format!("  @{seconds}s"));
        }
        line
    };
    events.map(shown).collect()
}

/// Puts `{{token}}` for task tokens and `{{+5s}}` for instants of the run.
pub fn blurred(text: &str) -> String {
    let mut blurred = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        let (before, from) = rest.split_at(start);
        blurred.push_str(before);
        let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c))).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        if word.len() == 71 && World::read_token(word).is_some() {
            blurred.push_str("{{token}}");
        } else if let Some(at) = instant_of_the_run(word) {
            blurred.push_str(&format!("{{{{+{}s}}}}", (at - BEGINNING_MS) / 1_000));
        } else {
            blurred.push_str(word);
        }
        rest = after;
    }
    blurred.push_str(rest);
    blurred
}

fn instant_of_the_run(word: &str) -> Option<i64> {
    /// Machines of cases run for some weeks at most.
    const LONGEST_MS: i64 = 100 * 86_400_000;
    if let Ok(millis) = word.parse::<i64>() {
        return (BEGINNING_MS..BEGINNING_MS + LONGEST_MS).contains(&millis).then_some(millis);
    }
    if !word.starts_with("20") || !word.ends_with('Z') || word.len() != "2030-01-01T00:00:00.000Z".len() {
        return None;
    }
    let at = skald_asl::Timestamp::parse_rfc3339(word)?.millis;
    (at >= BEGINNING_MS).then_some(at)
}
