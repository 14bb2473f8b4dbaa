//! Wait: holds the execution until an instant, then passes its input on.

use std::sync::Arc;

use serde_json::Value;
use skald_asl::Timestamp;
use skald_asl::definition::StateKind;
use skald_asl::states::{Until, Wait};
use skald_query::Payload;

use crate::data_flow::{States, shown, whole};
use crate::decide::{EXPRESS_SECONDS_MAX, Halt, Slice};
use crate::event::{FrameId, StateType};
use crate::failure::Failure;
use crate::scope::Scope;

/// A year. SOURCE: asl.md §4, Wait.
const WAIT_SECONDS_MAX: u64 = 366 * 86_400;

/// Enters the state. An instant already past is over at once.
pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, wait: &Wait, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    let until = until(&slice.scope_before(frame, name), wait, &raw, slice.now);
    // AWS shows `WaitStateEntered` without the instant: it rides in a private field.
    slice.entered(frame, StateType::Wait, name, raw, until.as_ref().ok().copied())?;
    if until? <= slice.now {
        return over(slice, frame);
    }
    Ok(())
}

/// The instant has come.
pub(crate) fn over(slice: &mut Slice<'_, '_, '_>, frame: FrameId) -> Result<(), Halt> {
    let definition = Arc::clone(&slice.definition);
    let Some(StateKind::Wait(wait)) = slice.state_of(frame, &definition) else { return Ok(()) };
    let scope = slice.scope(frame);
    let outcome = scope.leave_with_input(&wait.flow, &wait.assign, &slice.visit(frame).input)?;
    slice.exit(frame, StateType::Wait, outcome, wait.transition)
}

fn until(scope: &Scope<'_>, wait: &Wait, raw: &Payload, now: Timestamp) -> Result<Timestamp, Failure> {
    let input = scope.input(&wait.flow, raw)?;
    let instant = match &wait.until {
        Until::Seconds(seconds) => now.plus_seconds(*seconds),
        Until::Timestamp(instant) => *instant,
        Until::SecondsPath(path) => {
            let missing = || scope.runtime(&format!("The SecondsPath parameter does not reference an input value: {}", path.text()));
            let value = scope.find(path, &input).map_err(|_| missing())?;
            now.plus_seconds(whole_seconds(scope, path.text(), &value)?)
        }
        Until::TimestampPath(path) => {
            let value = scope.find(path, &input).map_err(|error| scope.invalid_path(path, error))?;
            let text = shown(&value);
            Timestamp::parse_rfc3339(&text).ok_or_else(|| {
                scope.runtime(&format!(
                    "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: {} == {text}",
                    path.text()
                ))
            })?
        }
        Until::SecondsExpression(expression) => {
            let value = scope.expressions(States::of_input(&input)).evaluate(expression, "Seconds")?;
            let seconds = whole(&value).ok_or_else(|| scope.unexpected_type(expression, "Seconds", "integer", &value))?;
            now.plus_seconds(seconds)
        }
        Until::TimestampExpression(expression) => {
            let value = scope.expressions(States::of_input(&input)).evaluate(expression, "Timestamp")?;
            let text = shown(&value);
            // SOURCE: recorded, `scenarios.json`.
            let reason = "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string";
            Timestamp::parse_rfc3339(&text).ok_or_else(|| scope.query_error(Some("Timestamp"), &format!("{reason}: {text}")))?
        }
    };
    let seconds_max = if scope.identity.origin.is_express() { EXPRESS_SECONDS_MAX } else { WAIT_SECONDS_MAX };
    if instant > now.plus_seconds(seconds_max) {
        return Err(scope.runtime("Wait state delay is too long."));
    }
    Ok(instant)
}

/// SOURCE: the three texts are recorded, `base.json`.
fn whole_seconds(scope: &Scope<'_>, path: &str, value: &Value) -> Result<u64, Failure> {
    let shown = shown(value);
    match shown.parse::<i64>() {
        Ok(seconds) => u64::try_from(seconds)
            .map_err(|_| scope.runtime(&format!("The SecondsPath parameter references a negative value: {path} == {seconds}"))),
        Err(_) => Err(scope.runtime(&format!("The SecondsPath parameter cannot be parsed as a long value: {path} == {shown}"))),
    }
}
