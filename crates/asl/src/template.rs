//! Payload templates: JSON with places whose values are evaluated.
//!
//! In JSONPath these are the keys that end in `.$`, in JSONata the texts between `{%` and `%}`.

use skald_query::Value;
use skald_query::intrinsic::Call;
use skald_query::jsonata::Expression;
use skald_query::jsonpath::Path;

use crate::diagnostic::Code;
use crate::parse::fields::Fields;
use crate::parse::location::Location;
use crate::parse::reader::{Language, Reader, Sees, looks_like_path};

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
        match (fields.language, value) {
            (Language::JsonPath, Value::Object(_)) | (Language::Jsonata, _) => {
                let mut compiler = Compiler { language: fields.language, sees: fields.seen_by(field), reader };
                Some(compiler.compile_whole(value, &fields.at(field)))
            }
            (Language::JsonPath, _) => {
                fields.wrong_type(reader, field, "Object");
                None
            }
        }
    }

    /// `Assign`, and whatever else must be an object in both languages: its members.
    pub(crate) fn read_members(fields: &Fields<'_>, field: &str, reader: &mut Reader) -> Option<Vec<Field>> {
        let Value::Object(members) = fields.get(field)? else {
            fields.wrong_type(reader, field, "Object");
            return None;
        };
        let mut compiler = Compiler { language: fields.language, sees: fields.seen_by(field), reader };
        let compiled = compiler.compile_members(members, &fields.at(field));
        Some(zip_members(members, compiled))
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
    sees: Sees,
    reader: &'r mut Reader,
}

/// A member as far as it is compiled: its name, and its value unless that is copied as it is.
type Compiled<'d> = (&'d str, Option<Template>);

impl Compiler<'_> {
    fn compile_whole(&mut self, value: &Value, location: &Location<'_>) -> Template {
        self.compile(value, location).unwrap_or_else(|| Template::Literal(value.clone()))
    }

    /// Compiles what lies at `location`; `None` when there is nothing to evaluate inside, so that it is copied only
    /// where it ends up. No deeper than a document may nest.
    fn compile(&mut self, value: &Value, location: &Location<'_>) -> Option<Template> {
        match value {
            Value::Object(members) => {
                let compiled = self.compile_members(members, location);
                let is_literal = compiled.iter().all(|(_, value)| value.is_none());
                (!is_literal).then(|| {
                    let mut fields = zip_members(members, compiled);
                    if self.language == Language::JsonPath {
                        order_as_evaluated(&mut fields);
                    }
                    Template::Object(fields)
                })
            }
            Value::Array(items) => {
                let located = items.iter().enumerate();
                let compiled: Vec<_> = located.map(|(index, item)| self.compile(item, &location.item(index))).collect();
                let is_literal = compiled.iter().all(Option::is_none);
                let whole = |(compiled, item): (Option<Template>, &Value)| compiled.unwrap_or_else(|| Template::Literal(item.clone()));
                (!is_literal).then(|| Template::Array(compiled.into_iter().zip(items).map(whole).collect()))
            }
            Value::String(text) if self.language == Language::Jsonata => {
                self.reader.expression(text, self.sees, location).flatten().map(Template::Expression)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }

    fn compile_members<'d>(&mut self, members: &'d Members, location: &Location<'_>) -> Vec<Compiled<'d>> {
        members.iter().map(|(key, value)| self.compile_member(members, key, value, location)).collect()
    }

    fn compile_member<'d>(&mut self, members: &Members, key: &'d str, value: &Value, location: &Location<'_>) -> Compiled<'d> {
        let location = location.clone();
        match (self.language, key.strip_suffix(".$")) {
            (Language::JsonPath, Some(name)) => {
                if members.contains_key(name) {
                    self.reader.schema(format!("The fields '{name}' and '{key}' have the same name"), &location);
                }
                (name, self.compile_evaluated(key, value, &location))
            }
            (Language::JsonPath, None) => {
                let place = location.field(key);
                self.warn_of_missing_dollar(value, &place);
                (key, self.compile(value, &place))
            }
            (Language::Jsonata, _) => (key, self.compile(value, &location.field(key))),
        }
    }

    /// The value of a key that ends in `.$`.
    fn compile_evaluated(&mut self, key: &str, value: &Value, location: &Location<'_>) -> Option<Template> {
        let location = location.clone();
        let place = location.field(key);
        let evaluated = value.as_str().and_then(|text| match self.reader.path(text, &place) {
            Ok(path) => Some(Template::Path(path)),
            Err(_) => self.reader.call(text, &place).ok().map(Template::Call),
        });
        if evaluated.is_none() {
            let message = format!("The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call");
            self.reader.schema(message, &location);
        }
        evaluated
    }

    fn warn_of_missing_dollar(&mut self, value: &Value, place: &Location<'_>) {
        if value.as_str().is_some_and(looks_like_path) {
            self.reader.warn(Code::NoDollar, "No `.$` on a field that appears to be a JSONPath or Intrinsic Function", place);
        }
    }
}

fn zip_members(members: &Members, compiled: Vec<Compiled<'_>>) -> Vec<Field> {
    let field = |((key, value), original): (Compiled<'_>, &Value)| Field {
        key: key.to_owned(),
        value: value.unwrap_or_else(|| Template::Literal(original.clone())),
    };
    compiled.into_iter().zip(members.values()).map(field).collect()
}
