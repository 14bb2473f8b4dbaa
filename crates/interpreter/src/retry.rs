//! Retriers: which failures they match, and how long they wait before trying again.

use skald_asl::retry::{Jitter, Retrier};

use crate::failure::{Failure, FailureKind, TIMEOUT};

/// SOURCE: asl.md §6; names that stand for more than themselves.
const ALL: &str = "States.ALL";
const TASK_FAILED: &str = "States.TaskFailed";
const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";

/// A retrier has no attempt left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no attempts are left")]
pub(crate) struct Exhausted;

/// The pause in milliseconds before retry `attempt` (0 is the first retry).
///
/// `IntervalSeconds × BackoffRate^attempt`, at most `MaxDelaySeconds`; under `FULL` jitter, `dice_fraction` in `[0, 1)`
/// scales it. A pause that no number holds is the longest there is.
///
/// # Errors
/// [`Exhausted`] once `attempt` reaches `MaxAttempts`; with `MaxAttempts: 0`, always.
/// # Source
/// States Language, "Retrying after error"; Step Functions guide, "Retrier fields", for the cap and the jitter.
pub(crate) fn delay_ms(retrier: &Retrier, attempt: u64, dice_fraction: f64) -> Result<u64, Exhausted> {
    if attempt >= retrier.max_attempts {
        return Err(Exhausted);
    }
    let growth = retrier.backoff_rate.powf(attempt as f64);
    // Zero times an infinite growth is no number: zero seconds stay zero.
    let uncapped_ms = if retrier.interval_seconds == 0 { 0.0 } else { retrier.interval_seconds as f64 * 1_000.0 * growth };
    let capped_ms = match retrier.max_delay_seconds {
        Some(seconds) => uncapped_ms.min(seconds as f64 * 1_000.0),
        None => uncapped_ms,
    };
    // A conversion from float to integer stops at the integer's ends.
    Ok(match retrier.jitter {
        Jitter::None => capped_ms.round() as u64,
        Jitter::Full => (capped_ms.min(u64::MAX as f64) * dice_fraction) as u64,
    })
}

/// Whether `ErrorEquals` names the failure. Names are compared exactly; nothing matches a `States.Runtime`.
///
/// # Source
/// asl.md §6, the table of error names.
pub(crate) fn matches(error_equals: &[String], failure: &Failure) -> bool {
    if failure.kind == FailureKind::Runtime {
        return false;
    }
    error_equals.iter().any(|name| is_kind_named(name, failure.kind) || failure.error.as_ref() == Some(name))
}

fn is_kind_named(name: &str, kind: FailureKind) -> bool {
    if name == ALL {
        return true;
    }
    match kind {
        FailureKind::Task => name == TASK_FAILED,
        FailureKind::Timeout => name == TIMEOUT,
        FailureKind::Heartbeat => name == TIMEOUT || name == HEARTBEAT_TIMEOUT,
        FailureKind::State | FailureKind::Query | FailureKind::Runtime => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retrier(interval_seconds: u64, backoff_rate: f64, max_delay_seconds: Option<u64>) -> Retrier {
        Retrier {
            error_equals: vec![ALL.to_owned()],
            interval_seconds,
            max_attempts: 99_999_999,
            backoff_rate,
            max_delay_seconds,
            jitter: Jitter::None,
        }
    }

    #[test]
    fn delays_grow_up_to_the_cap() {
        let cases = [
            (retrier(1, 2.0, None), 0, 1_000),
            (retrier(1, 2.0, None), 3, 8_000),
            (retrier(3, 1.5, None), 1, 4_500),
            (retrier(3, 1.5, None), 2, 6_750),
            (retrier(1, 1.1, None), 2, 1_210),
            (retrier(5, 1.0, None), 70_000_000, 5_000),
            (retrier(1, 2.0, Some(6)), 2, 4_000),
            (retrier(1, 2.0, Some(6)), 3, 6_000),
            (retrier(9, 2.0, Some(6)), 0, 6_000),
            (retrier(0, 2.0, None), 5, 0),
            // Growth without end: the cap holds, zero stays zero, and without a cap the number stops at its end.
            (retrier(1, 2.0, Some(31_622_400)), 90_000_000, 31_622_400_000),
            (retrier(0, f64::MAX, Some(60)), 90_000_000, 0),
            (retrier(99_999_999, f64::MAX, None), 90_000_000, u64::MAX),
        ];
        for (retrier, attempt, expected) in cases {
            assert_eq!(delay_ms(&retrier, attempt, 0.5), Ok(expected), "attempt {attempt} of {retrier:?}");
        }
    }

    #[test]
    fn attempts_run_out() {
        let three = Retrier { max_attempts: 3, ..retrier(1, 2.0, None) };
        assert_eq!(delay_ms(&three, 2, 0.0), Ok(4_000));
        assert_eq!(delay_ms(&three, 3, 0.0), Err(Exhausted));
        let none = Retrier { max_attempts: 0, ..retrier(1, 2.0, None) };
        assert_eq!(delay_ms(&none, 0, 0.0), Err(Exhausted));
    }

    #[test]
    fn full_jitter_scales_the_capped_delay() {
        let jittered = |max_delay_seconds| Retrier { jitter: Jitter::Full, ..retrier(4, 2.0, max_delay_seconds) };
        assert_eq!(delay_ms(&jittered(None), 1, 0.0), Ok(0));
        assert_eq!(delay_ms(&jittered(None), 1, 0.25), Ok(2_000));
        assert_eq!(delay_ms(&jittered(Some(6)), 1, 0.5), Ok(3_000));
        let endless = Retrier { jitter: Jitter::Full, ..retrier(4, f64::MAX, None) };
        assert_eq!(delay_ms(&endless, 9, 0.5), Ok(1 << 63), "an endless delay is still scaled");
    }

    fn failure(error: Option<&str>, kind: FailureKind) -> Failure {
        Failure { error: error.map(str::to_owned), cause: None, kind, location: None }
    }

    #[test]
    fn names_match_what_they_stand_for() {
        use FailureKind::{Heartbeat, Runtime, State, Task, Timeout};
        let cases = [
            ("States.ALL", failure(Some("Boom"), Task), true),
            ("States.ALL", failure(None, State), true),
            ("States.ALL", failure(Some("States.Timeout"), Timeout), true),
            ("States.ALL", failure(Some("States.DataLimitExceeded"), State), true),
            ("States.ALL", failure(Some("States.Runtime"), Runtime), false),
            ("States.Runtime", failure(Some("States.Runtime"), Runtime), false),
            ("States.TaskFailed", failure(Some("Boom"), Task), true),
            ("States.TaskFailed", failure(None, Task), true),
            ("States.TaskFailed", failure(Some("Boom"), State), false),
            ("States.TaskFailed", failure(Some("States.TaskFailed"), State), true),
            ("States.TaskFailed", failure(Some("States.Timeout"), Timeout), false),
            ("States.TaskFailed", failure(Some("States.Timeout"), Heartbeat), false),
            ("States.Timeout", failure(Some("States.Timeout"), Timeout), true),
            ("States.Timeout", failure(Some("States.Timeout"), Heartbeat), true),
            ("States.HeartbeatTimeout", failure(Some("States.Timeout"), Heartbeat), true),
            ("States.HeartbeatTimeout", failure(Some("States.Timeout"), Timeout), false),
            ("Boom", failure(Some("Boom"), State), true),
            ("Boom", failure(Some("boom"), Task), false),
            ("Boom", failure(Some("Boom."), Task), false),
            ("Boom", failure(None, Task), false),
            ("", failure(None, Task), false),
        ];
        for (name, failure, expected) in cases {
            assert_eq!(matches(&[name.to_owned()], &failure), expected, "{name} against {failure:?}");
        }
        let several = ["Bang".to_owned(), "Boom".to_owned()];
        assert!(matches(&several, &failure(Some("Boom"), Task)));
        assert!(!matches(&[], &failure(Some("Boom"), Task)));
    }
}
