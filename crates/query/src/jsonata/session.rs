//! Evaluating the expressions of one state over what that state sees.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jsonata_core::evaluator::{CancelToken, Context, Evaluator, EvaluatorOptions};
use jsonata_core::meter;
use jsonata_core::value::{JMap, JValue};
use serde_json::Value;

use super::limits::{BUILT_BYTES_MAX, DEPTH_MAX, STEPS_MAX, VALUE_BYTES_MAX};
use super::shortcut::{self, Shortcut, Walked};
use super::{Expression, functions, values};
use crate::budget::Exhausted;
use crate::{Budget, Payload};

/// What converting a node of a large variable costs: all of them stay as long as the session does.
const BOUND_STEPS_PER_NODE: u64 = 2;

/// Where `$states.context` comes from: it is as large as the execution's input, and few expressions read it.
pub trait ContextObject {
    fn context_object(&self) -> &Value;
}

/// One that is put together already.
impl ContextObject for Value {
    fn context_object(&self) -> &Value {
        self
    }
}

/// What the expressions of a state see.
#[derive(Clone)]
pub struct Bindings<'a> {
    /// `$states.input`.
    pub input: &'a Payload,
    /// `$states.context`; put together only for an expression that reads it.
    pub context: &'a dyn ContextObject,
    /// `$states.result`, where there is one.
    pub result: Option<&'a Payload>,
    /// `$states.errorOutput`, in a catcher.
    pub error_output: Option<&'a Value>,
    /// The workflow's variables by name, without `$`.
    pub variables: Vec<(&'a str, &'a Payload)>,
    /// What `$now` and `$millis` say, in milliseconds since 1970.
    pub now_millis: i64,
    /// What `$random` and `$uuid` are made from.
    pub seed: u64,
}

/// Evaluates over one set of [`Bindings`], converting each only when an expression reads it, and then once.
pub struct Session<'a> {
    bindings: Bindings<'a>,
    flag: Option<Arc<AtomicBool>>,
    evaluator: Evaluator,
    input: Option<JValue>,
    context: Option<JValue>,
    result: Option<JValue>,
    error_output: Option<JValue>,
    bound: BTreeSet<&'a str>,
    /// The variable that plain names looked into last: of the large ones only it keeps its tree.
    last_opened: Option<Payload>,
    /// Whether the functions of Step Functions are known.
    registered: bool,
    dice: u64,
}

/// Why an expression has no result. Displayed as what AWS says after "The JSONata expression 'E' specified for the field
/// 'F' ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    #[error("returned nothing (undefined).")]
    Undefined,
    #[error("returned an unsupported result type.")]
    UnsupportedResultType,
    /// `message` begins with JSONata's code, as in `T1006: Attempted to invoke a non-function`.
    #[error("threw an error during evaluation{} {message}", if super::split_code(message).0.is_some() { "." } else { ":" })]
    Threw { message: String },
    #[error("threw an error during evaluation: Expression evaluation timeout: Check for infinite loop")]
    Timeout,
    #[error("threw an error during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage")]
    MemoryLimit,
    #[error(
        "threw an error during evaluation: Stack overflow error: Check for non-terminating recursive function.  Consider rewriting as tail-recursive."
    )]
    StackOverflow,
    /// More than a payload may have: to be told as any other result that is too large.
    #[error("returned a result that is too large.")]
    ResultTooLarge,
    /// The caller's own budget ran out, not AWS's limit.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// The cancel flag was raised.
    #[error("was cancelled")]
    Cancelled,
    /// A bug of the evaluator, which stops this expression and nothing else.
    #[error("could not be evaluated")]
    Broken,
}

impl<'a> Session<'a> {
    /// A session in which nothing is converted yet.
    pub fn new(bindings: Bindings<'a>) -> Self {
        Self::cancellable(bindings, None)
    }

    /// A session whose evaluations end soon after `flag` is raised: the last resort of a shell that has a clock.
    pub fn cancellable(bindings: Bindings<'a>, flag: Option<Arc<AtomicBool>>) -> Self {
        let evaluator = evaluator(flag.clone());
        let dice = bindings.seed;
        Self {
            bindings,
            flag,
            evaluator,
            input: None,
            context: None,
            result: None,
            error_output: None,
            bound: BTreeSet::new(),
            last_opened: None,
            registered: false,
            dice,
        }
    }

    /// The value of `expression`. The steps it took are spent from `budget`, also when it fails.
    ///
    /// # Errors
    /// [`EvalError`], one for each way AWS fails an evaluation.
    pub fn evaluate(&mut self, expression: &Expression, budget: &mut Budget) -> Result<Value, EvalError> {
        if let Some(answer) = self.shortcut(expression, budget) {
            return answer;
        }
        let value = self.value(expression, budget)?;
        result(values::to_json(&value))
    }

    /// The value of `expression` as a payload: what [`Session::evaluate`] gives, printed.
    ///
    /// # Errors
    /// As [`Session::evaluate`].
    pub fn evaluate_to_payload(&mut self, expression: &Expression, budget: &mut Budget) -> Result<Payload, EvalError> {
        if let Some(answer) = self.shortcut(expression, budget) {
            return answer.map(Payload::from_value);
        }
        let value = self.value(expression, budget)?;
        result(values::to_text(&value)).map(Payload::trusted)
    }

    fn value(&mut self, expression: &Expression, budget: &mut Budget) -> Result<JValue, EvalError> {
        self.bind_what_is_read(expression, budget)?;
        self.register_what_is_called(expression);
        let steps = budget.steps_left().min(STEPS_MAX);
        let limits = meter::Limits { steps, bytes: BUILT_BYTES_MAX, value_bytes: VALUE_BYTES_MAX, depth: DEPTH_MAX };
        let scope = meter::Scope::enter(limits, self.bindings.now_millis, self.dice);
        let evaluated = catch_unwind(AssertUnwindSafe(|| self.evaluator.evaluate(expression.tree(), &JValue::Undefined)));
        let tripped = meter::tripped();
        let steps_used = scope.steps_used();
        self.dice = scope.dice();
        drop(scope);
        let spent = budget.spend(steps_used);
        let Ok(evaluated) = evaluated else {
            self.evaluator = evaluator(self.flag.clone());
            self.bound.clear();
            self.registered = false;
            return Err(EvalError::Broken);
        };
        if let Some(limit) = tripped {
            return Err(match limit {
                meter::Trip::Steps if steps < STEPS_MAX => EvalError::Exhausted(Exhausted),
                meter::Trip::Steps => EvalError::Timeout,
                meter::Trip::Bytes => EvalError::MemoryLimit,
                meter::Trip::Depth => EvalError::StackOverflow,
                meter::Trip::Cancelled => EvalError::Cancelled,
            });
        }
        spent?;
        evaluated.map_err(|error| EvalError::Threw { message: error.message().to_owned() })
    }

    /// The answer of an expression that is nothing but names, from the JSON itself.
    fn shortcut(&mut self, expression: &Expression, budget: &mut Budget) -> Option<Result<Value, EvalError>> {
        let Shortcut { variable, names } = expression.shortcut.as_ref()?;
        let bindings = &self.bindings;
        let (root, names) = match (&**variable, names.split_first()) {
            ("states", Some((member, rest))) => {
                let member = match &**member {
                    "input" => Some(bindings.input.value()),
                    "context" => Some(bindings.context.context_object()),
                    "result" => bindings.result.map(Payload::value),
                    "errorOutput" => bindings.error_output,
                    _ => None,
                };
                (member, rest)
            }
            ("states", None) => return None,
            // Not a variable of the workflow: one of JSONata's functions, or nothing.
            (name, _) if !expression.variables().contains(name) => return None,
            (name, _) => {
                let variable = bindings.variables.iter().find(|(known, _)| *known == name).map(|(_, payload)| *payload);
                if let Some(variable) = variable
                    && !self.last_opened.as_ref().is_some_and(|last| last.is_same(variable))
                {
                    if let Err(exhausted) = budget.spend(variable.opening_steps()) {
                        return Some(Err(exhausted.into()));
                    }
                    self.last_opened = Some(variable.light());
                }
                (variable.and(self.last_opened.as_ref()).map(Payload::value), &names[..])
            }
        };
        let walked = match root {
            Some(root) => shortcut::walk(root, names),
            None => Walked::Missing,
        };
        let mut steps = 1 + names.len() as u64;
        let answer = match walked {
            Walked::Found(value) => Ok(shortcut::result(value, &mut steps)),
            Walked::Missing => Err(EvalError::Undefined),
            Walked::Maps => return None,
        };
        Some(budget.spend(steps).map_err(EvalError::from).and(answer))
    }

    /// Makes the functions of Step Functions known to the first expression that names one.
    fn register_what_is_called(&mut self, expression: &Expression) {
        if !self.registered && expression.names_added_function() {
            functions::register(&mut self.evaluator);
            self.registered = true;
        }
    }

    /// Converts and binds the variables and members of `$states` that `expression` reads and no earlier one did.
    fn bind_what_is_read(&mut self, expression: &Expression, budget: &mut Budget) -> Result<(), Exhausted> {
        let Self { bindings, evaluator, input, context, result, error_output, bound, last_opened: _, registered: _, dice: _, flag: _ } =
            self;
        for (name, payload) in &bindings.variables {
            if expression.reads(name) && bound.insert(name) {
                budget.spend(payload.opening_steps() * BOUND_STEPS_PER_NODE)?;
                evaluator.bind(name, values::from_json(payload.light().value()));
            }
        }
        let members = expression.states_members();
        if !members.whole && members.names.is_empty() {
            return Ok(());
        }
        let mut states = JMap::default();
        let mut member = |name: &str, cache: &mut Option<JValue>, json: &dyn Fn() -> Option<&'a Value>| {
            if members.may_read(name) {
                if cache.is_none() {
                    *cache = json().map(values::from_json);
                }
                if let Some(value) = cache {
                    states.insert(name.to_owned(), value.clone());
                }
            }
        };
        member("input", input, &|| Some(bindings.input.value()));
        member("context", context, &|| Some(bindings.context.context_object()));
        member("result", result, &|| bindings.result.map(Payload::value));
        member("errorOutput", error_output, &|| bindings.error_output);
        evaluator.bind("states", JValue::Object(states.into()));
        Ok(())
    }
}

fn result<T>(printed: Result<Option<T>, values::Unprintable>) -> Result<T, EvalError> {
    match printed {
        Ok(Some(result)) => Ok(result),
        Ok(None) => Err(EvalError::Undefined),
        Err(values::Unprintable::Function) => Err(EvalError::UnsupportedResultType),
        Err(values::Unprintable::TooLarge) => Err(EvalError::ResultTooLarge),
        Err(values::Unprintable::TooDeep) => Err(EvalError::StackOverflow),
    }
}

fn evaluator(flag: Option<Arc<AtomicBool>>) -> Evaluator {
    let options = EvaluatorOptions { cancel: flag.map(CancelToken), ..EvaluatorOptions::default() };
    Evaluator::with_options(Context::new(), options)
}
