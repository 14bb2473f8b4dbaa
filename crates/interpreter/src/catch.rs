//! Failures: tried again, caught, or passed to the state around, up to the end of the execution.

use std::sync::Arc;

use serde_json::json;
use skald_asl::catch::Catcher;
use skald_asl::data_flow::DataFlow;
use skald_asl::definition::StateKind;
use skald_asl::retry::Retrier;
use skald_query::Payload;

use crate::data_flow::Leaving;
use crate::decide::{Ended, Halt, PAYLOAD_BYTES_MAX, Slice, clipped};
use crate::event::{EventId, EventKind, FrameId, StateType};
use crate::failure::{Failure, FailureKind};
use crate::frame::Doing;
use crate::note::Note;
use crate::retry;

/// The state in `frame` failed; its thread's last event is the failing one.
pub(crate) fn handle(slice: &mut Slice<'_, '_, '_>, mut frame: FrameId, mut failure: Failure) -> Result<(), Ended> {
    let mut failing = match failure.kind {
        FailureKind::Query => evaluation_failed(slice, frame, &failure)?,
        FailureKind::Task | FailureKind::Timeout | FailureKind::Heartbeat | FailureKind::State | FailureKind::Runtime => slice.last(frame),
    };
    // A Parallel or Map that fails by itself ends what it has begun.
    if failure.kind != FailureKind::Runtime {
        abort_children(slice, frame, None, failing)?;
    }
    loop {
        if failure.kind == FailureKind::Runtime {
            return fail_execution(slice, failing, failure);
        }
        if try_again(slice, frame, failing, &failure) {
            return Ok(());
        }
        // A Parallel or Map says that it failed only once no retrier takes it.
        if let Some(failed) = failed_event(slice, frame, failure.kind) {
            failing = slice.event(frame, failing, failed)?;
        }
        match catch(slice, frame, &failure) {
            Caught::Yes => return Ok(()),
            Caught::No => {}
            Caught::Over => return Err(Ended),
            Caught::Broken(broken) if broken.kind == FailureKind::Runtime => return fail_execution(slice, failing, broken),
            // The state has no handler left; those around it have.
            Caught::Broken(broken) => {
                if broken.kind == FailureKind::Query {
                    failing = evaluation_failed(slice, frame, &broken)?;
                }
                failure = broken;
            }
        }
        match slice.execution.frame(frame).parent {
            None => return fail_execution(slice, failing, failure),
            Some(parent) => {
                abort_siblings(slice, parent, frame, failing)?;
                frame = parent;
            }
        }
    }
}

/// Records that an expression failed.
///
/// SOURCE: recorded: before anything else happened in a state, the event follows what was before the state, but for Wait.
fn evaluation_failed(slice: &mut Slice<'_, '_, '_>, frame: FrameId, failure: &Failure) -> Result<EventId, Ended> {
    let visit = slice.visit(frame);
    let last = slice.last(frame);
    let previous = if last == visit.entered && visit.state_type != StateType::Wait { visit.before } else { last };
    let state = Arc::clone(&visit.state);
    let details = clipped(failure.error.clone(), failure.cause.clone());
    slice.event(frame, previous, EventKind::EvaluationFailed { details, location: failure.location.clone(), state })
}

fn fail_execution(slice: &mut Slice<'_, '_, '_>, failing: EventId, failure: Failure) -> Result<(), Ended> {
    slice.event(FrameId::TOP, failing, EventKind::ExecutionFailed(clipped(failure.error, failure.cause)))?;
    Err(Ended)
}

/// Schedules the next attempt when the first matching retrier has one left.
fn try_again(slice: &mut Slice<'_, '_, '_>, frame: FrameId, failing: EventId, failure: &Failure) -> bool {
    let definition = Arc::clone(&slice.definition);
    let Some(kind) = slice.state_of(frame, &definition) else { return false };
    let retriers = retriers(kind);
    let Some(index) = retriers.iter().position(|retrier| retry::matches(&retrier.error_equals, failure)) else { return false };
    let attempt = slice.visit(frame).attempts.get(index).copied().unwrap_or(0);
    let dice = slice.dice.borrow_mut().fraction();
    let Ok(delay_ms) = retry::delay_ms(&retriers[index], attempt, dice) else { return false };
    let due = slice.now.plus_millis(delay_ms);
    let retrier = u32::try_from(index).expect("a definition of 1 MiB has fewer retriers");
    slice.note(Note::RetryScheduled { frame, retrier, due, after: failing });
    true
}

enum Caught {
    Yes,
    No,
    /// The execution reached its end while catching.
    Over,
    /// The error output could not be placed or reshaped.
    Broken(Failure),
}

fn catch(slice: &mut Slice<'_, '_, '_>, frame: FrameId, failure: &Failure) -> Caught {
    let definition = Arc::clone(&slice.definition);
    let Some(kind) = slice.state_of(frame, &definition) else { return Caught::No };
    let Some((flow, catchers)) = catchers(kind) else { return Caught::No };
    let Some(index) = catchers.iter().position(|catcher| retry::matches(&catcher.error_equals, failure)) else { return Caught::No };
    let catcher = &catchers[index];
    let visit = slice.visit(frame);
    let (name, state_type) = (Arc::clone(&visit.state), visit.state_type);
    let place = format!("Catch[{index}]/");
    let leaving = Leaving { assign: &catcher.assign, output: catcher.output.as_ref(), place: &place };
    let outcome = slice.scope(frame).leave_caught(flow, leaving, &catcher.result_path, &visit.input, &error_output(failure));
    let outcome = match outcome {
        Ok(outcome) if outcome.output.byte_count() > PAYLOAD_BYTES_MAX || !slice.fits_variables(frame, &outcome.assigned) => {
            return Caught::Broken(Failure::data_limit(&name));
        }
        Ok(outcome) => match outcome.check_depth(&visit.input, &slice.scope(frame)) {
            Ok(()) => outcome,
            Err(runtime) => return Caught::Broken(runtime),
        },
        Err(failure) => return Caught::Broken(failure),
    };
    let next = Arc::clone(&definition.state(catcher.next).name);
    match slice.leave(frame, state_type, name, outcome, Some(next)) {
        Ok(()) => Caught::Yes,
        Err(Halt::Ended) => Caught::Over,
        Err(Halt::Failed(runtime)) => Caught::Broken(runtime),
    }
}

/// `{"Error", "Cause"}`. SOURCE: recorded: a time-out has the empty cause, a `SendTaskFailure` without members two nulls.
fn error_output(failure: &Failure) -> Payload {
    let cause = match failure.kind {
        FailureKind::Timeout | FailureKind::Heartbeat => Some(failure.cause.as_deref().unwrap_or("")),
        FailureKind::Task | FailureKind::State | FailureKind::Query | FailureKind::Runtime => failure.cause.as_deref(),
    };
    Payload::from_value(json!({ "Error": failure.error, "Cause": cause }))
}

/// The failure of one branch or iteration ends the others. SOURCE: history.md §3, Parallel and Map inline.
fn abort_siblings(slice: &mut Slice<'_, '_, '_>, parent: FrameId, failed: FrameId, failing: EventId) -> Result<(), Ended> {
    let visit = slice.visit(parent);
    if visit.state_type == StateType::Map {
        let (name, index) = (Arc::clone(&visit.state), slice.execution.frame(failed).index);
        slice.event(parent, failing, EventKind::MapIterationFailed { name, index })?;
    }
    abort_state(slice, failed, failing)?;
    abort_children(slice, parent, Some(failed), failing)
}

/// Aborts the branches or iterations that the state of `parent` has begun, but for the one that failed.
fn abort_children(slice: &mut Slice<'_, '_, '_>, parent: FrameId, failed: Option<FrameId>, failing: EventId) -> Result<(), Ended> {
    let visit = slice.visit(parent);
    let (name, is_map) = (Arc::clone(&visit.state), visit.state_type == StateType::Map);
    for (child, index) in children(slice, parent) {
        if Some(child) == failed {
            continue;
        }
        if is_map {
            slice.event(parent, failing, EventKind::MapIterationAborted { name: Arc::clone(&name), index })?;
        }
        abort_below(slice, child, failing)?;
        abort_state(slice, child, failing)?;
    }
    Ok(())
}

/// Aborts what runs inside the state of `frame`.
fn abort_below(slice: &mut Slice<'_, '_, '_>, frame: FrameId, failing: EventId) -> Result<(), Ended> {
    for (child, _) in children(slice, frame) {
        abort_below(slice, child, failing)?;
        abort_state(slice, child, failing)?;
    }
    Ok(())
}

/// The threads that the state of `parent` runs, and which branch or iteration each is.
fn children(slice: &Slice<'_, '_, '_>, parent: FrameId) -> Vec<(FrameId, u32)> {
    let of_parent = slice.execution.frames().iter().filter(|(_, frame)| frame.parent == Some(parent));
    of_parent.map(|(id, frame)| (*id, frame.index)).collect()
}

/// The Aborted event of the state that `frame` has not exited; Pass, Choice, Succeed and Fail have none.
fn abort_state(slice: &mut Slice<'_, '_, '_>, frame: FrameId, failing: EventId) -> Result<(), Ended> {
    let Some(visit) = slice.execution.frame(frame).visit() else { return Ok(()) };
    let kind = match (visit.state_type, &visit.doing) {
        (StateType::Task, _) => EventKind::TaskStateAborted,
        (StateType::Wait, _) => EventKind::WaitStateAborted,
        (StateType::Parallel, Doing::FannedOut(_) | Doing::BackingOff { .. }) => EventKind::ParallelStateAborted,
        (StateType::Map, Doing::FannedOut(_) | Doing::BackingOff { .. }) => EventKind::MapStateAborted,
        // It said itself that it failed.
        (StateType::Parallel | StateType::Map, Doing::Working | Doing::Waiting { .. } | Doing::Task(_)) => return Ok(()),
        (StateType::Pass | StateType::Choice | StateType::Succeed | StateType::Fail, _) => return Ok(()),
    };
    slice.event(frame, failing, kind)?;
    Ok(())
}

fn failed_event(slice: &Slice<'_, '_, '_>, frame: FrameId, kind: FailureKind) -> Option<EventKind> {
    let visit = slice.execution.frame(frame).visit()?;
    match (visit.state_type, &visit.doing) {
        // SOURCE: recorded of a Map whose `Items` fail; nothing has started then.
        (StateType::Parallel, Doing::Working | Doing::BackingOff { .. }) if kind == FailureKind::Query => {
            Some(EventKind::ParallelStateFailed)
        }
        (StateType::Map, Doing::Working | Doing::BackingOff { .. }) if kind == FailureKind::Query => Some(EventKind::MapStateFailed),
        (StateType::Parallel, Doing::FannedOut(_)) => Some(EventKind::ParallelStateFailed),
        (StateType::Map, Doing::FannedOut(_)) => Some(EventKind::MapStateFailed),
        (StateType::Parallel | StateType::Map, Doing::Working | Doing::Waiting { .. } | Doing::BackingOff { .. } | Doing::Task(_)) => None,
        (StateType::Pass | StateType::Task | StateType::Choice | StateType::Wait | StateType::Succeed | StateType::Fail, _) => None,
    }
}

fn retriers(kind: &StateKind) -> &[Retrier] {
    match kind {
        StateKind::Task(task) => &task.retriers,
        StateKind::Parallel(parallel) => &parallel.retriers,
        StateKind::Map(map) => &map.retriers,
        StateKind::Pass(_) | StateKind::Choice(_) | StateKind::Wait(_) | StateKind::Succeed(_) | StateKind::Fail(_) => &[],
    }
}

fn catchers(kind: &StateKind) -> Option<(&DataFlow, &[Catcher])> {
    match kind {
        StateKind::Task(task) => Some((&task.flow, &task.catchers)),
        StateKind::Parallel(parallel) => Some((&parallel.flow, &parallel.catchers)),
        StateKind::Map(map) => Some((&map.flow, &map.catchers)),
        StateKind::Pass(_) | StateKind::Choice(_) | StateKind::Wait(_) | StateKind::Succeed(_) | StateKind::Fail(_) => None,
    }
}
