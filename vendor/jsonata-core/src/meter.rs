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
    /// Bytes of any single array or string, counting eight for an item and one for a character.
    pub value_bytes: usize,
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
/// The longest picture of `$formatNumber`, `$fromMillis` and their like that is looked at.
pub const PICTURE_BYTES_MAX: usize = 4096;
/// How many bytes are looked at or copied for the price of a step.
pub const BYTES_PER_STEP: usize = 64;

thread_local! {
    static STEPS_LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
    static BYTES_LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
    static VALUE_BYTES: Cell<usize> = const { Cell::new(usize::MAX) };
    static DEPTH: Cell<usize> = const { Cell::new(usize::MAX) };
    static TRIPPED: Cell<Option<Trip>> = const { Cell::new(None) };
    static NOW_MILLIS: Cell<i64> = const { Cell::new(0) };
    static DICE: Cell<u64> = const { Cell::new(0) };
}

/// Holds the limits of one evaluation; what held before comes back when it is dropped.
pub struct Scope {
    before: (u64, u64, usize, usize, Option<Trip>, i64, u64),
    steps_given: u64,
}

impl Scope {
    /// `now_millis` is what `$now` and `$millis` say; `dice` seeds `$random`, `$shuffle` and `$uuid`.
    pub fn enter(limits: Limits, now_millis: i64, dice: u64) -> Self {
        Scope {
            before: (
                STEPS_LEFT.replace(limits.steps),
                BYTES_LEFT.replace(limits.bytes),
                VALUE_BYTES.replace(limits.value_bytes),
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
        let (steps, bytes, value_bytes, depth, tripped, now, dice) = self.before;
        STEPS_LEFT.set(steps);
        BYTES_LEFT.set(bytes);
        VALUE_BYTES.set(value_bytes);
        DEPTH.set(depth);
        TRIPPED.set(tripped);
        NOW_MILLIS.set(now);
        DICE.set(dice);
        crate::patterns::forget();
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

/// For loops that cannot fail: takes steps, and says whether to go on.
#[inline]
pub fn goes_on(count: u64) -> bool {
    let left = STEPS_LEFT.get();
    if left < count {
        note(Trip::Steps);
        return false;
    }
    STEPS_LEFT.set(left - count);
    true
}

/// Counts bytes just allocated by a constructor, which cannot fail: the next checkpoint does. No single value may be
/// larger than its limit in `logical` bytes (eight for an item, one for a character).
#[inline]
pub fn built(count: usize, logical: usize) {
    let left = BYTES_LEFT.get();
    let cost = count as u64;
    if left < cost || logical > VALUE_BYTES.get() {
        note(Trip::Bytes);
        return;
    }
    BYTES_LEFT.set(left - cost);
    goes_on(cost / BYTES_PER_STEP as u64);
}

/// Appends `items`, unless the array would get too large: then the meter trips and nothing is appended.
#[inline]
pub fn extend(out: &mut Vec<crate::value::JValue>, items: &[crate::value::JValue]) {
    if (out.len() + items.len()) * 8 > VALUE_BYTES.get() {
        note(Trip::Bytes);
    } else if goes_on(items.len() as u64 / 8) {
        out.extend(items.iter().cloned());
    }
}

/// Whether one more item may be appended; if not, the meter trips.
#[inline]
pub fn has_room(out: &[crate::value::JValue]) -> bool {
    let has_room = (out.len() + 1) * 8 <= VALUE_BYTES.get();
    if !has_room {
        note(Trip::Bytes);
    }
    has_room
}

/// Counts an array of `count` items just allocated.
#[inline]
pub fn built_items(count: usize) {
    built(CONTAINER_BYTES + count * ITEM_BYTES, count * 8);
}

/// Counts an object of `count` entries just allocated.
#[inline]
pub fn built_entries(count: usize) {
    built(CONTAINER_BYTES + count * ENTRY_BYTES, count * 8);
}

/// [`fits`] for a string that is still growing, without the steps.
#[inline]
pub fn fits_growing(logical: usize) -> Result<(), EvaluatorError> {
    if logical > VALUE_BYTES.get() {
        return Err(trip(Trip::Bytes));
    }
    Ok(())
}

/// Takes the steps of sorting `count` items which hold `bytes` bytes together.
pub fn sorting(count: usize, bytes: usize) -> Result<(), EvaluatorError> {
    let rounds = (usize::BITS - count.leading_zeros()) as u64;
    steps((count as u64 / 4 + (bytes / BYTES_PER_STEP) as u64).saturating_mul(rounds))
}

/// Takes the steps of analysing a picture of this many bytes; one far too long counts as endless.
pub fn picture(length: usize) -> Result<(), EvaluatorError> {
    if length > PICTURE_BYTES_MAX {
        return Err(trip(Trip::Steps));
    }
    steps((length * length / 16) as u64)
}

/// Refuses a string or array before it is made too large. `logical` as in [`built`].
#[inline]
pub fn fits(logical: usize) -> Result<(), EvaluatorError> {
    if logical > VALUE_BYTES.get() {
        return Err(trip(Trip::Bytes));
    }
    scan(logical)
}

/// How many evaluations may nest.
#[inline(always)]
pub fn depth() -> usize {
    DEPTH.get()
}

/// Notes that `limit` was passed, and spends what is left of all.
#[cold]
pub fn trip(limit: Trip) -> EvaluatorError {
    note(limit);
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

#[cold]
fn note(limit: Trip) {
    if TRIPPED.get().is_none() {
        TRIPPED.set(Some(limit));
    }
    STEPS_LEFT.set(0);
    BYTES_LEFT.set(0);
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
