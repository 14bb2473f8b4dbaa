//! A definition: all states of all nested blocks in one table, so that a state's name leads to it wherever it lies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::data_flow::{DataFlow, Text};
use crate::states::{Choice, Fail, Map, Parallel, Pass, Succeed, Task, Wait};

/// A checked state machine: every transition leads to a state of its own block.
#[derive(Debug)]
pub struct Definition {
    pub start_at: StateId,
    /// Whole seconds after which an execution is `TIMED_OUT`.
    pub timeout_seconds: Option<u64>,
    states: Vec<State>,
    by_name: BTreeMap<Arc<str>, StateId>,
    speaks_jsonata: bool,
    /// In the order of `states`.
    references: Vec<BTreeSet<String>>,
}

/// Where a state lies in its definition's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId(pub u32);

/// A state and its name, which is unique in the whole document.
#[derive(Debug)]
pub struct State {
    pub name: Arc<str>,
    pub kind: StateKind,
}

#[derive(Debug)]
pub enum StateKind {
    Pass(Pass),
    Task(Box<Task>),
    Choice(Choice),
    Wait(Wait),
    Succeed(Succeed),
    Fail(Fail),
    Parallel(Box<Parallel>),
    Map(Box<Map>),
}

impl StateKind {
    fn speaks_jsonata(&self) -> bool {
        let flow = match self {
            Self::Pass(pass) => &pass.flow,
            Self::Task(task) => &task.flow,
            Self::Choice(choice) => &choice.flow,
            Self::Wait(wait) => &wait.flow,
            Self::Succeed(succeed) => &succeed.flow,
            Self::Parallel(parallel) => &parallel.flow,
            Self::Map(map) => &map.flow,
            Self::Fail(fail) => return [&fail.error, &fail.cause].into_iter().flatten().any(|text| matches!(text, Text::Expression(_))),
        };
        matches!(flow, DataFlow::Jsonata(_))
    }
}

/// What follows a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    Next(StateId),
    End,
}

/// A branch or an item processor: where it starts. Its states are in the definition's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    pub start_at: StateId,
}

impl Definition {
    /// Puts the table together; the parser has checked names and transitions.
    pub(crate) fn new(start_at: StateId, timeout_seconds: Option<u64>, states: Vec<State>, references: Vec<BTreeSet<String>>) -> Self {
        let by_name = states.iter().zip(0..).map(|(state, id)| (Arc::clone(&state.name), StateId(id))).collect();
        let speaks_jsonata = states.iter().any(|state| state.kind.speaks_jsonata());
        Self { start_at, timeout_seconds, states, by_name, speaks_jsonata, references }
    }

    /// The state with this id.
    pub fn state(&self, id: StateId) -> &State {
        &self.states[id.0 as usize]
    }

    /// The state of this name, wherever it is nested.
    pub fn find(&self, name: &str) -> Option<StateId> {
        self.by_name.get(name).copied()
    }

    /// Whether a state evaluates JSONata, which may take long over the smallest input.
    pub fn speaks_jsonata(&self) -> bool {
        self.speaks_jsonata
    }

    /// Every state: block by block, an outer block before those nested in it, each in the order of the document.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// The variables that states refer to, as `DescribeStateMachine` shows them: by the state's name, both in order;
    /// states that refer to none are left out.
    pub fn variable_references(&self) -> BTreeMap<&str, Vec<&str>> {
        let referring = self.states.iter().zip(&self.references).filter(|(_, names)| !names.is_empty());
        referring.map(|(state, names)| (&*state.name, names.iter().map(String::as_str).collect())).collect()
    }
}
