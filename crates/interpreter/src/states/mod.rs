//! What each state type does: entering it, and reacting while in it.

pub(crate) mod pass;
pub(crate) mod task;
pub(crate) mod choice;
pub(crate) mod wait;
pub(crate) mod succeed;
pub(crate) mod fail;
pub(crate) mod parallel;
pub(crate) mod map;

use std::sync::Arc;

use skald_asl::definition::StateKind;
use skald_query::Payload;

use crate::decide::{Halt, Slice};
use crate::event::{EventId, FrameId};
use crate::frame::{Doing, FanOut};

/// A branch or iteration of the state in `frame` came to its end with the event `exit`.
pub(crate) fn block_ended(slice: &mut Slice<'_, '_, '_>, frame: FrameId, index: u32, exit: EventId) -> Result<(), Halt> {
    let definition = Arc::clone(&slice.definition);
    match slice.state_of(frame, &definition) {
        Some(StateKind::Parallel(parallel)) => parallel::branch_ended(slice, frame, parallel),
        Some(StateKind::Map(map)) => map::iteration_ended(slice, frame, map, index, exit),
        Some(
            StateKind::Pass(_)
            | StateKind::Task(_)
            | StateKind::Choice(_)
            | StateKind::Wait(_)
            | StateKind::Succeed(_)
            | StateKind::Fail(_),
        )
        | None => Ok(()),
    }
}

/// The running Parallel or Map of `frame`.
fn fan_out_of<'s>(slice: &'s Slice<'_, '_, '_>, frame: FrameId) -> Option<&'s FanOut> {
    match &slice.visit(frame).doing {
        Doing::FannedOut(fan_out) => Some(fan_out),
        Doing::Working | Doing::Waiting { .. } | Doing::BackingOff { .. } | Doing::Task(_) => None,
    }
}

/// The results in order as one list, byte for byte.
fn results(fan_out: &FanOut) -> Payload {
    let bytes = fan_out.outputs.iter().flatten().map(|output| output.byte_count() + 1).sum::<usize>() + 2;
    let mut text = String::with_capacity(bytes);
    text.push('[');
    for (index, output) in fan_out.outputs.iter().flatten().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(output.text());
    }
    text.push(']');
    Payload::trusted(text)
}
