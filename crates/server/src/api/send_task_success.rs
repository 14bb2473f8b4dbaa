//! `SendTaskSuccess`.

use super::{Context, DATA_BYTES_MAX, Empty, TASK_TOKEN_LENGTH_MAX, check_bytes};
use crate::protocol::{ApiError, encode};
use crate::syntax;
use crate::validation::{Members, Shown};

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let token = members.required_text("taskToken", 1..=TASK_TOKEN_LENGTH_MAX, Shown::Sensitive)?;
    let output = members.required_text("output", 0..=DATA_BYTES_MAX, Shown::Sensitive)?;
    members.finish()?;

    check_bytes(&output, "output")?;
    let output = syntax::parse_document(output).map_err(|reason| ApiError::new("InvalidOutput", format!("Invalid Output: '{reason}'")))?;
    context.shared.engine.send_task_success(&context.scope, &token, output).await?;
    encode(&Empty {})
}
