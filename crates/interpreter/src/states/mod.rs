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
use crate::failure::Failure;
use crate::frame::{Doing, FanOut};

/// A branch or iteration of the state in `frame` came to its end with the event `exit`.
pub(crate) fn block_ended(slice: &mut Slice<'_, '_, '_>, frame: FrameId, index: u32, exit: EventId) -> Result<(), Halt> {
    let definition = Arc::clone(&slice.definition);
    if fan_out_of(slice, frame).is_some_and(|fan_out| result_bytes(fan_out) > RESULT_BYTES_MAX) {
        return Err(Halt::Failed(Failure::data_limit(&slice.visit(frame).state)));
    }
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

/// What branches or iterations may leave behind together before `ResultSelector` has seen it. Ours: memory holds it until
/// the last has ended.
const RESULT_BYTES_MAX: usize = 16 << 20;

fn result_bytes(fan_out: &FanOut) -> usize {
    fan_out.outputs.iter().flatten().map(Payload::byte_count).sum()
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
    let bytes = result_bytes(fan_out) + fan_out.outputs.len() + 2;
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
