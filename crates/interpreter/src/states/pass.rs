//! Pass: hands its input on, reshaped or replaced.

use std::sync::Arc;

use skald_asl::states::Pass;
use skald_query::Payload;

use crate::decide::{Halt, Slice};
use crate::event::{FrameId, StateType};

pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, pass: &Pass, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Pass, name, raw.clone(), None)?;
    let scope = slice.scope(frame);
    let input = scope.data(&pass.input_path, &raw)?;
    let effective = scope.template(pass.parameters.as_ref(), &input)?;
    let result = pass.result.clone().unwrap_or(effective);
    let merged = scope.result(&pass.result_path, &raw, result)?;
    let output = scope.data(&pass.output_path, &merged)?;
    slice.exit(frame, StateType::Pass, output, pass.transition)
}
