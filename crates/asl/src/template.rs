//! Payload templates: JSON in which a key that ends in `.$` takes its value from a path.

pub(crate) mod intrinsic;

use skald_query::Value;
use skald_query::jsonpath::{ParseError, Path};

use crate::diagnostic::Code;
use crate::parse::fields::Fields;
use crate::parse::reader::{Language, Reader, looks_like_path};

type Members = serde_json::Map<String, Value>;

/// A compiled `Parameters`, `ResultSelector`, `ItemSelector` or `Credentials`.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// Nothing to evaluate inside: copied as it is.
    Literal(Value),
    Object(Vec<Field>),
    Array(Vec<Template>),
}

/// One member of a template object, in the order of the document.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Plain {
        key: String,
        value: Template,
    },
    /// `"key.$": "$.path"`; `key` is without the suffix.
    Path {
        key: String,
        path: Path,
    },
}

impl Template {
    /// The object in `field`. In JSONata any value stands there, and nothing is compiled.
    pub(crate) fn read(fields: &Fields<'_>, field: &str, reader: &mut Reader) -> Option<Self> {
        let value = fields.get(field)?;
        match (fields.language, value) {
            (Language::JsonPath, Value::Object(_)) => Some(compile(value, &fields.at(field), reader)),
            (Language::JsonPath, _) => {
                fields.wrong_type(reader, field, "Object");
                None
            }
            (Language::Jsonata, _) => None,
        }
    }
}

/// Compiles what lies at `location`. No deeper than a document may nest.
fn compile(value: &Value, location: &str, reader: &mut Reader) -> Template {
    match value {
        Value::Object(members) => {
            let fields: Vec<Field> =
                members.iter().filter_map(|(key, value)| compile_field(members, key, value, location, reader)).collect();
            let is_literal = fields.iter().all(|field| matches!(field, Field::Plain { value: Template::Literal(_), .. }));
            if is_literal { Template::Literal(value.clone()) } else { Template::Object(fields) }
        }
        Value::Array(items) => {
            let located = items.iter().enumerate();
            let items: Vec<Template> = located.map(|(index, item)| compile(item, &format!("{location}[{index}]"), reader)).collect();
            let is_literal = items.iter().all(|item| matches!(item, Template::Literal(_)));
            if is_literal { Template::Literal(value.clone()) } else { Template::Array(items) }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Template::Literal(value.clone()),
    }
}

fn compile_field(members: &Members, key: &str, value: &Value, location: &str, reader: &mut Reader) -> Option<Field> {
    let Some(name) = key.strip_suffix(".$") else {
        if value.as_str().is_some_and(looks_like_path) {
            let message = "No `.$` on a field that appears to be a JSONPath or Intrinsic Function";
            reader.warn(Code::NoDollar, message, &format!("{location}/{key}"));
        }
        let value = compile(value, &format!("{location}/{key}"), reader);
        return Some(Field::Plain { key: key.to_owned(), value });
    };
    if members.contains_key(name) {
        reader.schema(format!("The fields '{name}' and '{key}' have the same name"), location);
    }
    match value.as_str().map(|text| (text, Path::parse(text))) {
        Some((_, Ok(path))) => return Some(Field::Path { key: name.to_owned(), path }),
        Some((text, Err(ParseError::Unsupported { feature }))) if !text.starts_with("States.") || intrinsic::is_well_formed(text) => {
            reader.not_supported_yet(&format!("{feature} are"), &format!("{location}/{key}"));
        }
        Some((_, Err(_))) | None => {
            let message = format!("The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call");
            reader.schema(message, location);
        }
    }
    None
}
