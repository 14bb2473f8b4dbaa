//! Filters, `[?( … )]`: what is tested, and whether an item passes.

mod parse;
mod compare;
mod datum;
mod list;
mod literal;
mod number;
mod pattern;

use serde_json::Value;

use super::ParseError;
use super::evaluate::{self, Scope};
use super::parse::Limits;
use super::step::{Origin, Step, SubPath};
use super::stop::Stop;
use crate::budget::Budget;
use compare::Operator;
use datum::{Datum, Json};
use number::Numeral;
use pattern::Pattern;

pub(super) use number::{double, java_double, java_int};

/// A compiled filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    condition: Condition,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        left: Operand,
        operator: Operator,
        right: Operand,
    },
    /// `@.x` alone, or `!@.x`.
    Exists {
        path: SubPath,
        is_wanted: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(SubPath),
    Null,
    Bool(bool),
    /// INVARIANT: a decimal number.
    Number(Box<str>),
    Text(Box<str>),
    /// `[1, 'a']` or `{…}`; without a value where the text is no JSON, which shows only when it is used.
    Json {
        text: Box<str>,
        value: Option<Value>,
    },
    Pattern(Pattern),
}

impl Filter {
    /// Compiles `text`, which is the filter from its opening parenthesis to the closing one.
    ///
    /// # Errors
    /// [`ParseError`] for what the library does not compile, and for patterns that take more than linear time.
    pub(super) fn parse(text: &str, limits: Limits<'_>) -> Result<Self, ParseError> {
        Ok(Self { condition: parse::condition(text, limits)? })
    }

    /// Whether `item` passes.
    ///
    /// # Errors
    /// [`Stop::Failed`] where the library throws, and [`Stop::Exhausted`].
    pub(super) fn accepts(&self, item: &Value, scope: &Scope<'_>, budget: &mut Budget) -> Result<bool, Stop> {
        budget.spend(1)?;
        match self.condition.holds(item, scope, budget) {
            // SOURCE: Jayway rejects the item, whatever stands around the operand that does not fit.
            Err(Stop::Missing(_) | Stop::Invalid(_)) => Ok(false),
            held => held,
        }
    }
}

impl Condition {
    fn holds(&self, item: &Value, scope: &Scope<'_>, budget: &mut Budget) -> Result<bool, Stop> {
        match self {
            Self::Any(conditions) => {
                for condition in conditions {
                    if condition.holds(item, scope, budget)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::All(conditions) => {
                for condition in conditions {
                    if !condition.holds(item, scope, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(condition) => Ok(!condition.holds(item, scope, budget)?),
            Self::Compare { left, operator, right } => {
                let left = left.datum(item, scope, budget)?;
                let right = right.datum(item, scope, budget)?;
                budget.spend(1)?;
                operator.holds(&left, &right, budget)
            }
            Self::Exists { path, is_wanted } => Ok(exists(path, item, scope, budget)? == *is_wanted),
        }
    }
}

fn exists(path: &SubPath, item: &Value, scope: &Scope<'_>, budget: &mut Budget) -> Result<bool, Stop> {
    // SOURCE: Jayway tests the item here even where the path starts with `$`, and wants every name behind `*` to be there.
    let scope = Scope { document: scope.document, requires_names: true };
    match evaluate::walk(&path.steps, item, &scope, budget) {
        Ok(reached) => Ok(!path.is_definite || !reached.is_empty()),
        Err(Stop::Missing(_)) => Ok(false),
        Err(stop @ (Stop::Invalid(_) | Stop::OutOfBounds(_) | Stop::Failed(_) | Stop::Exhausted)) => Err(stop),
    }
}

impl Operand {
    fn datum<'x>(&'x self, item: &'x Value, scope: &Scope<'x>, budget: &mut Budget) -> Result<Datum<'x>, Stop> {
        Ok(match self {
            Self::Path(path) => return path_datum(path, item, scope, budget),
            Self::Null => Datum::Null,
            Self::Bool(bool) => Datum::Bool(*bool),
            Self::Number(text) => Datum::Number(Numeral::literal(text)),
            Self::Text(text) => Datum::Text((&**text).into()),
            Self::Json { text, value } => Datum::Json(Json::Literal { text, value: value.as_ref() }),
            Self::Pattern(pattern) => Datum::Pattern(pattern),
        })
    }
}

fn path_datum<'x>(path: &SubPath, item: &'x Value, scope: &Scope<'x>, budget: &mut Budget) -> Result<Datum<'x>, Stop> {
    let start = match path.origin {
        Origin::Document => scope.document,
        Origin::Item => item,
    };
    let value = match evaluate::value_of(path, start, scope, budget) {
        Ok(value) => value,
        Err(Stop::Missing(_)) => return Ok(Datum::Undefined),
        Err(stop @ (Stop::Invalid(_) | Stop::OutOfBounds(_) | Stop::Failed(_) | Stop::Exhausted)) => return Err(stop),
    };
    match path.steps.last() {
        // SOURCE: the library's set of keys is no list, which its filters cannot work with.
        Some(Step::Function(function)) if path.is_definite && function.gives_keys() && value.is_array() => {
            Err(Stop::Failed("Could not convert the keys to a value".to_owned()))
        }
        _ => Ok(Datum::of(value)),
    }
}
