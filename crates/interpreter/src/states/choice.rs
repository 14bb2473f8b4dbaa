//! Choice: the first rule that holds says where to go.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use skald_asl::states::{Choice, Comparator, Operand, Order, Rule, Test, TextPattern, TypeTest};
use skald_asl::template::Template;
use skald_asl::{Timestamp, Transition};
use skald_query::jsonpath::{EvalError, Found, Path, Root};
use skald_query::{Budget, Payload, budget, number};

use crate::data_flow::{Expressions, Leaving, States};
use crate::decide::{Halt, Slice};
use crate::event::{FrameId, StateType};
use crate::failure::Failure;
use crate::scope::{EXPRESSION_STEPS_MAX, Scope};

/// SOURCE: asl.md §4, Choice: as remembered, not recorded.
const NO_RULE_HOLDS: &str = "Failed to transition out of the state. The state does not point to a next state.";

/// What looking into large variables may cost. SOURCE: our own: their trees are all there until a rule holds.
const OPENED_STEPS_MAX: u64 = 1_000_000;

/// Text of which this many bytes cost one step to compare.
const COMPARED_BYTES_PER_STEP: usize = 64;

/// Why a rule cannot be tested; ends the execution with `States.Runtime`, whose cause this is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The variable is not there, or what a `…Path` operator compares with is not there or of another type.
    /// SOURCE: asl.md §7: as remembered, not recorded.
    #[error("Invalid path '{path}': The choice state's condition path references an invalid value.")]
    InvalidValue { path: String },
    #[error("Invalid path '{path}' : {}", budget::Exhausted)]
    Exhausted { path: String },
}

/// Enters the state and leaves it at once.
pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, choice: &Choice, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Choice, name, raw.clone(), None)?;
    let scope = slice.scope(frame);
    let (next, outcome) = match chosen(&scope, choice, &raw)? {
        Some((index, rule)) => {
            let place = format!("Choices[{index}]/");
            let leaving = Leaving { assign: &rule.assign, output: rule.output.as_ref(), place: &place };
            (rule.next, scope.leave_by_rule(&choice.flow, leaving, &raw)?)
        }
        None => {
            let next = choice.default.ok_or_else(|| scope.runtime(NO_RULE_HOLDS))?;
            (next, scope.leave_with_input(&choice.flow, &choice.assign, &raw)?)
        }
    };
    slice.exit(frame, StateType::Choice, outcome, Transition::Next(next))
}

/// The first rule that holds, and which it is.
fn chosen<'c>(scope: &Scope<'_>, choice: &'c Choice, raw: &Payload) -> Result<Option<(usize, &'c Rule)>, Failure> {
    let input = scope.input(&choice.flow, raw)?;
    let mut budget = Budget::of_steps(EXPRESSION_STEPS_MAX);
    let mut conditions = scope.expressions(States::of_input(&input));
    let opened = RefCell::new((BTreeSet::new(), Budget::of_steps(OPENED_STEPS_MAX)));
    let beside = |path: &Path| {
        let (names, budget) = &mut *opened.borrow_mut();
        if let Root::Variable(name) = path.root()
            && names.insert(name.clone())
        {
            budget.spend(scope.variables.get(name)?.opening_steps()).ok()?;
        }
        scope.beside_input(path)
    };
    let chosen =
        choose(choice, input.value(), &beside, &mut budget, &mut |template, index| condition(scope, &mut conditions, template, index));
    scope.charge(EXPRESSION_STEPS_MAX - budget.steps_left());
    chosen.map_err(|refusal| match refusal {
        Refusal::Test(error) => scope.runtime(&error.to_string()),
        Refusal::Condition(failure) => failure,
    })
}

/// Whether the `Condition` of a rule holds.
fn condition(scope: &Scope<'_>, conditions: &mut Expressions<'_, '_>, template: &Template, index: usize) -> Result<bool, Failure> {
    let location = format!("Choices[{index}]/Condition");
    match (conditions.fill(template, &location)?, template) {
        (Value::Bool(holds), _) => Ok(holds),
        (other, Template::Expression(expression)) => Err(scope.unexpected_type(expression, &location, "boolean", &other)),
        (other, _) => Err(scope.query_error(Some(&location), &format!("The condition must be a boolean, but was: {other}"))),
    }
}

/// Why no rule can be chosen.
#[derive(Debug)]
pub(crate) enum Refusal {
    Test(Error),
    Condition(Failure),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Test(error)
    }
}

/// The first rule that holds, and which it is; none when none does.
///
/// `input` is what `InputPath` left; `beside` is what a path over the context object or a variable looks into;
/// `condition` evaluates the `Condition` of the rule of this index.
pub(crate) fn choose<'c, 'v>(
    choice: &'c Choice,
    input: &'v Value,
    beside: &dyn Fn(&Path) -> Option<&'v Value>,
    budget: &mut Budget,
    condition: &mut dyn FnMut(&Template, usize) -> Result<bool, Failure>,
) -> Result<Option<(usize, &'c Rule)>, Refusal> {
    let mut tester = Tester { input, beside, budget };
    for (index, rule) in choice.rules.iter().enumerate() {
        let holds = match &rule.test {
            Test::Condition(template) => condition(template, index).map_err(Refusal::Condition)?,
            test => tester.holds(test)?,
        };
        if holds {
            return Ok(Some((index, rule)));
        }
    }
    Ok(None)
}

struct Tester<'v, 'b> {
    input: &'v Value,
    beside: &'b dyn Fn(&Path) -> Option<&'v Value>,
    budget: &'b mut Budget,
}

impl<'v> Tester<'v, '_> {
    /// Whether `test` holds; `And` and `Or` look only as far as they must, so that `IsPresent` guards what follows it.
    fn holds(&mut self, test: &Test) -> Result<bool, Error> {
        match test {
            Test::And(tests) => {
                for test in tests {
                    if !self.holds(test)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Or(tests) => {
                for test in tests {
                    if self.holds(test)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::Not(test) => Ok(!self.holds(test)?),
            Test::Compare { variable, comparator } => self.compares(variable, comparator),
            // Only of a rule itself, which `choose` evaluates: JSONata has no rules within rules.
            Test::Condition(_) => Ok(false),
        }
    }

    fn compares(&mut self, variable: &Path, comparator: &Comparator) -> Result<bool, Error> {
        let found = self.find(variable)?;
        if let Comparator::Is { test: TypeTest::Present, expected } = comparator {
            return Ok(found.is_some() == *expected);
        }
        let Some(found) = found else { return Err(invalid_value(variable)) };
        // A list that a path collected is of none of the types below.
        let value = found.one().unwrap_or(const { &Value::Array(Vec::new()) });
        match comparator {
            Comparator::Is { test, expected } => Ok(is_of_type(value, *test) == *expected),
            Comparator::Text { order, operand } => {
                let operand = self.operand(operand, |value| value.as_str().map(str::to_owned))?;
                let Some(text) = value.as_str() else { return Ok(false) };
                self.pay_for_text(variable, text.len().min(operand.get().len()))?;
                Ok(is_ordered(*order, compare_text(text, operand.get())))
            }
            Comparator::TextMatches(pattern) => {
                let Some(text) = value.as_str() else { return Ok(false) };
                self.pay_for_text(variable, text.len())?;
                Ok(fits(pattern, text))
            }
            Comparator::Number { order, operand } => {
                let operand = self.operand(operand, |value| value.as_number().cloned())?;
                Ok(value.as_number().is_some_and(|number| is_ordered(*order, number::compare(number, operand.get()))))
            }
            Comparator::Boolean(operand) => {
                let operand = self.operand(operand, Value::as_bool)?;
                Ok(value.as_bool() == Some(*operand.get()))
            }
            Comparator::Timestamp { order, operand } => {
                let operand = self.operand(operand, as_timestamp)?;
                Ok(as_timestamp(value).is_some_and(|instant| is_ordered(*order, instant.cmp(operand.get()))))
            }
        }
    }

    /// What `variable` is compared with. A `…Path` must lead to a value of the operator's type, whatever the variable is.
    fn operand<'o, T>(&mut self, operand: &'o Operand<T>, narrow: impl FnOnce(&Value) -> Option<T>) -> Result<Compared<'o, T>, Error> {
        match operand {
            Operand::Literal(value) => Ok(Compared::Literal(value)),
            Operand::Path(path) => {
                let found = self.find(path)?;
                let narrowed = found.as_ref().and_then(Found::one).and_then(narrow);
                narrowed.map(Compared::Found).ok_or_else(|| invalid_value(path))
            }
        }
    }

    fn find(&mut self, path: &Path) -> Result<Option<Found<'v>>, Error> {
        let document = match path.root() {
            Root::Input => self.input,
            Root::Context | Root::Variable(_) => match (self.beside)(path) {
                Some(value) => value,
                None => return Ok(None),
            },
        };
        match path.find(document, self.budget) {
            Ok(found) => Ok(Some(found)),
            Err(EvalError::NotFound { .. } | EvalError::PastEnd { .. }) => Ok(None),
            Err(EvalError::Failed { .. }) => Err(invalid_value(path)),
            Err(EvalError::Exhausted) => Err(Error::Exhausted { path: path.text().to_owned() }),
        }
    }

    fn pay_for_text(&mut self, variable: &Path, bytes: usize) -> Result<(), Error> {
        let steps = (bytes / COMPARED_BYTES_PER_STEP) as u64;
        self.budget.spend(steps).map_err(|budget::Exhausted| Error::Exhausted { path: variable.text().to_owned() })
    }
}

/// An operand as it stands in the rule, or as a path found it.
enum Compared<'o, T> {
    Literal(&'o T),
    Found(T),
}

impl<T> Compared<'_, T> {
    fn get(&self) -> &T {
        match self {
            Self::Literal(value) => value,
            Self::Found(value) => value,
        }
    }
}

fn invalid_value(path: &Path) -> Error {
    Error::InvalidValue { path: path.text().to_owned() }
}

fn is_of_type(value: &Value, test: TypeTest) -> bool {
    match test {
        TypeTest::Null => value.is_null(),
        TypeTest::Present => true,
        TypeTest::Numeric => value.is_number(),
        TypeTest::String => value.is_string(),
        TypeTest::Boolean => value.is_boolean(),
        TypeTest::Timestamp => as_timestamp(value).is_some(),
    }
}

fn as_timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(Timestamp::parse_rfc3339)
}

/// Java's order of strings: by UTF-16 code units, where `😀` comes before `｡`.
fn compare_text(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

fn is_ordered(order: Order, ordering: Ordering) -> bool {
    match order {
        Order::Equals => ordering.is_eq(),
        Order::Less => ordering.is_lt(),
        Order::Greater => ordering.is_gt(),
        Order::LessOrEqual => ordering.is_le(),
        Order::GreaterOrEqual => ordering.is_ge(),
    }
}

/// Whether the whole of `text` fits: its ends are the pattern's ends, and the pieces between follow one another.
fn fits(pattern: &TextPattern, text: &str) -> bool {
    let [first, between @ .., last] = pattern.pieces.as_slice() else {
        return pattern.pieces.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else { return false };
    for piece in between {
        // The earliest place leaves the most for the pieces that follow.
        let Some(start) = rest.find(piece.as_str()) else { return false };
        rest = &rest[start + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests;
