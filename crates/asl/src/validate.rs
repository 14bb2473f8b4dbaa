//! The rules of a block as a whole: where its transitions lead, that it ends, and that each state is reached.

use std::collections::{BTreeMap, BTreeSet};

use skald_query::Value;

use crate::diagnostic::Code;
use crate::parse::block::raw_states;
use crate::parse::fields::Fields;
use crate::parse::location::Location;
use crate::parse::reader::Reader;

/// A transition as it stands in the document.
pub(crate) struct Edge<'d> {
    pub(crate) target: &'d str,
    location: Location<'d>,
}

/// Checks one block. The blocks nested in its states are checked on their own: no transition crosses.
///
/// SOURCE: measured on AWS by floci: the order; that only the outermost block must end; that states count as not
/// reached when `StartAt` leads nowhere, and are not spoken of when the machine has no end.
pub(crate) fn check(start_at: Option<(&str, Location<'_>)>, states: &Fields<'_>, reader: &mut Reader) {
    let names: BTreeSet<&str> = states.names().collect();
    let edges: Vec<(&str, Vec<Edge<'_>>)> =
        raw_states(states).map(|(name, state)| (name, edges(state, &states.location().field(name)))).collect();
    let start = start_at.map(|(target, location)| Edge { target, location });
    every_target_is_in_the_block(start.iter().chain(edges.iter().flat_map(|(_, edges)| edges)), &names, reader);
    if reader.is_outermost_block() && !a_state_ends_the_block(states) {
        reader.error(Code::MissingEndState, "Workflow has no terminal state", None);
    } else if let Some(start) = start {
        every_state_is_reached(start.target, &edges, states, reader);
    }
}

fn every_target_is_in_the_block<'e>(edges: impl Iterator<Item = &'e Edge<'e>>, names: &BTreeSet<&str>, reader: &mut Reader) {
    for edge in edges.filter(|edge| !names.contains(edge.target)) {
        // AWS says `Next` whatever field it is; the location tells.
        reader.error(Code::MissingTransitionTarget, format!("Missing 'Next' target: {}", edge.target), Some(&edge.location));
    }
}

fn a_state_ends_the_block(states: &Fields<'_>) -> bool {
    raw_states(states).any(|(_, state)| {
        let is_end = state.get("End").and_then(Value::as_bool) == Some(true);
        is_end || matches!(state.get("Type").and_then(Value::as_str), Some("Succeed" | "Fail"))
    })
}

fn every_state_is_reached(start: &str, edges: &[(&str, Vec<Edge<'_>>)], states: &Fields<'_>, reader: &mut Reader) {
    let by_name: BTreeMap<&str, &[Edge<'_>]> = edges.iter().map(|(name, edges)| (*name, edges.as_slice())).collect();
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
pub(crate) fn edges<'d>(state: &'d Value, location: &Location<'d>) -> Vec<Edge<'d>> {
    let edge = |holder: &'d Value, field: &'d str, location: &Location<'d>| {
        Some(Edge { target: holder.get(field)?.as_str()?, location: location.field(field) })
    };
    let single = ["Next", "Default"].into_iter().filter_map(|field| edge(state, field, location));
    let listed = ["Choices", "Catch"].into_iter().flat_map(|list| {
        let items = state.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let place = location.field(list);
        items.iter().enumerate().filter_map(move |(index, item)| edge(item, "Next", &place.item(index)))
    });
    single.chain(listed).collect()
}
