//! JSON numbers by value. A [`Number`] is its text, and `==` compares texts: `1`, `1.0` and `1e0` are three numbers to it.

use std::cmp::Ordering;

use serde_json::Number;

/// `text` as a number that keeps it; `None` for what is no JSON number.
///
/// `str::parse` would not do: it writes `1e9` as `1e+9`.
pub fn read(text: &str) -> Option<Number> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let is_number =
        digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits) && exponent.is_none_or(digits);
    is_number.then(|| Number::from_string_unchecked(text.to_owned()))
}

/// Whether it is written as an integer: without a fraction and an exponent. Jackson reads such as `int`, `long` or
/// `BigInteger`, all others as `double`, so `1.0` is no integer.
pub fn is_integer(number: &Number) -> bool {
    !number.as_str().contains(['.', 'e', 'E'])
}

/// The integer it is written as, when that has 64 bits.
///
/// SOURCE: recorded on AWS: `1.5` "cannot be parsed as a long value", "is not a valid integer". That `1.0` is none
/// either follows from those words; it was not recorded.
pub fn integer(number: &Number) -> Option<i64> {
    number.as_str().parse().ok()
}

/// The nearest integer, halves towards positive infinity, as Java's `Math.round` has it; `None` beyond 64 bits.
///
/// SOURCE: recorded on AWS: `States.MathAdd(-2.5, 0)` is -2, of 1.5 is 2.
pub fn rounded(number: &Number) -> Option<i64> {
    if is_integer(number) {
        return integer(number);
    }
    let double: f64 = number.as_str().parse().ok()?;
    let floor = double.floor();
    let nearest = if double - floor >= 0.5 { floor + 1.0 } else { floor };
    // 2^63 is the first f64 above.
    let range = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    #[allow(clippy::cast_possible_truncation, reason = "in range, and integral")]
    range.contains(&nearest).then_some(nearest as i64)
}

/// Whether both are the same number: `1` and `1.0`, but not 2^53 and 2^53 + 1.
pub fn is_same(a: &Number, b: &Number) -> bool {
    compare(a, b) == Ordering::Equal
}

/// Orders by value, exactly, whatever the number of digits.
pub fn compare(a: &Number, b: &Number) -> Ordering {
    let (a, b) = (Decimal::read(a.as_str()), Decimal::read(b.as_str()));
    match (a.sign(), b.sign()) {
        (a_sign, b_sign) if a_sign != b_sign => a_sign.cmp(&b_sign),
        (Sign::Negative, _) => b.compare_magnitude(&a),
        (Sign::Zero, _) => Ordering::Equal,
        (Sign::Positive, _) => a.compare_magnitude(&b),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Negative,
    Zero,
    Positive,
}

/// `0.digits × 10^exponent`, without zeros at either end of the digits.
struct Decimal<'t> {
    is_negative: bool,
    /// Before the point, behind it.
    digits: [&'t str; 2],
    exponent: i128,
}

impl<'t> Decimal<'t> {
    fn read(text: &'t str) -> Self {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)),
            None => (text, 0),
        };
        let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let (before, behind) = (before.trim_start_matches('0'), behind.trim_end_matches('0'));
        let (digits, exponent) = if before.is_empty() {
            let significant = behind.trim_start_matches('0');
            (["", significant], exponent - (behind.len() - significant.len()) as i128)
        } else if behind.is_empty() {
            ([before.trim_end_matches('0'), ""], exponent + before.len() as i128)
        } else {
            ([before, behind], exponent + before.len() as i128)
        };
        Self { is_negative, digits, exponent }
    }

    fn sign(&self) -> Sign {
        match (self.digits, self.is_negative) {
            (["", ""], _) => Sign::Zero,
            (_, true) => Sign::Negative,
            (_, false) => Sign::Positive,
        }
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        let digits = |decimal: &Self| decimal.digits[0].bytes().chain(decimal.digits[1].bytes());
        self.exponent.cmp(&other.exponent).then_with(|| digits(self).cmp(digits(other)))
    }
}

/// An exponent beyond 100 digits is as good as one of 30: no text is long enough to make up for it.
fn read_exponent(text: &str) -> i128 {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = digits.parse::<i128>().map_or(10i128.pow(30), |magnitude| magnitude.min(10i128.pow(30)));
    if is_negative { -magnitude } else { magnitude }
}
