//! Succeed: ends its block well.

use std::sync::Arc;

use skald_asl::Transition;
use skald_asl::states::Succeed;
use skald_query::Payload;

use crate::decide::{Halt, Slice};
use crate::event::{FrameId, StateType};

pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, succeed: &Succeed, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Succeed, name, raw.clone(), None)?;
    let outcome = slice.scope(frame).leave_with_input(&succeed.flow, &[], &raw)?;
    slice.exit(frame, StateType::Succeed, outcome, Transition::End)
}
