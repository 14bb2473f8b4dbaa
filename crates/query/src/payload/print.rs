//! Trees to text, as Jackson prints them, and what that text weighs.

use std::fmt::Write as _;

use serde_json::Value;

/// What a tree costs, without printing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Weight {
    /// Values of any kind, the containers included.
    pub nodes: usize,
    /// Bytes of the text it prints to, escapes not counted.
    pub bytes: usize,
}

impl Weight {
    /// In steps of a [`crate::Budget`].
    pub fn steps(self) -> u64 {
        (self.nodes + self.bytes / 64) as u64
    }
}

/// The text of `value`, without spaces.
pub fn print(value: &Value) -> String {
    let mut text = String::with_capacity(128);
    print_to(value, &mut text);
    text
}

/// Weighs a tree of any depth.
pub fn weigh(value: &Value) -> Weight {
    let mut weight = Weight::default();
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        weight.nodes += 1;
        weight.bytes += match value {
            Value::Null | Value::Bool(true) => 4,
            Value::Bool(false) => 5,
            Value::Number(number) => number.as_str().len(),
            Value::String(text) => text.len() + 2,
            Value::Array(items) => {
                pending.extend(items);
                2 + items.len().saturating_sub(1)
            }
            Value::Object(members) => {
                pending.extend(members.values());
                2 + members.len().saturating_sub(1) + members.keys().map(|name| name.len() + 3).sum::<usize>()
            }
        };
    }
    weight
}

fn print_to(value: &Value, to: &mut String) {
    match value {
        Value::Null => to.push_str("null"),
        Value::Bool(true) => to.push_str("true"),
        Value::Bool(false) => to.push_str("false"),
        Value::Number(number) => to.push_str(number.as_str()),
        Value::String(text) => print_string(text, to),
        Value::Array(items) => {
            to.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                print_to(item, to);
            }
            to.push(']');
        }
        Value::Object(members) => {
            to.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                print_string(name, to);
                to.push(':');
                print_to(member, to);
            }
            to.push('}');
        }
    }
}

pub(crate) fn print_string(string: &str, to: &mut String) {
    to.push('"');
    let mut rest = string;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        to.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => to.push_str("\\\""),
            b'\\' => to.push_str("\\\\"),
            b'\n' => to.push_str("\\n"),
            b'\r' => to.push_str("\\r"),
            b'\t' => to.push_str("\\t"),
            0x08 => to.push_str("\\b"),
            0x0C => to.push_str("\\f"),
            control => write!(to, "\\u{control:04X}").expect("a string takes everything"),
        }
        rest = &rest[at + 1..];
    }
    to.push_str(rest);
    to.push('"');
}
