//! Pass: hands its input on, reshaped or replaced.

use std::sync::Arc;

use skald_asl::states::Pass;
use skald_query::Payload;

use crate::decide::{Halt, Slice};
use crate::event::{FrameId, StateType};

pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, pass: &Pass, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Pass, name, raw.clone(), None)?;
    let outcome = slice.scope(frame).leave_pass(&pass.flow, &pass.assign, &raw, pass.result.as_ref())?;
    slice.exit(frame, StateType::Pass, outcome, pass.transition)
}
