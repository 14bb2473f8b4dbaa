//! Succeed: ends its block well.

use std::sync::Arc;

use skald_asl::Transition;
use skald_asl::states::Succeed;
use skald_query::Payload;

use crate::decide::{Halt, Slice};
use crate::event::{FrameId, StateType};

pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, succeed: &Succeed, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Succeed, name, raw.clone(), None)?;
    let scope = slice.scope(frame);
    let input = scope.data(&succeed.input_path, &raw)?;
    let output = scope.data(&succeed.output_path, &input)?;
    slice.exit(frame, StateType::Succeed, output, Transition::End)
}
