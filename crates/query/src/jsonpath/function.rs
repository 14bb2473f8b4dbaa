//! Functions at the end of a path: `$.list.sum()`.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::ParseError;
use super::cursor::Cursor;
use super::evaluate::{self, Scope, charge_copy};
use super::filter::{double, java_double, java_int};
use super::parse::{Limits, untrimmed_sub_path};
use super::step::{Origin, Step, SubPath};
use super::stop::{Missing, Stop, no_results};
use crate::budget::Budget;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Function {
    name: Box<str>,
    kind: Option<Kind>,
    arguments: Vec<Argument>,
    /// The path in the first argument of `length()`, and one step on to all children.
    children: Option<SubPath>,
    /// Whether its argument stood before it, behind a `..`.
    is_pulled_out: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Average,
    Deviation,
    Sum,
    Minimum,
    Maximum,
    Concat,
    Length,
    Append,
    Keys,
    First,
    Last,
    Index,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Argument {
    /// Over the document, even where it starts with `@`.
    Path(SubPath),
    /// Without a value where the text is no JSON, which shows only when it is used.
    Json(Option<Value>),
}

impl Function {
    pub(super) fn new(name: &str, arguments: Vec<Argument>) -> Self {
        let kind = match name {
            "avg" => Some(Kind::Average),
            "stddev" => Some(Kind::Deviation),
            "sum" => Some(Kind::Sum),
            "min" => Some(Kind::Minimum),
            "max" => Some(Kind::Maximum),
            "concat" => Some(Kind::Concat),
            "length" | "size" => Some(Kind::Length),
            "append" => Some(Kind::Append),
            "keys" => Some(Kind::Keys),
            "first" => Some(Kind::First),
            "last" => Some(Kind::Last),
            "index" => Some(Kind::Index),
            // SOURCE: Jayway compiles names it does not know, and fails when they are called.
            _ => None,
        };
        let mut function = Self { name: name.into(), kind, arguments, children: None, is_pulled_out: false };
        function.look_at_children();
        function
    }

    fn look_at_children(&mut self) {
        if let (Some(Kind::Length), Some(Argument::Path(path))) = (self.kind, self.arguments.first())
            && !path.ends_in_a_function()
            && !path.steps.is_empty()
        {
            let mut steps = path.steps.clone();
            steps.push(Step::Wildcard);
            // SOURCE: Jayway remembers whether the path was definite before it went one step on.
            self.children = Some(SubPath { origin: path.origin, steps, is_definite: path.is_definite, is_reference: false });
        }
    }

    /// Whether what follows may lead nowhere without an error. SOURCE: to Jayway it still stands behind the `..`.
    pub(super) fn is_pulled_out(&self) -> bool {
        self.is_pulled_out
    }

    pub(super) fn gives_keys(&self) -> bool {
        self.kind == Some(Kind::Keys)
    }

    /// What the function makes of `model`.
    ///
    /// # Errors
    /// [`Stop::Failed`] where the library throws: nothing to add up, an index that is not there.
    pub(super) fn call<'x>(&self, model: &'x Value, scope: &Scope<'_>, budget: &mut Budget) -> Result<Cow<'x, Value>, Stop> {
        let Some(kind) = self.kind else {
            return Err(Stop::Invalid(format!("Function with name: {} does not exist.", self.name).into()));
        };
        let arguments = self.evaluate_arguments(scope, budget)?;
        budget.spend(1 + model.as_array().map_or(0, Vec::len) as u64)?;
        Ok(match kind {
            Kind::Average | Kind::Deviation | Kind::Sum | Kind::Minimum | Kind::Maximum => {
                Cow::Owned(double(aggregate(kind, &numbers(model, &arguments)?)?))
            }
            Kind::Concat => Cow::Owned(Value::String(concatenated(model, &arguments, budget)?)),
            Kind::Length => Cow::Owned(self.length(model, budget)?),
            Kind::Append => appended(model, &arguments, budget)?,
            Kind::Keys => Cow::Owned(match model {
                Value::Object(members) => Value::Array(members.keys().cloned().map(Value::String).collect()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Value::Null,
            }),
            Kind::First => Cow::Borrowed(at(items(model)?, 0)?),
            Kind::Last => Cow::Borrowed(at(items(model)?, -1)?),
            Kind::Index => {
                let items = items(model)?;
                Cow::Borrowed(at(items, i64::from(first_integer(&arguments)?))?)
            }
        })
    }

    fn evaluate_arguments<'x>(&'x self, scope: &Scope<'x>, budget: &mut Budget) -> Result<Vec<Evaluated<'x>>, Stop> {
        let mut evaluate = |argument: &'x Argument| match argument {
            Argument::Path(path) => argument_value(path, scope.document, scope, budget).map(Some),
            Argument::Json(value) => Ok(value.as_ref().map(Cow::Borrowed)),
        };
        self.arguments.iter().map(&mut evaluate).collect()
    }

    fn length(&self, model: &Value, budget: &mut Budget) -> Result<Value, Stop> {
        match (self.arguments.first(), &self.children) {
            (Some(Argument::Path(_)), _) if model.is_null() => return Err(Stop::Failed("root can not be null".to_owned())),
            (Some(Argument::Json(_)), _) => return Err(Stop::Failed("length() takes a path".to_owned())),
            (Some(Argument::Path(_)), Some(children)) => {
                let scope = Scope { document: model, requires_names: false };
                if let Value::Array(items) = &*argument_value(children, model, &scope, budget)? {
                    return Ok(items.len().into());
                }
            }
            (Some(Argument::Path(path)), None) if path.ends_in_a_function() => {
                let scope = Scope { document: model, requires_names: false };
                if let Value::Array(items) = &*argument_value(path, model, &scope, budget)? {
                    return Ok(items.len().into());
                }
            }
            (Some(Argument::Path(_)), None) | (None, _) => {}
        }
        Ok(match model {
            Value::Array(items) => items.len().into(),
            Value::Object(members) => members.len().into(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::Null,
        })
    }
}

/// The value of a path in an argument; what is missing in it is not missing at a step of the outer path.
fn argument_value<'x>(path: &SubPath, start: &'x Value, scope: &Scope<'_>, budget: &mut Budget) -> Result<Cow<'x, Value>, Stop> {
    evaluate::value_of(path, start, scope, budget).map_err(|stop| match stop {
        Stop::Missing(_) => Stop::Missing(Missing::Elsewhere(no_results(&path.steps))),
        Stop::Invalid(_) | Stop::OutOfBounds(_) | Stop::Failed(_) | Stop::Exhausted => stop,
    })
}

/// `None`: no JSON.
type Evaluated<'x> = Option<Cow<'x, Value>>;

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, if self.arguments.is_empty() { "" } else { "..." })
    }
}

/// `$..name.sum()` is `$.sum($..name)`. SOURCE: so Jayway reads it.
pub(super) fn pulled_out_of_descent(mut steps: Vec<Step>) -> Vec<Step> {
    let is_pulled_out = matches!((steps.first(), steps.last()), (Some(Step::Descent), Some(Step::Function(_))));
    let Some(position) = steps.iter().position(|step| matches!(step, Step::Function(_))).filter(|_| is_pulled_out) else {
        return steps;
    };
    let mut rest = steps.split_off(position);
    if let Some(Step::Function(function)) = rest.first_mut() {
        function.arguments = vec![Argument::Path(SubPath::new(Origin::Document, steps))];
        function.is_pulled_out = true;
        function.look_at_children();
    }
    rest
}

/// Reads arguments up to the parenthesis that closes them, and past it.
///
/// # Errors
/// [`ParseError`] for brackets that do not match, and for paths that are none.
pub(super) fn read_arguments(cursor: &mut Cursor<'_>, name: &str, limits: Limits<'_>) -> Result<Vec<Argument>, ParseError> {
    let mut arguments = Vec::new();
    let mut open = Open { parentheses: 1, ..Open::default() };
    let mut form = None;
    let mut text = Vec::new();
    let mut before = 0;
    let mut is_at_end = false;
    while cursor.is_within() && !is_at_end {
        let byte = cursor.current()?;
        cursor.position += 1;
        if form.is_none() {
            if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                continue;
            }
            form = Form::of(byte);
        }
        open.count(byte, before)?;
        // SOURCE: Jayway keeps this one even between arguments.
        if byte == b')' && (open.parentheses < 0 || before == b'(') {
            text.push(byte);
        }
        if matches!(byte, b')' | b',') && open.is_between(byte) {
            is_at_end = open.parentheses == 0;
            if let Some(form) = form.take() {
                arguments.push(form.read(&text, limits)?);
                text.clear();
            }
        } else if form.is_some() && !open.drops(byte) {
            text.push(byte);
        }
        before = byte;
    }
    if open.braces != 0 || open.parentheses != 0 || open.brackets != 0 {
        return Err(ParseError::new(format!("Arguments to function: '{name}' are not closed properly.")));
    }
    Ok(arguments)
}

/// What kind of argument the first character tells.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Path,
}

impl Form {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'{' | b'0'..=b'9' | b'"' | b'-' => Some(Self::Json),
            b'$' | b'@' => Some(Self::Path),
            // SOURCE: Jayway passes over what starts otherwise.
            _ => None,
        }
    }

    fn read(self, text: &[u8], limits: Limits<'_>) -> Result<Argument, ParseError> {
        let text = std::str::from_utf8(text).map_err(|_| ParseError::new("an argument ends inside a character"))?;
        Ok(match self {
            Self::Path => Argument::Path(untrimmed_sub_path(text, limits)?),
            Self::Json => Argument::Json(leading_json(text)),
        })
    }
}

/// The value that `text` starts with. SOURCE: Jackson does not look at what follows, but for a number's end.
fn leading_json(text: &str) -> Option<Value> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    let value: Value = values.next()?.ok()?;
    let is_ended = text[values.byte_offset()..].starts_with(|next: char| next.is_ascii_whitespace());
    (!value.is_number() || is_ended || values.byte_offset() == text.len()).then_some(value)
}

/// What is open where an argument is read.
#[derive(Default)]
struct Open {
    /// Those in strings count too, so that there may be too few.
    parentheses: isize,
    brackets: usize,
    braces: usize,
    quotes: usize,
}

impl Open {
    fn count(&mut self, byte: u8, before: u8) -> Result<(), ParseError> {
        let unexpected = || ParseError::new(format!("Unexpected close bracket '{}' among arguments", char::from(byte)));
        match byte {
            b'"' if before != b'\\' && self.quotes > 0 => self.quotes -= 1,
            b'"' => self.quotes += 1,
            b'(' => self.parentheses += 1,
            b'{' => self.braces += 1,
            b'[' => self.brackets += 1,
            b'}' => self.braces = self.braces.checked_sub(1).ok_or_else(unexpected)?,
            b']' => self.brackets = self.brackets.checked_sub(1).ok_or_else(unexpected)?,
            b')' => self.parentheses -= 1,
            _ => {}
        }
        Ok(())
    }

    /// SOURCE: Jayway loses the commas of strings.
    fn drops(&self, byte: u8) -> bool {
        byte == b',' && self.braces == 0 && self.brackets == 0 && self.parentheses == 1
    }

    /// Whether `byte` ends an argument.
    fn is_between(&self, byte: u8) -> bool {
        let is_outside = self.quotes == 0 && self.braces == 0 && self.brackets == 0;
        is_outside && (self.parentheses == 1 || (self.parentheses == 0 && byte == b')'))
    }
}

fn numbers(model: &Value, arguments: &[Evaluated<'_>]) -> Result<Vec<f64>, Stop> {
    let mut numbers = Vec::new();
    if let Value::Array(items) = model {
        numbers.extend(items.iter().filter_map(Value::as_f64));
    }
    for argument in arguments {
        match &**used(argument)? {
            Value::Array(items) => numbers.extend(items.iter().filter_map(Value::as_f64)),
            single => numbers.extend(single.as_f64()),
        }
    }
    Ok(numbers)
}

/// The first number of the arguments, as Java makes an `int` of it.
fn first_integer(arguments: &[Evaluated<'_>]) -> Result<i32, Stop> {
    let mut first = None;
    for argument in arguments {
        let number = match &**used(argument)? {
            Value::Array(items) => items.iter().find_map(Value::as_number).cloned(),
            single => single.as_number().cloned(),
        };
        first = first.or(number);
    }
    first.map(|number| java_int(&number)).ok_or_else(|| Stop::OutOfBounds("Index: 0, Size: 0".into()))
}

fn used<'a, 'x>(argument: &'a Evaluated<'x>) -> Result<&'a Cow<'x, Value>, Stop> {
    argument.as_ref().ok_or_else(|| Stop::Failed("an argument is no JSON".to_owned()))
}

fn aggregate(kind: Kind, numbers: &[f64]) -> Result<f64, Stop> {
    if numbers.is_empty() {
        return Err(Stop::Failed("Aggregation function attempted to calculate value using empty array".to_owned()));
    }
    let count = numbers.len() as f64;
    let sum = || numbers.iter().fold(0.0, |sum, number| sum + number);
    Ok(match kind {
        Kind::Average => sum() / count,
        Kind::Deviation => {
            let squares = numbers.iter().fold(0.0, |sum, number| sum + number * number);
            (squares / count - sum() * sum() / count / count).sqrt()
        }
        // SOURCE: Jayway starts from the least positive double: no maximum is negative.
        Kind::Maximum => numbers.iter().fold(f64::from_bits(1), |most, number| if most < *number { *number } else { most }),
        Kind::Minimum => numbers.iter().fold(f64::MAX, |least, number| if least > *number { *number } else { least }),
        Kind::Sum | Kind::Concat | Kind::Length | Kind::Append | Kind::Keys | Kind::First | Kind::Last | Kind::Index => sum(),
    })
}

fn concatenated(model: &Value, arguments: &[Evaluated<'_>], budget: &mut Budget) -> Result<String, Stop> {
    let mut text = String::new();
    if let Value::Array(items) = model {
        charge_copy(model, budget)?;
        text.extend(items.iter().filter_map(Value::as_str));
    }
    for argument in arguments {
        let argument = used(argument)?;
        charge_copy(argument, budget)?;
        match &**argument {
            Value::Array(items) => items.iter().filter(|item| !item.is_null()).for_each(|item| print_as_java(item, &mut text)),
            Value::Null => {}
            single => print_as_java(single, &mut text),
        }
    }
    Ok(text)
}

/// Java's `toString` of parsed JSON.
fn print_as_java(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(bool) => text.push_str(if *bool { "true" } else { "false" }),
        Value::Number(number) if number.as_str() == "-0" => text.push('0'),
        Value::Number(number) if !number.as_str().contains(['.', 'e', 'E']) => text.push_str(number.as_str()),
        Value::Number(number) => text.push_str(&number.as_f64().map_or_else(|| number.to_string(), java_double)),
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                print_as_java(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                text.push_str(name);
                text.push('=');
                print_as_java(member, text);
            }
            text.push('}');
        }
    }
}

fn appended<'x>(model: &'x Value, arguments: &[Evaluated<'_>], budget: &mut Budget) -> Result<Cow<'x, Value>, Stop> {
    let Value::Array(items) = model else { return Ok(Cow::Borrowed(model)) };
    charge_copy(model, budget)?;
    let mut items = items.clone();
    for argument in arguments {
        let argument = used(argument)?;
        charge_copy(argument, budget)?;
        items.push(Value::clone(argument));
    }
    Ok(Cow::Owned(Value::Array(items)))
}

fn items(model: &Value) -> Result<&[Value], Stop> {
    match model {
        Value::Array(items) => Ok(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Err(Stop::Failed("Aggregation function attempted to calculate value using empty array".to_owned()))
        }
    }
}

/// SOURCE: Jayway's last() and negative indexes do not reach the first item.
fn at(items: &[Value], index: i64) -> Result<&Value, Stop> {
    let length = items.len();
    match usize::try_from(index) {
        Ok(index) => items.get(index).ok_or_else(|| Stop::OutOfBounds(format!("Index: {index}, Size: {length}").into())),
        Err(_) => usize::try_from(i64::try_from(length).unwrap_or(i64::MAX) + index)
            .ok()
            .filter(|position| *position > 0)
            .and_then(|position| items.get(position))
            .ok_or_else(|| Stop::Failed(format!("Target index:{index} larger than object count:{length}"))),
    }
}
