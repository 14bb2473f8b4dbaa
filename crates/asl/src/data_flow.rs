//! The paths that carry data through a state: which part goes in, where the result lands, which part goes on.

use std::ops::RangeInclusive;

use skald_query::Value;
use skald_query::jsonpath::{Path, ReferencePath};

use crate::parse::fields::Fields;
use crate::parse::reader::{Language, Reader};
use crate::template::intrinsic;

/// `InputPath`, `OutputPath`: a path, or `null` for an empty object. Absent means `$`.
#[derive(Debug, Clone, PartialEq)]
pub enum DataPath {
    Path(Path),
    Null,
}

/// `ResultPath`: where in the raw input the result is put; `null` drops the result. Absent means `$`.
#[derive(Debug, Clone, PartialEq)]
pub enum ResultPath {
    Reference(ReferencePath),
    Discard,
}

/// A whole number that stands in the definition or is read from the input at run time.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    Literal(u64),
    Path(Path),
}

/// A text that stands in the definition or is read from the input at run time.
#[derive(Debug, Clone, PartialEq)]
pub enum Text {
    Literal(String),
    Path(Path),
}

impl DataPath {
    pub(crate) fn read(state: &Fields<'_>, field: &str, reader: &mut Reader) -> Self {
        match state.get(field) {
            Some(Value::Null) => Self::Null,
            Some(_) | None => Self::Path(state.path(reader, field).unwrap_or_default()),
        }
    }
}

impl ResultPath {
    pub(crate) fn read(fields: &Fields<'_>, reader: &mut Reader) -> Self {
        let field = "ResultPath";
        let text = match fields.get(field) {
            Some(Value::Null) => return Self::Discard,
            Some(_) | None => fields.text(reader, field),
        };
        match text.map(ReferencePath::parse) {
            Some(Ok(path)) => Self::Reference(path),
            Some(Err(error)) => {
                reader.schema(format!("Value is not a Reference Path: {error}"), &fields.at(field));
                Self::default()
            }
            None => Self::default(),
        }
    }
}

/// `$`: the result replaces everything.
impl Default for ResultPath {
    fn default() -> Self {
        Self::Reference(ReferencePath::default())
    }
}

impl Number {
    /// `field`, or the path in `fieldPath`.
    pub(crate) fn read(state: &Fields<'_>, field: &str, range: RangeInclusive<u64>, reader: &mut Reader) -> Option<Self> {
        let path_field = format!("{field}Path");
        state.check_exclusive(reader, &[field, &path_field]);
        let literal = state.integer(reader, field, range).map(Self::Literal);
        let path = state.reference(reader, &path_field).map(Self::Path);
        literal.or(path)
    }
}

impl Text {
    /// `field`, or the path or intrinsic function in `fieldPath`.
    pub(crate) fn read(state: &Fields<'_>, field: &str, reader: &mut Reader) -> Option<Self> {
        let path_field = format!("{field}Path");
        state.check_exclusive(reader, &[field, &path_field]);
        let literal = state.text(reader, field);
        if let (Some(text), Language::JsonPath) = (literal, state.language) {
            reader.warn_of_path(text, &state.at(field));
        }
        let path = match state.get(&path_field).and_then(Value::as_str).and_then(intrinsic::name) {
            Some(name) => {
                reader.not_supported_yet(&format!("Intrinsic functions ({name}) are"), &state.at(&path_field));
                None
            }
            None => state.reference(reader, &path_field),
        };
        literal.map(|text| Self::Literal(text.to_owned())).or(path.map(Self::Path))
    }
}
