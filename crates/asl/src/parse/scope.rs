//! Variables: which names may be assigned, which scope they belong to, and which states refer to them.

use std::collections::{BTreeMap, BTreeSet};

use skald_query::Value;

use super::block::raw_states;
use super::fields::Fields;
use super::location::Location;
use super::reader::Reader;
use crate::diagnostic::Code;

/// SOURCE: asl.md §5.
const VARIABLE_NAME_CHARACTERS_MAX: usize = 80;

/// The variables of one block: those of a branch are gone when it ends.
#[derive(Default)]
pub(crate) struct Scope {
    /// Name → the states that assign it; two are enough to know that one of them is not this.
    assigned: BTreeMap<String, Vec<String>>,
    /// The state that is being read.
    state: String,
    /// Whether the block runs in executions of its own (Distributed Map), which see no outer variable.
    is_apart: bool,
}

impl Scope {
    /// What the states of a block assign, in `Assign` of themselves, of their rules and of their catchers.
    pub(super) fn of(states: &Fields<'_>, is_apart: bool) -> Self {
        let mut assigned: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (state, value) in raw_states(states) {
            for name in assigned_names(value) {
                let states = assigned.entry(name.to_owned()).or_default();
                if states.len() < 2 && states.last().is_none_or(|last| last != state) {
                    states.push(state.to_owned());
                }
            }
        }
        Self { assigned, state: String::new(), is_apart }
    }

    pub(super) fn set_state(&mut self, name: &str) {
        name.clone_into(&mut self.state);
    }

    /// Whether a state assigns the name that is not the one being read.
    fn is_assigned_elsewhere(&self, name: &str) -> bool {
        self.assigned.get(name).is_some_and(|states| states.iter().any(|state| *state != self.state))
    }
}

fn assigned_names(state: &Value) -> impl Iterator<Item = &str> {
    let listed = ["Choices", "Catch"].into_iter().filter_map(|list| state.get(list)?.as_array()).flatten();
    let assigns = std::iter::once(state).chain(listed).filter_map(|holder| holder.get("Assign")?.as_object());
    assigns.flat_map(|assign| assign.keys().map(|key| key.strip_suffix(".$").unwrap_or(key)))
}

/// Reports what is wrong with a name that is assigned.
pub(crate) fn check_assigned(name: &str, location: &Location<'_>, reader: &mut Reader) {
    if name == "states" {
        reader.error(Code::ReservedVariableName, "Cannot assign to reserved variable '$states'.", Some(location));
        return;
    }
    if !is_variable_name(name) {
        let message = format!("Invalid variable name '{name}': the variable name contains invalid characters.");
        reader.error(Code::InvalidVariableName, message, Some(location));
        return;
    }
    if name.chars().count() > VARIABLE_NAME_CHARACTERS_MAX {
        // SOURCE: guess, after the words for state names.
        let limit = VARIABLE_NAME_CHARACTERS_MAX;
        let message = format!("Invalid variable name '{name}': the variable name exceeds the {limit}-character limit.");
        reader.error(Code::InvalidVariableName, message, Some(location));
    }
    if is_assigned_outside(name, &reader.scopes) {
        // SOURCE: guess. Recorded: what only the surrounding state itself assigns is no conflict.
        let message = format!("The variable name '{name}' was already defined in a parent scope.");
        reader.error(Code::DuplicateVariableName, message, Some(location));
    }
}

/// Notes that the state being read refers to a variable. SOURCE: recorded: a name that nothing assigns is no error.
pub(super) fn refer(name: &str, location: &Location<'_>, reader: &mut Reader) {
    if is_behind_distributed_map(name, &reader.scopes) {
        // SOURCE: guess.
        let message = format!("The variable '{name}' of an outer scope cannot be referenced inside a Distributed Map");
        reader.schema(message, location);
    }
    if let Some(state) = reader.open_states.last() {
        let names: &mut BTreeSet<String> = &mut reader.references[state.0 as usize];
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
    }
}

/// Whether a scope around the innermost one assigns the name, as far as it can be seen.
fn is_assigned_outside(name: &str, scopes: &[Scope]) -> bool {
    let pairs = scopes.iter().rev().zip(scopes.iter().rev().skip(1));
    pairs.take_while(|(inner, _)| !inner.is_apart).any(|(_, outer)| outer.is_assigned_elsewhere(name))
}

/// Whether the scope that assigns the name cannot be seen from the innermost one.
fn is_behind_distributed_map(name: &str, scopes: &[Scope]) -> bool {
    let Some(boundary) = scopes.iter().rposition(|scope| scope.is_apart) else { return false };
    let assigns = |scope: &Scope| scope.assigned.contains_key(name);
    !scopes[boundary..].iter().any(assigns) && scopes[..boundary].iter().any(assigns)
}

/// SOURCE: asl.md §5: Unicode `ID_Start`, then `ID_Continue`.
fn is_variable_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(unicode_ident::is_xid_start) && characters.all(unicode_ident::is_xid_continue)
}
