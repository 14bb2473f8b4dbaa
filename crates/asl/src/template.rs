//! Payload templates: JSON with places whose values are evaluated.
//!
//! In JSONPath these are the keys that end in `.$`, in JSONata the texts between `{%` and `%}`.

use skald_query::Value;
use skald_query::intrinsic::Call;
use skald_query::jsonata::Expression;
use skald_query::jsonpath::Path;

use crate::diagnostic::Code;
use crate::parse::fields::Fields;
use crate::parse::reader::{Language, Reader, looks_like_path};

type Members = serde_json::Map<String, Value>;

/// A compiled `Parameters`, `Arguments`, `ResultSelector`, `Output`, `Assign`, …
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// Nothing to evaluate inside: copied as it is.
    Literal(Value),
    Object(Vec<Field>),
    Array(Vec<Template>),
    /// `"key.$": "$.path"`: always the value of a [`Field`].
    Path(Path),
    /// `"key.$": "States.UUID()"`: always the value of a [`Field`].
    Call(Call),
    /// `"{% … %}"`
    Expression(Expression),
}

/// One member of a template object, in the order of the document.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Without `.$`.
    pub key: String,
    pub value: Template,
}

impl Template {
    /// What stands in `field`: an object in JSONPath, anything in JSONata.
    pub(crate) fn read(fields: &Fields<'_>, field: &str, reader: &mut Reader) -> Option<Self> {
        let value = fields.get(field)?;
        let location = fields.at(field);
        match (fields.language, value) {
            (Language::JsonPath, Value::Object(_)) | (Language::Jsonata, _) => {
                Some(Compiler { language: fields.language, reader }.compile(value, &location))
            }
            (Language::JsonPath, _) => {
                fields.wrong_type(reader, field, "Object");
                None
            }
        }
    }
}

/// The order of a JSONPath template's members in its value: plain ones as written, then evaluated ones as a Java `HashMap`
/// of their names iterates.
///
/// SOURCE: recorded: some 40 templates with two evaluated members or more, without exception.
fn order_as_evaluated(fields: &mut [Field]) {
    let is_evaluated = |field: &Field| matches!(field.value, Template::Path(_) | Template::Call(_));
    let count = fields.iter().filter(|field| is_evaluated(field)).count();
    let mut buckets: u32 = 16;
    while count > buckets as usize / 4 * 3 {
        buckets *= 2;
    }
    let bucket_of = |name: &str| {
        let hash = name.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
        (hash ^ (hash >> 16)) & (buckets - 1)
    };
    // Stable: plain members, and those of one bucket, stay as they are.
    fields.sort_by_key(|field| is_evaluated(field).then(|| bucket_of(&field.key)));
}

struct Compiler<'r> {
    language: Language,
    reader: &'r mut Reader,
}

impl Compiler<'_> {
    /// Compiles what lies at `location`. No deeper than a document may nest.
    fn compile(&mut self, value: &Value, location: &str) -> Template {
        match value {
            Value::Object(members) => {
                let mut fields: Vec<Field> =
                    members.iter().filter_map(|(key, value)| self.compile_field(members, key, value, location)).collect();
                let is_literal = fields.iter().all(|field| matches!(field.value, Template::Literal(_)));
                if is_literal {
                    return Template::Literal(value.clone());
                }
                if self.language == Language::JsonPath {
                    order_as_evaluated(&mut fields);
                }
                Template::Object(fields)
            }
            Value::Array(items) => {
                let located = items.iter().enumerate();
                let items: Vec<Template> = located.map(|(index, item)| self.compile(item, &format!("{location}[{index}]"))).collect();
                let is_literal = items.iter().all(|item| matches!(item, Template::Literal(_)));
                if is_literal { Template::Literal(value.clone()) } else { Template::Array(items) }
            }
            Value::String(text) if self.language == Language::Jsonata => match self.reader.expression(text, location) {
                Some(Some(expression)) => Template::Expression(expression),
                Some(None) | None => Template::Literal(value.clone()),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Template::Literal(value.clone()),
        }
    }

    fn compile_field(&mut self, members: &Members, key: &str, value: &Value, location: &str) -> Option<Field> {
        let path_key = key.strip_suffix(".$").filter(|_| self.language == Language::JsonPath);
        let Some(name) = path_key else {
            if self.language == Language::JsonPath && value.as_str().is_some_and(looks_like_path) {
                let message = "No `.$` on a field that appears to be a JSONPath or Intrinsic Function";
                self.reader.warn(Code::NoDollar, message, &format!("{location}/{key}"));
            }
            let value = self.compile(value, &format!("{location}/{key}"));
            return Some(Field { key: key.to_owned(), value });
        };
        if members.contains_key(name) {
            self.reader.schema(format!("The fields '{name}' and '{key}' have the same name"), location);
        }
        let evaluated = value.as_str().and_then(|text| match Path::parse(text) {
            Ok(path) => Some(Template::Path(path)),
            Err(_) => Call::parse(text).ok().map(Template::Call),
        });
        if evaluated.is_none() {
            let message = format!("The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call");
            self.reader.schema(message, location);
        }
        evaluated.map(|value| Field { key: name.to_owned(), value })
    }
}
