//! Whether a history is as recorded, event by event; where the order is one of many, branch by branch.

use anyhow::{Result, bail};
use skald_query::Value;

use super::{list, text_of};
use crate::compare::{Beyond, Bindings, brief, compare};

/// Tries that finding the recorded tree in a history may take.
const TRIES_MAX: usize = 100_000;

/// Compares `events` (without their times) with what `case` expects.
///
/// # Errors
/// Says the first difference.
pub(super) fn check(case: &Value, events: &[Value], bindings: &mut Bindings) -> Result<()> {
    let recorded = list(&case["expected"]["events"]);
    if text_of(&case["order"]).starts_with("concurrent") {
        return check_tree(recorded, events, bindings);
    }
    // The recorder's sorting lost some events; the ids of the others are AWS's.
    let lost: Vec<u64> = list(&case["lost_events"]["ids"]).iter().filter_map(Value::as_u64).collect();
    let events: Vec<&Value> = events.iter().filter(|event| event["id"].as_u64().is_none_or(|id| !lost.contains(&id))).collect();
    let mut place = 0;
    while let Some(event) = recorded.get(place) {
        let run = recorded[place..].iter().take_while(|event| event["id"].is_null()).count();
        if run > 0 {
            let came = events.get(place..place + run).unwrap_or_default();
            check_set(&recorded[place..place + run], came, bindings)?;
            place += run;
            continue;
        }
        let Some(came) = events.get(place) else { bail!("{}: recorded, did not come", title(event)) };
        check_event(event, came, recorded.get(place.wrapping_sub(1)), bindings)?;
        place += 1;
    }
    if let Some(more) = events.get(recorded.len()).filter(|_| case.get("incomplete").is_none()) {
        bail!("{}: not recorded, came {}", title(more), brief(more));
    }
    Ok(())
}

fn check_event(recorded: &Value, came: &Value, before: Option<&Value>, bindings: &mut Bindings) -> Result<()> {
    let after_any_order = before.is_some_and(|before| before["id"].is_null());
    let after_map_run = recorded["type"] == "MapStateExited" && before.is_some_and(|before| text_of(&before["type"]).starts_with("MapRun"));
    let mut recorded = recorded.clone();
    if after_any_order {
        // Which branch ended last depends on the interleaving.
        recorded["previousEventId"] = came["previousEventId"].clone();
    } else if after_map_run {
        // SOURCE: AWS records it behind the start of the map run or behind its end.
        let previous = [before.map_or(0, |before| before["id"].as_u64().unwrap_or(0)), recorded["previousEventId"].as_u64().unwrap_or(0)];
        if came["previousEventId"].as_u64().is_some_and(|came| previous.contains(&came)) {
            recorded["previousEventId"] = came["previousEventId"].clone();
        }
    }
    compare(&recorded, came, Beyond::Refused, bindings, &title(&recorded))
}

/// A run of events whose ids were lost, in any order.
fn check_set(recorded: &[Value], came: &[&Value], bindings: &mut Bindings) -> Result<()> {
    let mut left: Vec<Value> = came.iter().map(|event| without_ids(event)).collect();
    for event in recorded.iter().map(without_ids) {
        let place = left.iter().position(|came| tried(&event, came, bindings));
        let Some(place) = place else { bail!("{}: recorded {}, came {}", title(&event), brief(&event), brief(&Value::Array(left))) };
        left.remove(place);
    }
    Ok(())
}

/// The same events with the same predecessors, in any order.
fn check_tree(recorded: &[Value], events: &[Value], bindings: &mut Bindings) -> Result<()> {
    if recorded.len() != events.len() {
        let kinds = |events: &[Value]| events.iter().map(|event| text_of(&event["type"]).to_owned()).collect::<Vec<_>>().join(", ");
        bail!("{} events, recorded {}: came {}; recorded {}", events.len(), recorded.len(), kinds(events), kinds(recorded));
    }
    let mut search = Search { recorded, events, partners: Vec::new(), tries: 0, furthest: 0 };
    if search.place(bindings) {
        return Ok(());
    }
    let event = &recorded[search.furthest];
    bail!("{}: no event came that is {}", title(event), brief(event))
}

struct Search<'a> {
    recorded: &'a [Value],
    events: &'a [Value],
    /// Which event each recorded one was found to be.
    partners: Vec<usize>,
    tries: usize,
    furthest: usize,
}

impl Search<'_> {
    /// Finds partners for the events that have none yet.
    fn place(&mut self, bindings: &mut Bindings) -> bool {
        let number = self.partners.len();
        let Some(event) = self.recorded.get(number) else { return true };
        self.furthest = self.furthest.max(number);
        for candidate in 0..self.events.len() {
            self.tries += 1;
            if self.tries > TRIES_MAX {
                return false;
            }
            if self.partners.contains(&candidate) || !self.follows_partner(event, candidate) {
                continue;
            }
            let mut tried = bindings.clone();
            if compare(&without_ids(event), &without_ids(&self.events[candidate]), Beyond::Refused, &mut tried, "").is_err() {
                continue;
            }
            self.partners.push(candidate);
            if self.place(&mut tried) {
                *bindings = tried;
                return true;
            }
            self.partners.pop();
        }
        false
    }

    /// Whether the candidate's predecessor is the partner of the recorded predecessor.
    fn follows_partner(&self, event: &Value, candidate: usize) -> bool {
        if joins(text_of(&event["type"])) {
            return true;
        }
        let previous = self.recorded.iter().position(|recorded| recorded["id"] == event["previousEventId"]);
        let partner = previous.and_then(|previous| self.partners.get(previous)).map(|partner| &self.events[*partner]["id"]);
        let came = &self.events[candidate]["previousEventId"];
        partner.map_or(came == 0, |partner| partner == came)
    }
}

/// Events that follow whichever branch ended last.
fn joins(kind: &str) -> bool {
    let of_branches = ["ParallelState", "MapState"]
        .iter()
        .any(|state| kind.strip_prefix(state).is_some_and(|what| !matches!(what, "Entered" | "Started")));
    of_branches || matches!(kind, "ExecutionFailed" | "ExecutionAborted" | "ExecutionTimedOut" | "MapIterationStarted")
}

fn tried(recorded: &Value, came: &Value, bindings: &mut Bindings) -> bool {
    let mut tried = bindings.clone();
    let is_equal = compare(recorded, came, Beyond::Refused, &mut tried, "").is_ok();
    if is_equal {
        *bindings = tried;
    }
    is_equal
}

fn without_ids(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.shift_remove("id");
        members.shift_remove("previousEventId");
    }
    event
}

fn title(event: &Value) -> String {
    format!("event {} {}", event["id"], text_of(&event["type"]))
}

#[cfg(test)]
mod tests;
