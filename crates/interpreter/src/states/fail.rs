//! Fail: ends its block with an error. It has no Exited event.

use std::sync::Arc;

use skald_asl::states::Fail;
use skald_query::Payload;

use crate::decide::{Halt, Slice, clipped};
use crate::event::{ErrorDetails, FrameId, StateType};
use crate::failure::{Failure, FailureKind};

pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, fail: &Fail, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Fail, name, raw.clone(), None)?;
    let scope = slice.scope(frame);
    let error = fail.error.as_ref().map(|text| scope.text("Error", text, &raw)).transpose()?;
    let cause = fail.cause.as_ref().map(|text| scope.text("Cause", text, &raw)).transpose()?;
    let ErrorDetails { error, cause } = clipped(error, cause);
    Err(Halt::Failed(Failure { error, cause, kind: FailureKind::State, location: None }))
}
