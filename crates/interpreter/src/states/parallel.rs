//! Parallel: runs branches side by side; the first failure ends them all.

use std::sync::Arc;

use skald_asl::states::Parallel;
use skald_query::Payload;

use crate::decide::{Halt, Slice};
use crate::event::{EventKind, FrameId, StateType};

pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, parallel: &Parallel, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Parallel, name, raw, None)?;
    fan_out(slice, frame, parallel)
}

/// Starts every branch: on entering, and again on each retry.
pub(crate) fn fan_out(slice: &mut Slice<'_, '_, '_>, frame: FrameId, parallel: &Parallel) -> Result<(), Halt> {
    let scope = slice.scope(frame);
    let input = scope.arguments(&parallel.flow, &slice.visit(frame).input)?;
    slice.check_size(frame, &input)?;
    let branches = parallel.branches.iter().map(|branch| Arc::clone(&slice.definition.state(branch.start_at).name)).collect();
    let first_frame = FrameId(slice.execution.next_frame);
    slice.event(frame, slice.last(frame), EventKind::ParallelStateStarted { first_frame, branches, input: input.light() })?;
    Ok(())
}

/// The last branch to end ends the state.
pub(super) fn branch_ended(slice: &mut Slice<'_, '_, '_>, frame: FrameId, parallel: &Parallel) -> Result<(), Halt> {
    let Some(fan_out) = super::fan_out_of(slice, frame).filter(|fan_out| fan_out.unfinished == 0) else { return Ok(()) };
    let result = super::results(fan_out);
    slice.event(frame, slice.last(frame), EventKind::ParallelStateSucceeded)?;
    let raw = &slice.visit(frame).input;
    let outcome = slice.scope(frame).leave_with_result(&parallel.flow, &parallel.assign, raw, &result)?;
    slice.exit(frame, StateType::Parallel, outcome, parallel.transition)
}
