//! The operators of filters.

use std::cmp::Ordering;

use super::datum::{Datum, Json, utf16_order};
use super::list::{Element, List};
use super::pattern::Pattern;
use crate::budget::Budget;
use crate::jsonpath::ParseError;
use crate::jsonpath::stop::Stop;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    /// `===`: the kinds must be the same.
    Same,
    NotSame,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
    SubsetOf,
    AnyOf,
    NoneOf,
    Exists,
    /// `all`, `type`, `matches`: words of the library that no literal or path fits.
    Nothing,
}

impl Operator {
    pub(super) fn of(text: &str) -> Result<Self, ParseError> {
        Ok(match text.to_ascii_uppercase().as_str() {
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "===" => Self::Same,
            "!==" => Self::NotSame,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "=~" => Self::Matches,
            "IN" => Self::In,
            "NIN" => Self::NotIn,
            "CONTAINS" => Self::Contains,
            "SIZE" => Self::Size,
            "EMPTY" => Self::Empty,
            "SUBSETOF" => Self::SubsetOf,
            "ANYOF" => Self::AnyOf,
            "NONEOF" => Self::NoneOf,
            "EXISTS" => Self::Exists,
            "ALL" | "TYPE" | "MATCHES" => Self::Nothing,
            _ => return Err(ParseError::new(format!("Filter operator {text} is not supported!"))),
        })
    }

    /// # Errors
    /// [`Stop::Invalid`] when an operand is of a kind that the operator has no use for.
    pub(super) fn holds(self, left: &Datum<'_>, right: &Datum<'_>, budget: &mut Budget) -> Result<bool, Stop> {
        match self {
            Self::Equal => left.equals(right, budget),
            Self::NotEqual => Ok(!left.equals(right, budget)?),
            Self::Same => same(left, right, budget),
            Self::NotSame => Ok(!same(left, right, budget)?),
            Self::Less => Ok(order(left, right) == Some(Ordering::Less)),
            Self::LessOrEqual => Ok(matches!(order(left, right), Some(Ordering::Less | Ordering::Equal))),
            Self::Greater => Ok(order(left, right) == Some(Ordering::Greater)),
            Self::GreaterOrEqual => Ok(matches!(order(left, right), Some(Ordering::Greater | Ordering::Equal))),
            Self::Matches => matches(left, right, budget),
            Self::In => is_in(left, right, budget),
            Self::NotIn => Ok(!is_in(left, right, budget)?),
            Self::Contains => contains(left, right, budget),
            Self::Size => size(left, right),
            Self::Empty => empty(left, right),
            Self::SubsetOf => with_lists(left, right, budget, |left, right, budget| left.is_subset_of(right, budget)),
            Self::AnyOf => with_lists(left, right, budget, |left, right, budget| left.shares_one_with(right, budget)),
            Self::NoneOf => with_lists(left, right, budget, |left, right, budget| Ok(!left.shares_one_with(right, budget)?)),
            Self::Exists => both_bool(left, right),
            Self::Nothing => Err(Stop::Invalid("the operator has no use for its operands".into())),
        }
    }
}

fn same(left: &Datum<'_>, right: &Datum<'_>, budget: &mut Budget) -> Result<bool, Stop> {
    Ok(std::mem::discriminant(left) == std::mem::discriminant(right) && left.equals(right, budget)?)
}

/// Numbers by value, strings by UTF-16 units; nothing else has an order.
fn order(left: &Datum<'_>, right: &Datum<'_>) -> Option<Ordering> {
    match (left, right) {
        (Datum::Number(left), Datum::Number(right)) => Some(left.order(right)),
        (Datum::Text(left), Datum::Text(right)) => Some(utf16_order(left, right)),
        _ => None,
    }
}

fn matches(left: &Datum<'_>, right: &Datum<'_>, budget: &mut Budget) -> Result<bool, Stop> {
    let (pattern, subject) = match (left, right) {
        (Datum::Pattern(_), Datum::Pattern(_)) => return Ok(false),
        (Datum::Pattern(pattern), subject) | (subject, Datum::Pattern(pattern)) => (pattern, subject),
        _ => return Ok(false),
    };
    if let Datum::Json(json) = subject
        && let Some(list) = List::of(json, budget)?
    {
        for element in list.elements() {
            if matches_text(pattern, &element.matched_text(), budget)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    matches_text(pattern, &subject.matched_text(), budget)
}

fn matches_text(pattern: &Pattern, text: &str, budget: &mut Budget) -> Result<bool, Stop> {
    budget.spend(1 + text.len() as u64 / 4)?;
    Ok(pattern.matches(text))
}

fn is_in(left: &Datum<'_>, right: &Datum<'_>, budget: &mut Budget) -> Result<bool, Stop> {
    match List::of_operand(right, budget)? {
        Some(list) => list.contains(left, budget),
        None => Ok(false),
    }
}

fn contains(left: &Datum<'_>, right: &Datum<'_>, budget: &mut Budget) -> Result<bool, Stop> {
    match (left, right) {
        (Datum::Text(left), Datum::Text(right)) => {
            budget.spend(left.len() as u64 / 64)?;
            Ok(left.contains(&**right))
        }
        (Datum::Json(json), right) => match List::of(json, budget)? {
            Some(list) => list.contains(right, budget),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}

fn size(left: &Datum<'_>, right: &Datum<'_>) -> Result<bool, Stop> {
    let Datum::Number(wanted) = right else { return Ok(false) };
    let length = match left {
        Datum::Text(text) => i32::try_from(text.encode_utf16().count()).ok(),
        // SOURCE: Jayway's length of an object is -1.
        Datum::Json(json) => match json.value()?.as_array() {
            Some(items) => i32::try_from(items.len()).ok(),
            None => Some(-1),
        },
        Datum::Undefined | Datum::Null | Datum::Bool(_) | Datum::Number(_) | Datum::Pattern(_) => return Ok(false),
    };
    Ok(length == Some(wanted.int_value()))
}

fn empty(left: &Datum<'_>, right: &Datum<'_>) -> Result<bool, Stop> {
    let is_empty = match left {
        Datum::Text(text) => text.is_empty(),
        Datum::Json(json) => match json.value()?.as_array() {
            Some(items) => items.is_empty(),
            None => return Err(Stop::Failed("'empty' cannot be asked of an object".to_owned())),
        },
        Datum::Undefined | Datum::Null | Datum::Bool(_) | Datum::Number(_) | Datum::Pattern(_) => return Ok(false),
    };
    match right {
        Datum::Bool(wanted) => Ok(is_empty == *wanted),
        Datum::Undefined | Datum::Null | Datum::Number(_) | Datum::Text(_) | Datum::Json(_) | Datum::Pattern(_) => Err(not_boolean()),
    }
}

fn both_bool(left: &Datum<'_>, right: &Datum<'_>) -> Result<bool, Stop> {
    match (left, right) {
        (Datum::Bool(left), Datum::Bool(right)) => Ok(left == right),
        (Datum::Bool(_), _) | (_, Datum::Bool(_)) => Err(not_boolean()),
        _ => Err(Stop::Failed("Failed to evaluate exists expression".to_owned())),
    }
}

fn not_boolean() -> Stop {
    Stop::Invalid("Expected boolean node".into())
}

/// Calls `hold` with both operands as lists; an object on either side is no list, and nothing holds.
fn with_lists(
    left: &Datum<'_>,
    right: &Datum<'_>,
    budget: &mut Budget,
    hold: impl FnOnce(&List<'_>, &List<'_>, &mut Budget) -> Result<bool, Stop>,
) -> Result<bool, Stop> {
    let Some(right) = List::of_operand(right, budget)? else { return Ok(false) };
    let Some(left) = List::of_operand(left, budget)? else { return Ok(false) };
    hold(&left, &right, budget)
}

impl Datum<'_> {
    /// What a pattern is held against.
    fn matched_text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Text(text) => (&**text).into(),
            Self::Number(number) => number.java_text(),
            Self::Bool(true) => "true".into(),
            Self::Bool(false) => "false".into(),
            Self::Undefined | Self::Null | Self::Json(_) | Self::Pattern(_) => "".into(),
        }
    }
}

impl Element<'_> {
    fn matched_text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Plain(datum) => datum.matched_text(),
            Self::JsonText(_) | Self::Unlike => "".into(),
        }
    }
}

impl Json<'_> {
    /// # Errors
    /// [`Stop::Failed`] for a literal that is no JSON.
    pub(super) fn value(&self) -> Result<&serde_json::Value, Stop> {
        match self {
            Self::Found(value) => Ok(value),
            Self::Literal { value: Some(value), .. } => Ok(value),
            Self::Literal { value: None, text } => Err(Stop::Failed(format!("'{text}' is no JSON"))),
        }
    }
}
