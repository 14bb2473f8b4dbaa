//! The steps of a compiled path, and how Jayway prints them.

use std::fmt;

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
    /// `..`: the step that follows is applied to the node and to everything below it. Never last.
    Descent,
}

impl Step {
    pub(super) fn is_reference(&self) -> bool {
        match self {
            Self::Name(_) | Self::Index(_) => true,
            Self::Names(_) | Self::Indexes(_) | Self::Slice { .. } | Self::Wildcard | Self::Descent => false,
        }
    }
}

/// Whether a path of these steps yields one value. Several names are merged into one object only at the end of a path.
pub(super) fn is_definite(steps: &[Step]) -> bool {
    steps.iter().enumerate().all(|(index, step)| match step {
        Step::Name(_) | Step::Index(_) => true,
        Step::Names(_) => index + 1 == steps.len(),
        Step::Indexes(_) | Step::Slice { .. } | Step::Wildcard | Step::Descent => false,
    })
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
        }
    }
}
