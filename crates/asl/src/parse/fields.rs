//! The fields of one object of a definition: read by name as narrow types, reported where they are wrong.
//!
//! A getter answers `None` for a field that is absent, and for one that is wrong, which it has then reported.

use std::ops::RangeInclusive;

use serde_json::Number;
use skald_query::Value;
use skald_query::jsonata::Expression;
use skald_query::jsonpath::{Path, ReferencePath, Root};

use super::location::Location;
use super::reader::{Language, Reader, Sees, is_empty};
use crate::time::Timestamp;

/// Fields of states, rules and catchers that one language has and the other lacks. SOURCE: asl.md §2.
const JSONATA_FIELDS: &[&str] = &["Arguments", "Output", "Items", "Condition"];
const JSONPATH_FIELDS: &[&str] = &[
    "InputPath",
    "OutputPath",
    "Parameters",
    "ResultPath",
    "ResultSelector",
    "Result",
    "ItemsPath",
    "SecondsPath",
    "TimestampPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "MaxConcurrencyPath",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCountPath",
    "ErrorPath",
    "CausePath",
    "Variable",
    "And",
    "Or",
    "Not",
];

type Members = serde_json::Map<String, Value>;

/// An object of the definition, where it lies, and which language its state speaks.
pub(crate) struct Fields<'d> {
    members: &'d Members,
    location: Location<'d>,
    pub(crate) language: Language,
    /// What `Output` and `Assign` here see.
    sees: Sees,
}

impl<'d> Fields<'d> {
    pub(super) fn root(members: &'d Members) -> Self {
        Self { members, location: Location::default(), language: Language::JsonPath, sees: Sees::Input }
    }

    /// `value` as an object at `location`.
    pub(crate) fn of(value: &'d Value, location: Location<'d>, language: Language, reader: &mut Reader) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self { members, location, language, sees: Sees::Input }),
            _ => {
                reader.schema("Expected value of type Object", &location);
                None
            }
        }
    }

    /// The same object, for a state that speaks `language`.
    pub(super) fn speaking(self, language: Language) -> Self {
        Self { language, ..self }
    }

    /// The same object, whose `Output` and `Assign` see this.
    pub(crate) fn seeing(self, sees: Sees) -> Self {
        Self { sees, ..self }
    }

    /// What an expression in `field` sees.
    pub(crate) fn seen_by(&self, field: &str) -> Sees {
        match field {
            "Output" | "Assign" => self.sees,
            _ => Sees::Input,
        }
    }

    pub(crate) fn location(&self) -> &Location<'d> {
        &self.location
    }

    /// The place of a field.
    pub(crate) fn at<'f>(&self, field: &'f str) -> Location<'f>
    where
        'd: 'f,
    {
        self.location.clone().field(field)
    }

    pub(crate) fn get(&self, field: &str) -> Option<&'d Value> {
        self.members.get(field)
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.members.contains_key(field)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'d str> {
        self.members.keys().map(String::as_str)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Only these fields may be there.
    pub(crate) fn check_known(&self, reader: &mut Reader, known: &[&str]) {
        for name in self.names().filter(|name| !known.contains(name)) {
            reader.schema(format!("Field '{name}' is not supported"), &self.location);
        }
    }

    /// Only these fields may be there, and only those of the language spoken.
    pub(crate) fn check_known_to_state(&self, reader: &mut Reader, known: &[&str]) {
        for name in self.names() {
            let other = match self.language {
                Language::JsonPath if JSONATA_FIELDS.contains(&name) => Some(Language::Jsonata),
                Language::Jsonata if JSONPATH_FIELDS.contains(&name) => Some(Language::JsonPath),
                Language::JsonPath | Language::Jsonata => None,
            };
            match other {
                _ if !known.contains(&name) => reader.schema(format!("Field '{name}' is not supported"), &self.location),
                Some(other) if !reader.is_downgraded(self.language) => {
                    // SOURCE: measured on AWS by floci: the place is the object, not the field.
                    let message = format!(
                        "The QueryLanguage is set to '{}', but field '{name}' is only supported for the '{}' QueryLanguage",
                        self.language.as_str(),
                        other.as_str()
                    );
                    reader.schema(message, &self.location);
                }
                Some(_) | None => {}
            }
        }
    }

    /// At most one of these fields may be there.
    pub(crate) fn check_exclusive(&self, reader: &mut Reader, fields: &[&str]) {
        if fields.iter().filter(|field| self.has(field)).count() > 1 {
            reader.schema(format!("There should only be one of the following fields: [{}]", fields.join(", ")), &self.location);
        }
    }

    /// The field must be there.
    pub(crate) fn require(&self, reader: &mut Reader, field: &str) -> Option<&'d Value> {
        let value = self.get(field);
        if value.is_none() {
            reader.schema(format!("The field '{field}' is required but was missing"), &self.location);
        }
        value
    }

    pub(crate) fn text(&self, reader: &mut Reader, field: &str) -> Option<&'d str> {
        let text = self.get(field)?.as_str();
        if text.is_none() {
            self.wrong_type(reader, field, "String");
        }
        text
    }

    pub(crate) fn one_of(&self, reader: &mut Reader, field: &str, allowed: &[&str]) -> Option<&'d str> {
        let text = self.text(reader, field)?;
        if !allowed.contains(&text) {
            reader.schema(format!("Value should be one of the following: [{}]", allowed.join(", ")), &self.at(field));
            return None;
        }
        Some(text)
    }

    pub(crate) fn boolean(&self, reader: &mut Reader, field: &str) -> Option<bool> {
        let boolean = self.get(field)?.as_bool();
        if boolean.is_none() {
            self.wrong_type(reader, field, "Boolean");
        }
        boolean
    }

    /// A whole number in `range`.
    pub(crate) fn integer(&self, reader: &mut Reader, field: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(field)?;
        let number = match value {
            Value::Number(number) if !number.is_f64() => number,
            _ => {
                self.wrong_type(reader, field, "Integer");
                return None;
            }
        };
        match number.as_u64() {
            Some(number) if range.contains(&number) => Some(number),
            Some(number) if number > *range.end() => {
                reader.schema(format!("Maximum value is {}", range.end()), &self.at(field));
                None
            }
            Some(_) | None => {
                reader.schema(format!("Minimum value is {}", range.start()), &self.at(field));
                None
            }
        }
    }

    /// Any number, as exact as it is written.
    pub(crate) fn number(&self, reader: &mut Reader, field: &str) -> Option<Number> {
        let number = self.get(field)?.as_number();
        if number.is_none() {
            self.wrong_type(reader, field, "Number");
        }
        number.cloned()
    }

    /// A number in `range`.
    pub(crate) fn number_in(&self, reader: &mut Reader, field: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.get(field)?;
        match value.as_f64() {
            Some(number) if range.contains(&number) => Some(number),
            Some(number) if number > *range.end() => {
                reader.schema(format!("Maximum value is {:?}", range.end()), &self.at(field));
                None
            }
            Some(_) => {
                reader.schema(format!("Minimum value is {:?}", range.start()), &self.at(field));
                None
            }
            None => {
                self.wrong_type(reader, field, "Number");
                None
            }
        }
    }

    pub(crate) fn list(&self, reader: &mut Reader, field: &str) -> Option<&'d [Value]> {
        let list = self.get(field)?.as_array();
        if list.is_none() {
            self.wrong_type(reader, field, "Array");
        }
        list.map(Vec::as_slice)
    }

    /// A list of which something is expected.
    pub(crate) fn filled_list(&self, reader: &mut Reader, field: &str) -> Option<&'d [Value]> {
        self.list(reader, field).filter(|_| self.check_filled(reader, field))
    }

    /// An object below this one.
    pub(crate) fn object(&self, reader: &mut Reader, field: &str) -> Option<Fields<'d>> {
        let (name, value) = self.members.get_key_value(field)?;
        Fields::of(value, self.location.field(name), self.language, reader)
    }

    /// The objects of a list below this one.
    pub(crate) fn objects(&self, reader: &mut Reader, field: &str, items: &'d [Value]) -> Vec<Fields<'d>> {
        let Some((name, _)) = self.members.get_key_value(field) else { return Vec::new() };
        let list = self.location.field(name);
        let located = items.iter().enumerate().map(|(index, item)| (item, list.item(index)));
        located.filter_map(|(item, location)| Fields::of(item, location, self.language, reader)).collect()
    }

    /// Any path.
    pub(crate) fn path(&self, reader: &mut Reader, field: &str) -> Option<Path> {
        let text = self.text(reader, field)?;
        match reader.path(text, &self.at(field)) {
            Ok(path) => Some(path),
            Err(_) => {
                reader.schema("Value must be a valid JSONPath.", &self.at(field));
                None
            }
        }
    }

    /// `None` when the field is absent; the path in it, if it is one.
    pub(crate) fn path_if_present(&self, reader: &mut Reader, field: &str) -> Option<Option<Path>> {
        self.has(field).then(|| self.path(reader, field))
    }

    /// An instant in RFC 3339 form.
    pub(crate) fn timestamp(&self, reader: &mut Reader, field: &str) -> Option<Timestamp> {
        let text = self.text(reader, field)?;
        let timestamp = Timestamp::parse_rfc3339(text);
        if timestamp.is_none() {
            reader.schema("String does not match RFC3339 timestamp", &self.at(field));
        }
        timestamp
    }

    /// A path that names one node, over the input, the context object or a variable.
    pub(crate) fn reference(&self, reader: &mut Reader, field: &str) -> Option<Path> {
        let text = self.text(reader, field)?;
        let over_input = if text.starts_with("$$") { &text[1..] } else { text };
        match (reader.path(text, &self.at(field)), ReferencePath::parse(over_input)) {
            (Ok(path), Ok(_)) => Some(path),
            (Ok(path), Err(_)) if matches!(path.root(), Root::Variable(_)) && path.is_reference() => Some(path),
            (_, Err(error)) => {
                reader.schema(format!("Value is not a Reference Path: {error}"), &self.at(field));
                None
            }
            (Err(_), Ok(_)) => {
                reader.schema("Value must be a valid JSONPath.", &self.at(field));
                None
            }
        }
    }

    /// In JSONata: the expression in the field; `Some(None)` when it is wrong and reported, `None` when there is none.
    pub(crate) fn expression(&self, reader: &mut Reader, field: &str) -> Option<Option<Expression>> {
        match (self.language, self.get(field)) {
            (Language::Jsonata, Some(Value::String(text))) => reader.expression(text, self.seen_by(field), &self.at(field)),
            (Language::Jsonata | Language::JsonPath, _) => None,
        }
    }

    pub(crate) fn wrong_type(&self, reader: &mut Reader, field: &str, expected: &str) {
        reader.schema(format!("Expected value of type {expected}"), &self.at(field));
    }

    fn check_filled(&self, reader: &mut Reader, field: &str) -> bool {
        let is_filled = self.get(field).is_some_and(|value| !is_empty(value));
        if !is_filled {
            reader.schema("Value cannot be empty", &self.at(field));
        }
        is_filled
    }
}
