//! Values as Java sees them: `toString`, `equals`, `hashCode`, `java.util.Random`.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use crate::number;

/// Appends what `String.valueOf` gives: `{a=1, b=[x, null]}`.
pub(super) fn print(value: &Value, to: &mut String) {
    match value {
        Value::Null => to.push_str("null"),
        Value::Bool(boolean) => to.push_str(if *boolean { "true" } else { "false" }),
        Value::Number(number) => to.push_str(&number_text(number)),
        Value::String(text) => to.push_str(text),
        Value::Array(items) => {
            to.push('[');
            for (index, item) in items.iter().enumerate() {
                to.push_str(if index == 0 { "" } else { ", " });
                print(item, to);
            }
            to.push(']');
        }
        Value::Object(members) => {
            to.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                to.push_str(if index == 0 { "" } else { ", " });
                to.push_str(name);
                to.push('=');
                print(member, to);
            }
            to.push('}');
        }
    }
}

/// The same for two values exactly when Java's `equals` holds: `1` and `1.0` differ, the order of names does not matter.
pub(super) fn equality_key(value: &Value) -> String {
    let mut key = String::new();
    write_key(value, &mut key);
    key
}

fn write_key(value: &Value, key: &mut String) {
    match value {
        Value::Null | Value::Bool(_) => print(value, key),
        Value::Number(number) => key.push_str(&number_text(number)),
        Value::String(text) => write!(key, "{text:?}").expect("a string takes everything"),
        Value::Array(items) => {
            key.push('[');
            for item in items {
                write_key(item, key);
                key.push(',');
            }
            key.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            key.push('{');
            for (name, member) in members {
                write!(key, "{name:?}:").expect("a string takes everything");
                write_key(member, key);
                key.push(',');
            }
            key.push('}');
        }
    }
}

/// `Integer`, `Long` and `BigInteger` print their digits, `Double` the fewest that tell it apart: `1.0E7`, `0.001`.
fn number_text(number: &Number) -> String {
    if number::is_integer(number) {
        return canonical_integer(number.as_str()).to_owned();
    }
    let double: f64 = number.as_str().parse().expect("a JSON number is one for Rust, too");
    if double.is_infinite() {
        return if double > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = double.abs();
    if double == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{double:?}");
    }
    let text = format!("{double:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        Some(_) | None => text,
    }
}

/// Java's integers have no negative zero.
fn canonical_integer(text: &str) -> &str {
    if text == "-0" { "0" } else { text }
}

/// `value` with `0` for each `-0`, as a parser has it that reads integers.
pub(super) fn canonical_integers(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => value,
        Value::Number(ref number) if number.as_str() == "-0" => Value::from(0),
        Value::Number(_) => value,
        Value::Array(items) => Value::Array(items.into_iter().map(canonical_integers).collect()),
        Value::Object(members) => Value::Object(members.into_iter().map(|(name, member)| (name, canonical_integers(member))).collect()),
    }
}

/// The order in which a `HashMap` that was filled in the order of `members` is walked.
pub(super) fn in_hash_order(members: Map<String, Value>) -> Map<String, Value> {
    let mut buckets = 16;
    while members.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_by_cached_key(|(name, _)| hash(name) as usize & (buckets - 1));
    members.into_iter().collect()
}

/// `String.hashCode`, spread as `HashMap` spreads it.
fn hash(text: &str) -> u32 {
    let hash = text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ (hash >> 16)
}

/// `java.util.Random`. That AWS uses it is a guess: its results were never published.
pub(super) struct Random {
    state: i64,
}

impl Random {
    const MULTIPLIER: i64 = 0x5_DEEC_E66D;
    const MASK: i64 = (1 << 48) - 1;

    pub(super) fn seeded(seed: i64) -> Self {
        Self { state: (seed ^ Self::MULTIPLIER) & Self::MASK }
    }

    /// From `start` on, below `end`.
    pub(super) fn next_in(&mut self, start: i32, end: i32) -> i32 {
        match end.checked_sub(start) {
            Some(bound) => start + self.next_below(bound),
            // The span is more than half of all integers: most attempts are in it.
            None => loop {
                let number = self.next(32);
                if (start..end).contains(&number) {
                    return number;
                }
            },
        }
    }

    /// `nextInt(bound)`.
    fn next_below(&mut self, bound: i32) -> i32 {
        if bound & bound.wrapping_neg() == bound {
            let scaled = (i64::from(bound) * i64::from(self.next(31))) >> 31;
            return i32::try_from(scaled).expect("below the bound");
        }
        loop {
            let bits = self.next(31);
            let number = bits % bound;
            if bits.wrapping_sub(number).wrapping_add(bound - 1) >= 0 {
                return number;
            }
        }
    }

    /// The next `bits` random bits, as Java's `int`.
    #[allow(clippy::cast_possible_truncation, reason = "Java's cast to int drops the high half")]
    fn next(&mut self, bits: u32) -> i32 {
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(0xB) & Self::MASK;
        (self.state >> (48 - bits)) as i32
    }
}
