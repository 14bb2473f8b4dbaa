//! The steps of a compiled path, and how Jayway prints them.

use std::fmt;

use super::filter::Filter;
use super::function::Function;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Name(String),
    /// Two names or more, in the order asked.
    Names(Vec<String>),
    /// Negative counts from the end.
    Index(i64),
    /// Two indexes or more, in the order asked.
    Indexes(Vec<i64>),
    /// At least one end is there.
    Slice {
        from: Option<i64>,
        to: Option<i64>,
    },
    Wildcard,
    /// `..`: the step that follows is applied to the node and to everything below it.
    Descent,
    /// `[?(…)]`.
    Filter(Box<Filter>),
    /// `.sum()`.
    Function(Box<Function>),
}

/// A path inside another: an operand of a filter, an argument of a function.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SubPath {
    pub(super) origin: Origin,
    pub(super) steps: Vec<Step>,
    pub(super) is_definite: bool,
    pub(super) is_reference: bool,
}

/// Where a path inside another starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `$`: the document.
    Document,
    /// `@`: the item that is tested.
    Item,
}

impl SubPath {
    pub(super) fn new(origin: Origin, steps: Vec<Step>) -> Self {
        let is_definite = is_definite(&steps);
        let is_reference = steps.iter().all(Step::is_reference);
        Self { origin, steps, is_definite, is_reference }
    }

    pub(super) fn ends_in_a_function(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Function(_)))
    }
}

impl Step {
    pub(super) fn is_reference(&self) -> bool {
        match self {
            Self::Name(_) | Self::Index(_) => true,
            Self::Names(_)
            | Self::Indexes(_)
            | Self::Slice { .. }
            | Self::Wildcard
            | Self::Descent
            | Self::Filter(_)
            | Self::Function(_) => false,
        }
    }

    /// Whether this step leads from one node to at most one, wherever it stands.
    pub(super) fn is_definite(&self) -> bool {
        self.is_reference() || matches!(self, Self::Function(_))
    }
}

/// Whether a path of these steps yields one value. Several names are merged into one object only at the end of a path.
pub(super) fn is_definite(steps: &[Step]) -> bool {
    match steps.split_last() {
        None => true,
        Some((last, before)) => before.iter().all(Step::is_definite) && (last.is_definite() || matches!(last, Step::Names(_))),
    }
}

/// `$['a'][0]`, the form Jayway's messages use.
pub(super) fn normalized(steps: &[Step]) -> String {
    let mut text = String::from("$");
    for step in steps {
        text.push_str(&step.to_string());
    }
    text
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "['{name}']"),
            Self::Names(names) => {
                let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
                write!(f, "[{}]", quoted.join(","))
            }
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Indexes(indexes) => {
                let printed: Vec<String> = indexes.iter().map(i64::to_string).collect();
                write!(f, "[{}]", printed.join(","))
            }
            Self::Slice { from, to } => {
                let end = |end: &Option<i64>| end.map(|end| end.to_string()).unwrap_or_default();
                write!(f, "[{}:{}]", end(from), end(to))
            }
            Self::Wildcard => f.write_str("[*]"),
            Self::Descent => f.write_str(".."),
            Self::Filter(_) => f.write_str("[?]"),
            Self::Function(function) => write!(f, ".{function}"),
        }
    }
}
