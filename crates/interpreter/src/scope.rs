//! What a state's expressions see: its data, the variables, and the context object behind `$$`.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value, json};
use skald_asl::Timestamp;
use skald_query::budget::Exhausted;
use skald_query::jsonata::ContextObject;
use skald_query::jsonpath::{EvalError, Found, Path, Root};
use skald_query::{Budget, Payload, payload};

use crate::context::Dice;
use crate::event::{EventId, FrameId};
use crate::execution::Identity;
use crate::failure::Failure;
use crate::frame::Frame;

/// The most steps one path may take. SOURCE: our own: some 10 ms of visiting.
pub(crate) const EXPRESSION_STEPS_MAX: u64 = 2_000_000;

/// The most steps that the expressions of one state may take together, each time it evaluates some. SOURCE: our own.
pub(crate) const SCOPE_STEPS_MAX: u64 = 12_000_000;

/// What templates over the same data may make together, as bytes of JSON text: more than any payload may have, since
/// `OutputPath` may cut it down again. Ours: `{"a.$": "$", "b.$": "$", …}`.
pub(crate) const MADE_BYTES_MAX: usize = 2 << 20;

/// Ours: no AWS error has this name.
const NOT_SUPPORTED_YET: &str = "Skald.NotSupportedYet";

/// What a state's expressions see.
pub(crate) struct Scope<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) state: &'a str,
    pub(crate) entered: EventId,
    pub(crate) entered_at: Timestamp,
    pub(crate) now: Timestamp,
    /// Shown in states that can retry.
    pub(crate) retry_count: Option<u64>,
    pub(crate) task_token: Option<String>,
    /// Index and value, inside an ItemSelector.
    pub(crate) map_item: Option<(u32, Value)>,
    pub(crate) variables: Variables<'a>,
    pub(crate) cancel: &'a Option<Arc<AtomicBool>>,
    /// The slice's dice.
    pub(crate) dice: &'a RefCell<Dice>,
    /// The slice's budget: what expressions take is taken from it.
    pub(crate) budget: &'a RefCell<Budget>,
    /// What is left of [`SCOPE_STEPS_MAX`].
    pub(crate) steps_left: Cell<u64>,
    /// The variable that a path looked into last.
    pub(crate) last_opened: RefCell<Option<Payload>>,
    /// What is left of [`MADE_BYTES_MAX`].
    pub(crate) room_bytes: Cell<usize>,
    /// Of the slice: Execution and StateMachine.
    pub(crate) fixed_context: &'a OnceCell<Value>,
    /// State, Task and Map.
    pub(crate) own_context: OnceCell<Value>,
    pub(crate) context_object: OnceCell<Value>,
}

/// The variables that are seen from a frame: its own, and those of the frames around it.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'a> {
    pub(crate) frames: &'a BTreeMap<FrameId, Frame>,
    pub(crate) frame: FrameId,
}

impl<'a> Variables<'a> {
    fn scopes(self) -> impl Iterator<Item = &'a BTreeMap<Arc<str>, Payload>> {
        let innermost = self.frames.get(&self.frame);
        let around = move |frame: &&'a Frame| frame.parent.and_then(|parent| self.frames.get(&parent));
        std::iter::successors(innermost, around).map(|frame| &frame.variables)
    }

    pub(crate) fn get(self, name: &str) -> Option<&'a Payload> {
        self.scopes().find_map(|scope| scope.get(name))
    }

    /// Each with its value, innermost first: of a name that appears twice the first is meant.
    pub(crate) fn all(self) -> Vec<(&'a str, &'a Payload)> {
        self.scopes().flatten().map(|(name, value)| (&**name, value)).collect()
    }
}

impl Scope<'_> {
    /// A `States.Runtime` at this state.
    pub(crate) fn runtime(&self, reason: &str) -> Failure {
        Failure::runtime(self.state, self.entered, reason)
    }

    /// A `States.QueryEvaluationError` of the expression at `location`.
    pub(crate) fn query_error(&self, location: Option<&str>, reason: &str) -> Failure {
        Failure::query(self.state, self.entered, location.map(str::to_owned), reason)
    }

    /// What AWS does and Skald has not built: ends the execution, since a workflow that caught it would go on wrongly.
    pub(crate) fn not_supported_yet(&self, feature: &str) -> Failure {
        let runtime = self.runtime(&format!("{feature} is not supported yet by this version of Skald."));
        Failure { error: Some(NOT_SUPPORTED_YET.to_owned()), ..runtime }
    }

    /// What `path` finds, as a value of its own.
    pub(crate) fn find(&self, path: &Path, document: &Payload) -> Result<Value, EvalError> {
        let steps = self.expression_steps();
        let mut budget = Budget::of_steps(steps);
        let found = match path.root() {
            Root::Input => path.find(document.value(), &mut budget).map(Found::into_value),
            Root::Context => path.find(self.context_of(path), &mut budget).map(Found::into_value),
            Root::Variable(name) => match self.opened(name, &mut budget) {
                Ok(Some(variable)) => path.find(variable.value(), &mut budget).map(Found::into_value),
                Ok(None) => Err(EvalError::NotFound { reason: format!("No results for path: {}", path.text()) }),
                Err(Exhausted) => Err(EvalError::Exhausted),
            },
        };
        self.charge(steps - budget.steps_left());
        found
    }

    /// A variable to look into. Of the large ones only the last keeps its tree: all of them together may be 10 MiB of text.
    fn opened(&self, name: &str, budget: &mut Budget) -> Result<Option<Payload>, Exhausted> {
        let Some(variable) = self.variables.get(name) else { return Ok(None) };
        let mut last = self.last_opened.borrow_mut();
        match &*last {
            Some(last) if last.is_same(variable) => Ok(Some(last.clone())),
            Some(_) | None => {
                budget.spend(variable.opening_steps())?;
                Ok(Some(last.insert(variable.light()).clone()))
            }
        }
    }

    /// Makes room for a value that becomes part of what a template makes.
    pub(crate) fn made(&self, value: Value) -> Result<Value, Failure> {
        let room_bytes = self.room_bytes.get().checked_sub(payload::weigh(&value).bytes);
        self.room_bytes.set(room_bytes.ok_or_else(|| Failure::data_limit(self.state))?);
        Ok(value)
    }

    /// What a path that is not over the input looks into; none for a variable that was never set.
    pub(crate) fn beside_input(&self, path: &Path) -> Option<&Value> {
        match path.root() {
            Root::Input => None,
            Root::Context => Some(self.context_of(path)),
            Root::Variable(name) => self.variables.get(name).map(Payload::value),
        }
    }

    /// The most steps the next path or call may take.
    pub(crate) fn expression_steps(&self) -> u64 {
        EXPRESSION_STEPS_MAX.min(self.steps_left.get())
    }

    pub(crate) fn charge(&self, steps: u64) {
        self.steps_left.set(self.steps_left.get().saturating_sub(steps));
        // An empty slice budget ends the slice at the next state, not this expression.
        let _ = self.budget.borrow_mut().spend(steps);
    }

    /// The part of the context object that `path` looks into: the whole is as large as the execution's input.
    fn context_of(&self, path: &Path) -> &Value {
        match first_member(path.text()) {
            Some("Execution" | "StateMachine") => self.fixed_context(),
            Some("State" | "Task" | "Map") => self.own_context(),
            Some(_) | None => self.context_object(),
        }
    }

    fn fixed_context(&self) -> &Value {
        self.fixed_context.get_or_init(|| {
            let identity = self.identity;
            json!({
                "Execution": {
                    "Id": identity.execution_arn,
                    "Input": identity.input.light().value(),
                    "StartTime": identity.started_at.to_rfc3339(),
                    "Name": identity.origin.execution_name,
                    "RoleArn": identity.origin.role_arn,
                    "RedriveCount": 0,
                },
                "StateMachine": { "Id": identity.machine_arn, "Name": identity.origin.machine_name },
            })
        })
    }

    fn own_context(&self) -> &Value {
        self.own_context.get_or_init(|| {
            let mut state = Map::new();
            state.insert("Name".to_owned(), json!(self.state));
            state.insert("EnteredTime".to_owned(), json!(self.entered_at.to_rfc3339()));
            if let Some(count) = self.retry_count {
                state.insert("RetryCount".to_owned(), json!(count));
            }
            let mut context = Map::new();
            context.insert("State".to_owned(), Value::Object(state));
            if let Some(token) = &self.task_token {
                context.insert("Task".to_owned(), json!({ "Token": token }));
            }
            if let Some((index, value)) = &self.map_item {
                context.insert("Map".to_owned(), json!({ "Item": { "Index": index, "Value": value } }));
            }
            Value::Object(context)
        })
    }
}

impl ContextObject for Scope<'_> {
    /// The whole context object. SOURCE: recorded member order, `context_object.json`.
    fn context_object(&self) -> &Value {
        self.context_object.get_or_init(|| {
            let parts = [self.fixed_context(), self.own_context()].into_iter().filter_map(Value::as_object);
            Value::Object(parts.flatten().map(|(name, value)| (name.clone(), value.clone())).collect())
        })
    }
}

/// `Execution` of `$$.Execution.Name` and of `$$['Execution']`; none of `$$` and of what looks everywhere.
fn first_member(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("$$")?;
    match rest.strip_prefix("['") {
        Some(quoted) => quoted.split_once("']").map(|(name, _)| name),
        None => rest.strip_prefix('.')?.split(['.', '[', '(']).next(),
    }
}
