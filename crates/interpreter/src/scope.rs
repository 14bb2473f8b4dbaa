//! Evaluating a state's expressions: against its data, and against the context object behind `$$`.

use std::cell::{OnceCell, RefCell};

use serde_json::{Map, Value, json};
use skald_asl::data_flow::{DataPath, Number, ResultPath, Text};
use skald_asl::template::{Field, Template};
use skald_asl::{StateId, states};
use skald_query::jsonpath::{EvalError, Path, Root};
use skald_query::{Budget, Payload};

use crate::event::EventId;
use crate::execution::Identity;
use crate::failure::Failure;
use crate::states::choice;

/// The most steps one expression may take. SOURCE: our own: some 10 ms of visiting.
const EXPRESSION_STEPS_MAX: u64 = 2_000_000;

/// What a state's expressions see.
pub(crate) struct Scope<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) state: &'a str,
    pub(crate) entered: EventId,
    pub(crate) entered_at: skald_asl::Timestamp,
    /// Shown in states that can retry.
    pub(crate) retry_count: Option<u64>,
    pub(crate) task_token: Option<String>,
    /// Index and value, inside an ItemSelector.
    pub(crate) map_item: Option<(u32, Value)>,
    /// The slice's budget: what expressions take is taken from it.
    pub(crate) budget: &'a RefCell<Budget>,
    /// Of the slice: Execution and StateMachine.
    pub(crate) fixed_context: &'a OnceCell<Value>,
    /// State, Task and Map.
    pub(crate) own_context: OnceCell<Value>,
    pub(crate) context_object: OnceCell<Value>,
}

impl Scope<'_> {
    /// A `States.Runtime` at this state.
    pub(crate) fn runtime(&self, reason: &str) -> Failure {
        Failure::runtime(self.state, self.entered, reason)
    }

    /// `InputPath` or `OutputPath` applied to `document`; `$` hands the same payload on.
    pub(crate) fn data(&self, path: &DataPath, document: &Payload) -> Result<Payload, Failure> {
        match path {
            DataPath::Null => Ok(Payload::empty_object()),
            DataPath::Path(path) if path.is_identity() => Ok(document.clone()),
            DataPath::Path(path) => {
                let found = self.find(path, document).map_err(|error| self.invalid_path(path, error))?;
                Ok(Payload::from_value(found))
            }
        }
    }

    /// A payload template over `document`; `None` hands the document on.
    pub(crate) fn template(&self, template: Option<&Template>, document: &Payload) -> Result<Payload, Failure> {
        match template {
            None => Ok(document.clone()),
            Some(template) => Ok(Payload::from_value(self.fill(template, document)?)),
        }
    }

    fn fill(&self, template: &Template, document: &Payload) -> Result<Value, Failure> {
        match template {
            Template::Literal(value) => Ok(value.clone()),
            Template::Array(items) => items.iter().map(|item| self.fill(item, document)).collect::<Result<Vec<_>, _>>().map(Value::Array),
            Template::Object(fields) => {
                let mut object = Map::with_capacity(fields.len());
                for field in fields {
                    match field {
                        Field::Plain { key, value } => object.insert(key.clone(), self.fill(value, document)?),
                        Field::Path { key, path } => object.insert(key.clone(), self.field(&format!("{key}.$"), path, document)?),
                    };
                }
                Ok(Value::Object(object))
            }
        }
    }

    /// The value of one field that is a path; missing is AWS's text that names the field.
    pub(crate) fn field(&self, field: &str, path: &Path, document: &Payload) -> Result<Value, Failure> {
        self.find(path, document).map_err(|error| match error {
            EvalError::NotFound { .. } => self.runtime(&format!(
                "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
                path.text(),
                match path.root() {
                    Root::Input => document.text().to_owned(),
                    Root::Context => self.context_object().to_string(),
                }
            )),
            EvalError::Exhausted => self.invalid_path(path, error),
        })
    }

    /// Puts `result` into the raw input as `ResultPath` says.
    pub(crate) fn result(&self, path: &ResultPath, raw: &Payload, result: Payload) -> Result<Payload, Failure> {
        match path {
            ResultPath::Discard => Ok(raw.clone()),
            ResultPath::Reference(path) if path.is_identity() => Ok(result),
            ResultPath::Reference(path) => match path.put(raw.value().clone(), result.value().clone()) {
                Ok(merged) => Ok(Payload::from_value(merged)),
                Err(conflict) => {
                    Err(self.runtime(&format!("Unable to apply step \"{}\" to input {}: {}", path.text(), raw.text(), conflict.reason)))
                }
            },
        }
    }

    /// `TimeoutSeconds` and its kin: a literal, or a whole number from the input.
    pub(crate) fn number(&self, field: &str, number: &Number, document: &Payload) -> Result<u64, Failure> {
        match number {
            Number::Literal(value) => Ok(*value),
            Number::Path(path) => {
                let value = self.find(path, document).map_err(|error| self.invalid_path(path, error))?;
                value.as_u64().ok_or_else(|| {
                    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    self.runtime(&format!("The {field} field refers to value \"{shown}\" which is not a valid integer: {}", path.text()))
                })
            }
        }
    }

    /// `Error` and `Cause` of a Fail state.
    pub(crate) fn text(&self, field: &str, text: &Text, document: &Payload) -> Result<String, Failure> {
        match text {
            Text::Literal(text) => Ok(text.clone()),
            Text::Path(path) => match self.field(field, path, document)? {
                Value::String(text) => Ok(text),
                other => Err(self.runtime(&format!(
                    "The JSONPath '{}' specified for the field '{field}' must refer to a string, but was: {other}",
                    path.text()
                ))),
            },
        }
    }

    /// The state a Choice leads to; none when no rule holds and there is no default.
    pub(crate) fn choose(&self, choice: &states::Choice, input: &Payload) -> Result<Option<StateId>, Failure> {
        let mut budget = Budget::of_steps(EXPRESSION_STEPS_MAX);
        let chosen = choice::choose(choice, input.value(), &|path| self.context_of(path), &mut budget);
        self.charge(&budget);
        chosen.map_err(|error| self.runtime(&error.to_string()))
    }

    /// What `path` finds, as a value of its own.
    pub(crate) fn find(&self, path: &Path, document: &Payload) -> Result<Value, EvalError> {
        let mut budget = Budget::of_steps(EXPRESSION_STEPS_MAX);
        let root = match path.root() {
            Root::Input => document.value(),
            Root::Context => self.context_of(path),
        };
        let found = path.find(root, &mut budget).map(skald_query::jsonpath::Found::into_value);
        self.charge(&budget);
        found
    }

    fn charge(&self, left: &Budget) {
        let spent = EXPRESSION_STEPS_MAX - left.steps_left();
        // An empty slice budget ends the slice at the next state, not this expression.
        let _ = self.budget.borrow_mut().spend(spent);
    }

    /// The library's own words, as AWS passes them on.
    pub(crate) fn invalid_path(&self, path: &Path, error: EvalError) -> Failure {
        match error {
            EvalError::NotFound { reason } => self.runtime(&format!("Invalid path '{}' : {reason}", path.text())),
            EvalError::Exhausted => self.runtime(&format!("Invalid path '{}' : the expression took too many steps", path.text())),
        }
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
                    "Input": identity.input.value(),
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
