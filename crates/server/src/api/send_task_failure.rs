//! `SendTaskFailure`.

use super::{CAUSE_LENGTH_MAX, Context, ERROR_LENGTH_MAX, Empty, TASK_TOKEN_LENGTH_MAX};
use crate::protocol::{ApiError, encode};
use crate::validation::{Members, Shown};

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let token = members.required_text("taskToken", 1..=TASK_TOKEN_LENGTH_MAX, Shown::Sensitive)?;
    let error = members.text("error", 0..=ERROR_LENGTH_MAX, Shown::Sensitive)?;
    let cause = members.text("cause", 0..=CAUSE_LENGTH_MAX, Shown::Sensitive)?;
    members.finish()?;

    context.shared.engine.send_task_failure(&context.scope, &token, error, cause).await?;
    encode(&Empty {})
}
