//! Counted limits, the time and the dice of one evaluation.
//!
//! Everything here is thread-local and lives as long as the [`Scope`] that set it, so nothing leaks into the next
//! evaluation. A limit that is passed *trips* the meter: from then on every charge fails, whatever code is running, and
//! [`tripped`] tells the caller why, even where an error could not be handed up.

use std::cell::Cell;

use crate::evaluator::EvaluatorError;

/// What an evaluation may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Evaluated nodes, iterations, visited values.
    pub steps: u64,
    /// Bytes of all strings, arrays and objects built, whether still alive or not.
    pub bytes: u64,
    /// Nested evaluations.
    pub depth: usize,
}

/// Which limit was passed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trip {
    Steps,
    Bytes,
    Depth,
    Cancelled,
}

/// Bytes an item takes in an array.
pub const ITEM_BYTES: usize = std::mem::size_of::<crate::value::JValue>();
/// Bytes an array, object or closure takes before its items.
pub const CONTAINER_BYTES: usize = 64;
/// Bytes an entry takes in an object, beside the characters of its key.
pub const ENTRY_BYTES: usize = 80;
/// How many bytes are looked at or copied for the price of a step.
pub const BYTES_PER_STEP: usize = 64;

thread_local! {
    static STEPS_LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
    static BYTES_LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
    static DEPTH: Cell<usize> = const { Cell::new(usize::MAX) };
    static TRIPPED: Cell<Option<Trip>> = const { Cell::new(None) };
    static NOW_MILLIS: Cell<i64> = const { Cell::new(0) };
    static DICE: Cell<u64> = const { Cell::new(0) };
}

/// Holds the limits of one evaluation; what held before comes back when it is dropped.
pub struct Scope {
    before: (u64, u64, usize, Option<Trip>, i64, u64),
    steps_given: u64,
}

impl Scope {
    /// `now_millis` is what `$now` and `$millis` say; `dice` seeds `$random`, `$shuffle` and `$uuid`.
    pub fn enter(limits: Limits, now_millis: i64, dice: u64) -> Self {
        Scope {
            before: (
                STEPS_LEFT.replace(limits.steps),
                BYTES_LEFT.replace(limits.bytes),
                DEPTH.replace(limits.depth),
                TRIPPED.replace(None),
                NOW_MILLIS.replace(now_millis),
                DICE.replace(dice),
            ),
            steps_given: limits.steps,
        }
    }

    /// Steps used since it was entered.
    pub fn steps_used(&self) -> u64 {
        self.steps_given - STEPS_LEFT.get()
    }

    /// Where the dice stand, to go on from.
    pub fn dice(&self) -> u64 {
        DICE.get()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let (steps, bytes, depth, tripped, now, dice) = self.before;
        STEPS_LEFT.set(steps);
        BYTES_LEFT.set(bytes);
        DEPTH.set(depth);
        TRIPPED.set(tripped);
        NOW_MILLIS.set(now);
        DICE.set(dice);
    }
}

/// Takes `count` steps.
#[inline(always)]
pub fn steps(count: u64) -> Result<(), EvaluatorError> {
    let left = STEPS_LEFT.get();
    if left < count {
        return Err(trip(Trip::Steps));
    }
    STEPS_LEFT.set(left - count);
    Ok(())
}

/// Takes the steps of looking at `bytes` bytes.
#[inline]
pub fn scan(bytes: usize) -> Result<(), EvaluatorError> {
    steps((bytes / BYTES_PER_STEP) as u64)
}

/// Takes `count` bytes, before they are allocated, and the steps of filling them.
#[inline]
pub fn bytes(count: usize) -> Result<(), EvaluatorError> {
    let count = count as u64;
    let left = BYTES_LEFT.get();
    if left < count {
        return Err(trip(Trip::Bytes));
    }
    BYTES_LEFT.set(left - count);
    steps(count / BYTES_PER_STEP as u64)
}

/// Takes what an array of `count` items costs.
#[inline]
pub fn items(count: usize) -> Result<(), EvaluatorError> {
    bytes(count.saturating_mul(ITEM_BYTES).saturating_add(CONTAINER_BYTES))
}

/// Takes what an entry with this key costs in an object.
#[inline]
pub fn entry(key: &str) -> Result<(), EvaluatorError> {
    bytes(key.len().saturating_add(ENTRY_BYTES))
}

/// For loops that cannot fail: takes a step, and says whether to go on.
#[inline]
pub fn goes_on(count: u64) -> bool {
    steps(count).is_ok()
}

/// How many evaluations may nest.
#[inline(always)]
pub fn depth() -> usize {
    DEPTH.get()
}

/// Notes that `limit` was passed, and spends what is left of all.
#[cold]
pub fn trip(limit: Trip) -> EvaluatorError {
    if TRIPPED.get().is_none() {
        TRIPPED.set(Some(limit));
    }
    STEPS_LEFT.set(0);
    BYTES_LEFT.set(0);
    EvaluatorError::EvaluationError(
        match TRIPPED.get().unwrap_or(limit) {
            Trip::Steps => "U1001: Expression evaluation timeout",
            Trip::Bytes => "U1001: Expression evaluation memory limit exceeded",
            Trip::Depth => "U1001: Stack overflow error",
            Trip::Cancelled => "U1001: Expression evaluation cancelled",
        }
        .to_string(),
    )
}

/// The limit that was passed, if one was.
pub fn tripped() -> Option<Trip> {
    TRIPPED.get()
}

/// The instant of this evaluation, in milliseconds since 1970.
pub fn now_millis() -> i64 {
    NOW_MILLIS.get()
}

/// The next 64 random bits (SplitMix64 over the seed).
pub fn roll() -> u64 {
    let state = DICE.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
    DICE.set(state);
    let mut bits = state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// The next random number in `[0, 1)`.
pub fn roll_unit() -> f64 {
    (roll() >> 11) as f64 / (1u64 << 53) as f64
}
