//! `StopExecution`.

use serde::Serialize;

use super::{ARN_LENGTH_MAX, CAUSE_LENGTH_MAX, Context, ERROR_LENGTH_MAX, arn};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::{Members, Shown};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    stop_date: Instant,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let execution_arn = members.required_text("executionArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let error = members.text("error", 0..=ERROR_LENGTH_MAX, Shown::Sensitive)?;
    let cause = members.text("cause", 0..=CAUSE_LENGTH_MAX, Shown::Sensitive)?;
    members.finish()?;

    arn::execution(&execution_arn)?;
    let stopped_at = context.shared.engine.stop_execution(&context.scope, &execution_arn, error, cause).await?;
    encode(&Answer { stop_date: Instant(stopped_at) })
}
