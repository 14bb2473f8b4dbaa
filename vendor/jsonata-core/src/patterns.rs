//! Regular expressions: JavaScript's syntax put into the `regex` crate's, compiled once per evaluation, and charged for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

use crate::functions::FunctionError;
use crate::meter;

/// How large a compiled pattern may be, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// With no more states than this, a search costs about the same for every byte.
const STATES_ORDINARY: u64 = 100;
/// With more, each byte may cost a visit to each state: this many steps for 64 bytes and one state.
const STEPS_A_STATE: u64 = 3;
/// How much the lazy automaton of a search may take, in bytes.
const AUTOMATON_BYTES_MAX: usize = 1024 * 1024;
/// How many compiled patterns are kept.
const PATTERNS_KEPT_MAX: usize = 64;

thread_local! {
    static PATTERNS: RefCell<HashMap<(String, String), Rc<Pattern>>> = RefCell::new(HashMap::new());
}

/// A compiled regular expression and what it costs.
pub struct Pattern {
    pub regex: Regex,
    /// Steps for each 64 bytes searched.
    weight: u64,
    /// Whether a search may look far beyond the match it finds, or is slow.
    looks_far: bool,
}

impl Pattern {
    /// Takes the steps of one search through `bytes` bytes.
    pub fn charge_search(&self, bytes: usize) -> Result<(), FunctionError> {
        let cost = (bytes as u64).saturating_mul(self.weight) / meter::BYTES_PER_STEP as u64;
        Ok(meter::steps(1 + cost)?)
    }

    /// Takes the steps of one match of many, before it is looked for, with `bytes` bytes left to search.
    pub fn charge_match(&self, bytes: usize) -> Result<(), FunctionError> {
        self.charge_search(if self.looks_far { bytes } else { 0 })
    }

    /// Takes the steps of having come `bytes` bytes further, where that was not taken before.
    pub fn charge_progress(&self, bytes: usize) -> Result<(), FunctionError> {
        self.charge_search(if self.looks_far { 0 } else { bytes })
    }
}

/// How many states a search may be in at once, about.
fn states(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => 1,
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(states).fold(0, u64::saturating_add),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            states(&repetition.sub).saturating_mul(u64::from(times))
        }
    }
}

/// Whether a search may scan far beyond the match it ends with: when a match is at hand, yet an alternative or optional
/// part that is preferred to it holds a repetition without a bound and something after it.
fn looks_far(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
        HirKind::Capture(capture) => looks_far(&capture.sub),
        HirKind::Concat(parts) => parts.iter().any(looks_far),
        HirKind::Alternation(parts) => parts.iter().any(|part| repeats_inside(part) || looks_far(part)),
        HirKind::Repetition(repetition) => repeats_inside(&repetition.sub) || looks_far(&repetition.sub),
    }
}

/// Whether it holds a repetition without a bound that something must follow.
fn repeats_inside(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
        HirKind::Capture(capture) => repeats_inside(&capture.sub),
        HirKind::Repetition(repetition) => repeats_inside(&repetition.sub),
        HirKind::Alternation(parts) => parts.iter().any(repeats_inside),
        HirKind::Concat(parts) => parts.iter().enumerate().any(|(position, part)| {
            let must_follow = parts[position + 1..]
                .iter()
                .any(|next| next.properties().minimum_len().map_or(true, |length| length > 0) || is_look(next));
            repeats_inside(part) || (must_follow && is_unbounded(part))
        }),
    }
}

/// Whether no length bounds what it matches.
fn is_unbounded(hir: &Hir) -> bool {
    hir.properties().maximum_len().is_none()
}

fn is_look(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Look(_))
}

/// Forgets every compiled pattern.
pub(crate) fn forget() {
    PATTERNS.with_borrow_mut(HashMap::clear);
}

/// The compiled form of a pattern with flags.
pub fn build_regex(pattern: &str, flags: &str) -> Result<Rc<Pattern>, FunctionError> {
    let key = (pattern.to_string(), flags.to_string());
    if let Some(known) = PATTERNS.with_borrow(|patterns| patterns.get(&key).cloned()) {
        return Ok(known);
    }
    meter::steps(100 + 10 * pattern.len() as u64)?;
    let translated = translate(pattern);
    let built = RegexBuilder::new(&translated)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .dot_matches_new_line(flags.contains('s'))
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(AUTOMATON_BYTES_MAX)
        .nest_limit(100)
        .build();
    let regex = match built {
        Ok(regex) => regex,
        Err(regex::Error::CompiledTooBig(_)) => return Err(meter::trip(meter::Trip::Bytes).into()),
        Err(error) => return Err(invalid(&error)),
    };
    let (states, looks_far) = regex_syntax::parse(&translated).map_or((u64::MAX, true), |hir| (states(&hir), looks_far(&hir)));
    meter::steps(states.saturating_mul(10))?;
    let is_ordinary = states <= STATES_ORDINARY;
    let weight = if is_ordinary { 1 } else { states.saturating_mul(STEPS_A_STATE) };
    let built = Rc::new(Pattern { regex, weight, looks_far: looks_far || !is_ordinary });
    PATTERNS.with_borrow_mut(|patterns| {
        if patterns.len() >= PATTERNS_KEPT_MAX {
            patterns.clear();
        }
        patterns.insert(key, Rc::clone(&built));
    });
    Ok(built)
}

fn invalid(error: &regex::Error) -> FunctionError {
    FunctionError::ArgumentError(format!("Invalid regex: {error}"))
}

/// JavaScript's and Java's `\d`, `\w`, `\s` and `\b` know ASCII only (and `\s` all blanks), the crate's know Unicode.
fn translate(pattern: &str) -> String {
    const BLANKS: &str = r"\t\n\x0B\f\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.extend(["[", BLANKS, "]"]),
                Some('S') => out.extend(["[^", BLANKS, "]"]),
                Some('b') if in_class => out.push_str("\\x08"),
                Some('b') => out.push_str("(?-u:\\b)"),
                Some('/') => out.push('/'),
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => out.push('\\'),
            },
            // Inside a class the crate would read `[` as a nested class, and `&&`, `--`, `~~` as operators.
            '[' if in_class => out.push_str("\\["),
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '[' => {
                in_class = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    chars.next();
                    out.push('^');
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            other => out.push(other),
        }
    }
    out
}
