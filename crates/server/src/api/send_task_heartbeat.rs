//! `SendTaskHeartbeat`.

use super::{Context, Empty, TASK_TOKEN_LENGTH_MAX};
use crate::protocol::{ApiError, encode};
use crate::validation::{Members, Shown};

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let token = members.required_text("taskToken", 1..=TASK_TOKEN_LENGTH_MAX, Shown::Sensitive)?;
    members.finish()?;

    context.shared.engine.send_task_heartbeat(&context.scope, &token).await?;
    encode(&Empty {})
}
