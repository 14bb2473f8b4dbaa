//! The rules of a block as a whole: where its transitions lead, that each state is reached, and that it ends.

use std::collections::BTreeSet;

use skald_query::Value;

use crate::diagnostic::Code;
use crate::parse::block::raw_states;
use crate::parse::fields::Fields;
use crate::parse::reader::Reader;

/// A transition as it stands in the document.
struct Edge<'d> {
    target: &'d str,
    location: String,
}

/// Checks one block. The blocks nested in its states are checked on their own: no transition crosses.
pub(crate) fn check(start_at: Option<(&str, String)>, states: &Fields<'_>, reader: &mut Reader) {
    let names: BTreeSet<&str> = states.names().collect();
    let has_end = a_state_ends_the_block(states);
    if !has_end {
        reader.error(Code::MissingEndState, "Workflow has no terminal state", None);
    }
    let edges: Vec<(&str, Vec<Edge<'_>>)> = raw_states(states).map(|(name, state)| (name, edges(state, &states.at(name)))).collect();
    let start = start_at.map(|(target, location)| Edge { target, location });
    every_target_is_in_the_block(start.iter().chain(edges.iter().flat_map(|(_, edges)| edges)), &names, reader);
    if let Some(start) = start.filter(|start| has_end && names.contains(start.target)) {
        every_state_is_reached(start.target, &edges, states, reader);
    }
}

fn a_state_ends_the_block(states: &Fields<'_>) -> bool {
    raw_states(states).any(|(_, state)| {
        let is_end = state.get("End").and_then(Value::as_bool) == Some(true);
        is_end || matches!(state.get("Type").and_then(Value::as_str), Some("Succeed" | "Fail"))
    })
}

fn every_target_is_in_the_block<'e>(edges: impl Iterator<Item = &'e Edge<'e>>, names: &BTreeSet<&str>, reader: &mut Reader) {
    for edge in edges.filter(|edge| !names.contains(edge.target)) {
        // AWS says `Next` whatever field it is; the location tells.
        reader.error(Code::MissingTransitionTarget, format!("Missing 'Next' target: {}", edge.target), Some(&edge.location));
    }
}

fn every_state_is_reached(start: &str, edges: &[(&str, Vec<Edge<'_>>)], states: &Fields<'_>, reader: &mut Reader) {
    let by_name: std::collections::BTreeMap<&str, &[Edge<'_>]> = edges.iter().map(|(name, edges)| (*name, edges.as_slice())).collect();
    let mut reached = BTreeSet::from([start]);
    let mut pending = vec![start];
    while let Some(name) = pending.pop() {
        for edge in by_name.get(name).copied().unwrap_or_default() {
            if reached.insert(edge.target) {
                pending.push(edge.target);
            }
        }
    }
    for name in states.names().filter(|name| !reached.contains(name)) {
        reader.error(Code::MissingTransitionTarget, format!("State \"{name}\" is not reachable."), Some(&states.at(name)));
    }
}

/// `Next`, `Default`, `Choices[].Next` and `Catch[].Next`, where they are text.
fn edges<'d>(state: &'d Value, location: &str) -> Vec<Edge<'d>> {
    let single = ["Next", "Default"].into_iter().map(|field| (state.get(field), format!("{location}/{field}")));
    let listed = ["Choices", "Catch"].into_iter().flat_map(|list| {
        let items = state.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let located = items.iter().enumerate();
        located.map(move |(index, item)| (item.get("Next"), format!("{location}/{list}[{index}]/Next")))
    });
    let edge = |(target, location): (Option<&'d Value>, String)| Some(Edge { target: target?.as_str()?, location });
    single.chain(listed).filter_map(edge).collect()
}
