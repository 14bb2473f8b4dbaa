//! `DeleteStateMachine`: answers for a machine that does not exist, too.

use super::{ARN_LENGTH_MAX, Context, Empty, arn};
use crate::protocol::{ApiError, encode};
use crate::validation::{Members, Shown};

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let machine_arn = members.required_text("stateMachineArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    members.finish()?;

    arn::changed_machine(&machine_arn)?;
    context.shared.engine.delete_machine(&context.scope, &machine_arn).await?;
    encode(&Empty {})
}
