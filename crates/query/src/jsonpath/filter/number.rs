//! Numbers as the library compares and prints them: Java's `BigDecimal`, and `double` for what has a fraction.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Decimal numbers of at most this many bytes differ as doubles if they differ at all.
const EXACT_BYTES_MAX: usize = 15;

/// A number's text.
#[derive(Debug)]
pub(super) struct Numeral<'x> {
    text: Cow<'x, str>,
    /// Whether it comes from a document, where whatever has a fraction or an exponent is a double.
    is_found: bool,
}

impl<'x> Numeral<'x> {
    pub(super) fn found(text: Cow<'x, str>) -> Self {
        Self { text, is_found: true }
    }

    /// INVARIANT of the caller: `text` is decimal.
    pub(super) fn literal(text: &'x str) -> Self {
        Self { text: text.into(), is_found: false }
    }

    pub(super) fn order(&self, other: &Numeral<'_>) -> Ordering {
        match (exact_double(&self.text), exact_double(&other.text)) {
            (Some(left), Some(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
            _ => self.decimal().order(&other.decimal()),
        }
    }

    /// Whether `text` is a number, and this one.
    pub(super) fn is_spelled(&self, text: &str) -> bool {
        Decimal::parse(text).is_some_and(|other| self.decimal().order(&other) == Ordering::Equal)
    }

    pub(super) fn java_text(&self) -> Cow<'_, str> {
        if self.text.len() <= 18 && !is_fraction(&self.text) && &*self.text != "-0" && self.text.bytes().nth(1) != Some(b'0') {
            return (&*self.text).into();
        }
        self.decimal().java_text().into()
    }

    /// Java's `intValue`.
    pub(super) fn int_value(&self) -> i32 {
        self.decimal().int_value()
    }

    fn decimal(&self) -> Decimal {
        let as_double = (self.is_found && is_fraction(&self.text)).then(|| self.text.parse::<f64>().ok()).flatten();
        let text = as_double.filter(|double| double.is_finite()).map_or_else(|| self.text.clone(), |double| java_double(double).into());
        Decimal::parse(&text).unwrap_or_default()
    }
}

/// Whether a number's text has a fraction or an exponent.
pub(super) fn is_fraction(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// Whether Java's `BigDecimal` reads `text`.
pub(super) fn is_decimal(text: &str) -> bool {
    Decimal::parse(text).is_some()
}

fn exact_double(text: &str) -> Option<f64> {
    let is_short = text.len() <= EXACT_BYTES_MAX && !text.bytes().any(|byte| matches!(byte, b'e' | b'E'));
    is_short.then(|| text.parse().ok()).flatten()
}

/// As `java.lang.Double.toString` prints it.
pub(in crate::jsonpath) fn java_double(double: f64) -> String {
    if double.is_nan() {
        return "NaN".to_owned();
    }
    if double.is_infinite() {
        return if double > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    if double == 0.0 || (1e-3..1e7).contains(&double.abs()) {
        return format!("{double:?}");
    }
    let shortest = format!("{double:e}");
    // One digit is not enough for Java, which asks for the next as well: 4.9E-324.
    let text = if shortest.contains('.') { shortest } else { format!("{double:.1e}") };
    text.replace('e', "E")
}

/// A double as JSON, spelled as Java spells it; what JSON has no number for is a string.
pub(in crate::jsonpath) fn double(double: f64) -> Value {
    let text = java_double(double);
    match text.parse::<Number>() {
        Ok(number) => Value::Number(number),
        Err(_) => Value::String(text),
    }
}

/// Java's `intValue`: the low 32 bits of an integer, and what is nearest to a double.
pub(in crate::jsonpath) fn java_int(number: &Number) -> i32 {
    match number.as_f64() {
        Some(double) if is_fraction(number.as_str()) => double as i32,
        Some(_) | None => Numeral::found(number.as_str().into()).int_value(),
    }
}

/// `digits × 10^-scale`.
#[derive(Default)]
struct Decimal {
    is_negative: bool,
    /// Without leading zeros: none for zero.
    digits: String,
    scale: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (is_negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if (integer.is_empty() && fraction.is_empty()) || !is_number(integer) || !is_number(fraction) {
            return None;
        }
        let digits = format!("{integer}{fraction}");
        let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        Some(Self { is_negative, digits: digits.trim_start_matches('0').to_owned(), scale })
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self.sign(), other.sign()) {
            (0, 0) => Ordering::Equal,
            (left, right) if left != right => left.cmp(&right),
            (1, _) => self.magnitude_order(other),
            _ => other.magnitude_order(self),
        }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn magnitude_order(&self, other: &Self) -> Ordering {
        let (left, right) = (self.digits.trim_end_matches('0'), other.digits.trim_end_matches('0'));
        self.exponent().cmp(&other.exponent()).then_with(|| left.cmp(right))
    }

    /// Of the first digit.
    fn exponent(&self) -> i64 {
        self.length() - 1 - self.scale
    }

    fn length(&self) -> i64 {
        i64::try_from(self.digits.len()).expect("a text is shorter than i64::MAX")
    }

    /// As `java.math.BigDecimal.toString` prints it.
    fn java_text(&self) -> String {
        let sign = if self.sign() < 0 { "-" } else { "" };
        let digits = if self.digits.is_empty() { "0" } else { &self.digits };
        let length = self.length().max(1);
        let exponent = length - 1 - self.scale;
        if self.scale == 0 {
            return format!("{sign}{digits}");
        }
        if self.scale > 0 && exponent >= -6 {
            return match usize::try_from(length - self.scale) {
                Ok(point) if point > 0 => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
                Ok(_) | Err(_) => format!("{sign}0.{}{digits}", "0".repeat(usize::try_from(self.scale - length).unwrap_or_default())),
            };
        }
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        if exponent == 0 { format!("{sign}{first}{point}{rest}") } else { format!("{sign}{first}{point}{rest}E{exponent:+}") }
    }

    /// Java's `intValue`: without the fraction, the low 32 bits.
    fn int_value(&self) -> i32 {
        let end = usize::try_from(self.length() - self.scale).unwrap_or_default().min(self.digits.len());
        // More zeros leave no low bits.
        let zeros = usize::try_from(-self.scale).unwrap_or_default().min(32);
        let digits = self.digits[..end].bytes().chain(std::iter::repeat_n(b'0', zeros));
        let value = digits.fold(0_i32, |value, digit| value.wrapping_mul(10).wrapping_add(i32::from(digit - b'0')));
        if self.is_negative { value.wrapping_neg() } else { value }
    }
}
