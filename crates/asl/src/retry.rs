//! `Retry`: which errors are tried again, when and how often.

use crate::parse::fields::Fields;
use crate::parse::reader::Reader;

/// One retrier. Absent fields have their defaults here: 1 s, 3 attempts, rate 2.0, no cap, no jitter.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// Never empty.
    pub error_equals: Vec<String>,
    pub interval_seconds: u64,
    pub max_attempts: u64,
    /// At least 1.0.
    pub backoff_rate: f64,
    pub max_delay_seconds: Option<u64>,
    pub jitter: Jitter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    None,
    /// Uniform between zero and the computed delay.
    Full,
}

/// SOURCE: validation.md §4: zero seconds and zero attempts are accepted.
const INTERVAL_SECONDS_MAX: u64 = 99_999_999;
const ATTEMPTS_MAX: u64 = 99_999_999;
const DELAY_SECONDS_MAX: u64 = 31_622_400;

const FIELDS: &[&str] = &["ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment"];

impl Retrier {
    /// Every retrier of a state.
    pub(crate) fn read_all(state: &Fields<'_>, reader: &mut Reader) -> Vec<Self> {
        let Some(items) = state.list(reader, "Retry") else { return Vec::new() };
        let retriers = state.objects(reader, "Retry", items);
        let count = retriers.len();
        retriers.iter().zip(1..).filter_map(|(retrier, place)| Self::read(retrier, place == count, reader)).collect()
    }

    fn read(fields: &Fields<'_>, is_last: bool, reader: &mut Reader) -> Option<Self> {
        fields.check_known(reader, FIELDS);
        fields.text(reader, "Comment");
        let error_equals = read_error_equals(fields, is_last, reader);
        let jitter = match fields.one_of(reader, "JitterStrategy", &["FULL", "NONE"]) {
            Some("FULL") => Jitter::Full,
            Some(_) | None => Jitter::None,
        };
        let interval_seconds = fields.integer(reader, "IntervalSeconds", 0..=INTERVAL_SECONDS_MAX).unwrap_or(1);
        let max_attempts = fields.integer(reader, "MaxAttempts", 0..=ATTEMPTS_MAX).unwrap_or(3);
        let backoff_rate = fields.number_in(reader, "BackoffRate", 1.0..=f64::MAX).unwrap_or(2.0);
        let max_delay_seconds = fields.integer(reader, "MaxDelaySeconds", 1..=DELAY_SECONDS_MAX);
        Some(Self { error_equals: error_equals?, interval_seconds, max_attempts, backoff_rate, max_delay_seconds, jitter })
    }
}

/// `ErrorEquals` of a retrier or catcher; `States.ALL` stands alone, in the last of them.
pub(crate) fn read_error_equals(fields: &Fields<'_>, is_last: bool, reader: &mut Reader) -> Option<Vec<String>> {
    fields.require(reader, "ErrorEquals")?;
    let items = fields.filled_list(reader, "ErrorEquals")?;
    let mut names = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(name) => names.push(name.to_owned()),
            None => reader.schema("Expected value of type String", &fields.at("ErrorEquals").item(index)),
        }
    }
    if names.iter().any(|name| name == "States.ALL") && !(items.len() == 1 && is_last) {
        reader.schema("States.ALL must appear alone and at end of list", fields.location());
    }
    Some(names)
}
