//! JSONata alone: data as `$`, variables as given, none of what Step Functions adds or refuses but `$eval`, which is out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions, random_builtin};
use jsonata_core::value::JValue;
use jsonata_core::{meter, parser};
use serde_json::Value;

use super::{split_code, values};

/// What an evaluation may use up: more than in a state machine, as the language itself has no limits.
const LIMITS: meter::Limits = meter::Limits { steps: 20_000_000, bytes: 2 << 30, value_bytes: 1 << 30, depth: 10_000 };

/// An error with JSONata's code, as in `T2001`, where the error has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CodedError {
    /// Empty for the few errors that JSONata gives no code.
    pub code: String,
    pub message: String,
}

/// Evaluates `expression` over `data`, nothing being no input at all; the answer is nothing when it is undefined.
///
/// A function among the variables or in the result is left out, as JSON cannot write it. A limit is the error `U1001`.
///
/// # Errors
/// [`CodedError`], of parsing and of evaluating alike.
pub fn evaluate(expression: &str, data: Option<&Value>, bindings: &[(String, Value)]) -> Result<Option<Value>, CodedError> {
    let tree = parser::parse(expression).map_err(|error| coded(&error.to_string()))?;
    let mut evaluator = Evaluator::with_options(Context::new(), EvaluatorOptions::default());
    evaluator.register("random", 0, random_builtin);
    for (name, value) in bindings {
        evaluator.bind(name, values::from_json(value));
    }
    let data = data.map_or(JValue::Undefined, values::from_json);
    let scope = meter::Scope::enter(LIMITS, 0, 0);
    let evaluated =
        catch_unwind(AssertUnwindSafe(|| evaluator.evaluate(&tree, &data))).map_err(|_| coded("the evaluator failed on this expression"));
    let tripped = meter::tripped();
    let message = tripped.map(|limit| meter::trip(limit).message().to_owned());
    drop(scope);
    if let Some(message) = message {
        return Err(coded(&message));
    }
    let value = evaluated?.map_err(|error: EvaluatorError| coded(error.message()))?;
    values::to_json(&value).or_else(|unprintable| match unprintable {
        values::Unprintable::Function => Ok(None),
        values::Unprintable::TooLarge | values::Unprintable::TooDeep => Err(coded("U1001: The result is too large")),
    })
}

fn coded(message: &str) -> CodedError {
    let (code, message) = split_code(message);
    CodedError { code: code.unwrap_or_default().to_owned(), message: message.to_owned() }
}
