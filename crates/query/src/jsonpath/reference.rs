//! Reference paths: names and indexes only, so that they name one place, which can be written to.

use serde_json::{Map, Value};

use super::evaluate::item_position;
use super::step::{self, Step};
use super::{ParseError, Path, Root};

/// A path that a result can be put at.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ReferencePath {
    // INVARIANT: its root is the input, its steps are names and indexes.
    path: Path,
}

/// The document has something else where the path wants to go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Conflict {
    pub reason: String,
}

impl ReferencePath {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`ParseError`] for what is no path, or names more than one place, or one outside the input.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if !text.starts_with('$') {
            return Err(ParseError::new("Reference path didn't start with '$'"));
        }
        let path = Path::parse(text)?;
        match path.root {
            Root::Input if path.is_reference() => Ok(Self { path }),
            Root::Input => Err(ParseError::new("Reference path contains operators that may lead to more than one node")),
            Root::Context => Err(ParseError::new("Reference path leads into the context object")),
            Root::Variable(_) => Err(ParseError::new("Reference path leads into a variable")),
        }
    }

    /// As it stands in the definition.
    pub fn text(&self) -> &str {
        self.path.text()
    }

    /// Whether this is `$`, the whole document.
    pub fn is_identity(&self) -> bool {
        self.path.is_identity()
    }

    /// `document` with `value` at this place. Creates the objects that are missing on the way; an index must exist.
    ///
    /// # Errors
    /// [`Conflict`] when a name is asked of what is no object, or an index of what is no list or too short.
    pub fn put(&self, mut document: Value, value: Value) -> Result<Value, Conflict> {
        let steps = &self.path.steps;
        let mut place = &mut document;
        for (index, step) in steps.iter().enumerate() {
            place = enter(place, step, steps.get(index + 1)).ok_or_else(|| Conflict {
                reason: format!("{} leads nowhere: {} is not there", self.text(), step::normalized(&steps[..=index])),
            })?;
        }
        *place = value;
        Ok(document)
    }
}

/// Goes one step; a member that is missing is created as what the next step needs.
fn enter<'d>(place: &'d mut Value, step: &Step, next: Option<&Step>) -> Option<&'d mut Value> {
    match (step, place) {
        (Step::Name(name), Value::Object(members)) => Some(members.entry(name.clone()).or_insert_with(|| match next {
            Some(_) => Value::Object(Map::new()),
            None => Value::Null,
        })),
        (Step::Index(index), Value::Array(items)) => {
            let position = item_position(items.len(), *index)?;
            items.get_mut(position)
        }
        _ => None,
    }
}
