//! Lists as operands of `in`, `contains`, `subsetof` and their like.

use std::cell::Cell;

use serde_json::Value;

use super::datum::{Datum, Json};
use super::literal;
use super::number::Numeral;
use crate::budget::Budget;
use crate::jsonpath::parse::{Limits, sub_path, unescaped};
use crate::jsonpath::stop::Stop;

#[derive(Debug)]
pub(super) struct List<'x> {
    elements: Vec<Element<'x>>,
}

#[derive(Debug)]
pub(super) enum Element<'x> {
    Plain(Datum<'x>),
    /// A string that reads as a list or an object. SOURCE: Jayway takes it for one.
    JsonText(&'x str),
    /// A string that reads as a path, which equals nothing. SOURCE: the same.
    Unlike,
}

impl<'x> List<'x> {
    /// The elements of a list; nothing for an object.
    ///
    /// # Errors
    /// [`Stop::Failed`] when an element is itself a list or an object: the library has no value for those.
    pub(super) fn of(json: &'x Json<'_>, budget: &mut Budget) -> Result<Option<Self>, Stop> {
        let Value::Array(items) = json.value()? else { return Ok(None) };
        budget.spend(items.len() as u64)?;
        let elements = items.iter().map(|item| element(item, budget)).collect::<Result<_, _>>()?;
        Ok(Some(Self { elements }))
    }

    /// The same for any operand.
    ///
    /// # Errors
    /// [`Stop::Invalid`] for what is neither a list nor an object.
    pub(super) fn of_operand(operand: &'x Datum<'_>, budget: &mut Budget) -> Result<Option<Self>, Stop> {
        match operand {
            Datum::Json(json) => Self::of(json, budget),
            Datum::Undefined | Datum::Null | Datum::Bool(_) | Datum::Number(_) | Datum::Text(_) | Datum::Pattern(_) => {
                Err(Stop::Invalid("Expected value list node".into()))
            }
        }
    }

    pub(super) fn elements(&self) -> &[Element<'x>] {
        &self.elements
    }

    pub(super) fn contains(&self, wanted: &Datum<'_>, budget: &mut Budget) -> Result<bool, Stop> {
        budget.spend(self.elements.len() as u64)?;
        Ok(self.elements.iter().any(|element| match (wanted, element) {
            (Datum::Json(Json::Literal { text, .. }), Element::JsonText(other)) => text == other,
            (wanted, Element::Plain(other)) => wanted.equals_plainly(other),
            (_, Element::JsonText(_) | Element::Unlike) => false,
        }))
    }

    pub(super) fn is_subset_of(&self, other: &List<'_>, budget: &mut Budget) -> Result<bool, Stop> {
        for element in &self.elements {
            if !other.has(element, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn shares_one_with(&self, other: &List<'_>, budget: &mut Budget) -> Result<bool, Stop> {
        for element in &self.elements {
            if other.has(element, budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has(&self, wanted: &Element<'_>, budget: &mut Budget) -> Result<bool, Stop> {
        match wanted {
            Element::Plain(datum) => self.contains(datum, budget),
            Element::JsonText(text) => {
                budget.spend(self.elements.len() as u64)?;
                Ok(self.elements.iter().any(|element| matches!(element, Element::JsonText(other) if other == text)))
            }
            Element::Unlike => Ok(false),
        }
    }
}

fn element<'x>(item: &'x Value, budget: &mut Budget) -> Result<Element<'x>, Stop> {
    Ok(Element::Plain(match item {
        Value::Null => Datum::Null,
        Value::Bool(bool) => Datum::Bool(*bool),
        Value::Number(number) => Datum::Number(Numeral::found(number.as_str().into())),
        Value::String(text) => return text_element(text, budget),
        Value::Array(_) | Value::Object(_) => return Err(Stop::Failed("Could not determine value type".to_owned())),
    }))
}

fn text_element<'x>(text: &'x str, budget: &mut Budget) -> Result<Element<'x>, Stop> {
    let trimmed = text.trim_matches(|character| character <= ' ');
    if trimmed.starts_with(['$', '@']) {
        budget.spend(1 + text.len() as u64)?;
        // A document's text compiles no patterns.
        if sub_path(trimmed, Limits::new(&Cell::new(0))).is_ok() {
            return Ok(Element::Unlike);
        }
    }
    let is_bracketed = |open, close| trimmed.len() > 1 && trimmed.starts_with(open) && trimmed.ends_with(close);
    if is_bracketed('[', ']') || is_bracketed('{', '}') {
        budget.spend(1 + text.len() as u64)?;
        if literal::parse(trimmed).is_some() {
            return Ok(Element::JsonText(text));
        }
    }
    if !text.contains(['\\', '\'', '"']) {
        return Ok(Element::Plain(Datum::Text(text.into())));
    }
    let is_quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    let inner = if is_quoted('\'') || is_quoted('"') { &text[1..text.len() - 1] } else { text };
    // SOURCE: Jayway reads the strings of a list as it reads literals, unless they have one character.
    let text = match text.encode_utf16().nth(1) {
        None => text.to_owned(),
        Some(_) => unescaped(inner, None).map_err(|error| Stop::Failed(error.reason))?,
    };
    Ok(Element::Plain(Datum::Text(text.into())))
}
