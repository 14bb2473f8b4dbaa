//! `UpdateStateMachine`.

use serde::Serialize;
use skald_engine::catalog::UpdateMachine;

use super::create_state_machine::{Versioning, check_role};
use super::{ARN_LENGTH_MAX, Context, DEFINITION_LENGTH_MAX, arn};
use crate::configuration::{self, Checked};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::{Members, Shown};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    update_date: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_id: Option<String>,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let machine_arn = members.required_text("stateMachineArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let definition = members.text("definition", 1..=DEFINITION_LENGTH_MAX, Shown::Sensitive)?;
    let role_arn = members.text("roleArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let logging = configuration::logging(&mut members)?;
    let tracing = configuration::tracing(&mut members)?;
    let versioning = Versioning::read(&mut members)?;
    let encryption = configuration::encryption(&mut members)?;
    members.finish()?;

    arn::changed_machine(&machine_arn)?;
    versioning.refuse()?;
    let is_empty = definition.is_none() && role_arn.is_none() && logging.is_none() && tracing.is_none() && encryption.is_none();
    if is_empty {
        // SOURCE: recorded, api.md `UpdateStateMachine`.
        return Err(ApiError::new(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
        ));
    }
    if let Some(role_arn) = &role_arn {
        check_role(role_arn)?;
    }
    let request = UpdateMachine {
        definition,
        role_arn,
        logging: logging.map(Checked::accept).transpose()?,
        tracing,
        encryption: encryption.map(Checked::accept).transpose()?,
    };
    let updated = context.shared.engine.update_machine(&context.scope, &machine_arn, request).await?;
    encode(&Answer { update_date: Instant(updated.updated_at), revision_id: updated.revision_id })
}
