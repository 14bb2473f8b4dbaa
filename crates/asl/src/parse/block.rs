//! A block: `StartAt` and `States` of a machine, a branch or an item processor.

use std::collections::{BTreeMap, BTreeSet};

use skald_query::Value;

use super::fields::Fields;
use super::location::Location;
use super::reader::{Reader, Sees};
use super::scope::Scope;
use crate::definition::{Block, StateId, StateKind, Transition};
use crate::diagnostic::Code;
use crate::states::{Choice, Fail, Map, Parallel, Pass, Succeed, Task, Wait};
use crate::validate;

/// SOURCE: limits.md; validation.md §2, INVALID_STATE_NAME.
const STATE_NAME_CHARACTERS_MAX: usize = 80;

/// As AWS lists them.
const TYPES: &[&str] = &["Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map"];

/// The states a transition may lead to: those of the block it stands in.
pub(crate) struct Targets<'d> {
    ids: BTreeMap<&'d str, StateId>,
}

impl Targets<'_> {
    /// The state that `field` names. A name that leads nowhere is reported by [`validate`].
    pub(crate) fn named_by(&self, fields: &Fields<'_>, field: &str, reader: &mut Reader) -> Option<StateId> {
        self.ids.get(fields.text(reader, field)?).copied()
    }
}

/// Where the states of a block run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// In the execution of the state around it, whose variables they see.
    Within,
    /// In executions of their own, which see no variable from outside.
    Apart,
}

/// Reads the states of a block into the definition's table.
pub(crate) fn read(fields: &Fields<'_>, runs: Runs, reader: &mut Reader) -> Option<Block> {
    let missing: Vec<&str> = ["States", "StartAt"].into_iter().filter(|field| !fields.has(field)).collect();
    if !missing.is_empty() {
        reader.schema(format!("These fields are required: [{}]", missing.join(", ")), fields.location());
    }
    let start_at = fields.text(reader, "StartAt");
    let states = fields.object(reader, "States")?;
    if states.is_empty() {
        reader.schema("Value cannot be empty", states.location());
        return None;
    }
    if !reader.enter_block(Scope::of(&states, runs == Runs::Apart), fields.location()) {
        return None;
    }
    let targets = read_states(&states, reader);
    validate::check(start_at.map(|name| (name, fields.at("StartAt"))), &states, reader);
    reader.leave_block();
    let start_at = targets.ids.get(start_at?).copied()?;
    Some(Block { start_at })
}

/// Reads one state that stands alone, as TestState takes it; the states it leads to are stand-ins that only have names.
pub(super) fn read_alone(name: &'static str, state: Fields<'_>, value: &Value, reader: &mut Reader) -> Option<Block> {
    if !reader.enter_block(Scope::default(), state.location()) {
        return None;
    }
    let mut names = vec![name];
    let edges = validate::edges(value, state.location());
    names.extend(edges.iter().map(|edge| edge.target).filter(|target| *target != name).collect::<BTreeSet<_>>());
    let first = reader.reserve_states(names.len());
    let targets = Targets { ids: names.iter().copied().zip((first..).map(StateId)).collect() };
    for (name, id) in names.iter().zip(first..).skip(1) {
        reader.place_state(StateId(id), name, StateKind::Succeed(Succeed::default()));
    }
    reader.take_name(name);
    let start_at = StateId(first);
    reader.enter_state(start_at, name);
    if let Some(kind) = read_state(state, &targets, reader) {
        reader.place_state(start_at, name, kind);
    }
    reader.leave_state();
    reader.leave_block();
    Some(Block { start_at })
}

fn read_states<'d>(states: &Fields<'d>, reader: &mut Reader) -> Targets<'d> {
    let first = reader.reserve_states(states.names().count());
    let targets = Targets { ids: states.names().zip(first..).map(|(name, id)| (name, StateId(id))).collect() };
    for (name, id) in states.names().zip(first..) {
        check_name(name, &states.at(name), reader);
        let Some(state) = states.object(reader, name) else { continue };
        reader.enter_state(StateId(id), name);
        if let Some(kind) = read_state(state, &targets, reader) {
            reader.place_state(StateId(id), name, kind);
        }
        reader.leave_state();
    }
    targets
}

fn check_name(name: &str, location: &Location<'_>, reader: &mut Reader) {
    if name.is_empty() {
        reader.error(Code::InvalidStateName, "State name cannot be empty", Some(location));
    }
    if name.chars().count() > STATE_NAME_CHARACTERS_MAX {
        let limit = STATE_NAME_CHARACTERS_MAX;
        let message = format!("State name '{name}' exceeds the {limit}-character limit allowed by the service");
        reader.error(Code::InvalidStateName, message, Some(location));
    }
    if !reader.take_name(name) {
        reader.error(Code::DuplicateStateName, format!("Duplicate State name: {name}"), Some(location));
    }
}

fn read_state(state: Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<StateKind> {
    let language = reader.state_language(&state);
    let kind = state.get("Type").and_then(Value::as_str);
    let sees = match kind {
        Some("Task" | "Parallel" | "Map") => Sees::Result,
        Some(_) | None => Sees::Input,
    };
    let state = state.speaking(language).seeing(sees);
    let read = read_kind(kind, &state, targets, reader);
    reader.check_query_language(&state);
    read
}

fn read_kind(kind: Option<&str>, state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<StateKind> {
    state.text(reader, "Comment");
    state.require(reader, "Type")?;
    match kind {
        Some("Pass") => Pass::read(state, targets, reader).map(StateKind::Pass),
        Some("Task") => Task::read(state, targets, reader).map(Box::new).map(StateKind::Task),
        Some("Choice") => Choice::read(state, targets, reader).map(StateKind::Choice),
        Some("Wait") => Wait::read(state, targets, reader).map(StateKind::Wait),
        Some("Succeed") => Some(StateKind::Succeed(Succeed::read(state, reader))),
        Some("Fail") => Some(StateKind::Fail(Fail::read(state, reader))),
        Some("Parallel") => Parallel::read(state, targets, reader).map(Box::new).map(StateKind::Parallel),
        Some("Map") => Map::read(state, targets, reader).map(Box::new).map(StateKind::Map),
        Some(_) | None => {
            let message = format!("The field 'Type' should have one of these values: [{}]", TYPES.join(", "));
            reader.schema(message, &state.at("Type"));
            None
        }
    }
}

impl Transition {
    /// `Next` or `End`, exactly one of them.
    pub(crate) fn read(state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        let next = targets.named_by(state, "Next", reader).map(Self::Next);
        let is_end = state.boolean(reader, "End");
        // `"End": false` ends nothing: it counts as absent, unless it stands alone.
        match (state.has("Next"), state.has("End")) {
            (true, false) => next,
            (false, true) if is_end != Some(false) => is_end.map(|_| Self::End),
            (true, true) | (false, true | false) => {
                reader.schema("This object should have only one of the following fields: [Next, End]", state.location());
                None
            }
        }
    }
}

/// The states of a block as they stand in the document.
pub(crate) fn raw_states<'d>(states: &Fields<'d>) -> impl Iterator<Item = (&'d str, &'d Value)> {
    states.names().filter_map(|name| states.get(name).map(|state| (name, state)))
}
