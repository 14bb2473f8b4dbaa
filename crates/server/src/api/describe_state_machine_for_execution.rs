//! `DescribeStateMachineForExecution`: the definition, role and configuration that an execution started with.

use serde::Serialize;
use serde_json::Value;

use super::describe_state_machine::{VariableReferences, shown_definition, variable_references};
use super::{ARN_LENGTH_MAX, Context, Included, arn, stored};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::{Members, Shown};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    state_machine_arn: &'a str,
    name: &'a str,
    definition: &'a str,
    role_arn: &'a str,
    update_date: Instant,
    logging_configuration: Value,
    tracing_configuration: Value,
    encryption_configuration: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_id: Option<&'a str>,
    #[serde(skip_serializing_if = "VariableReferences::is_empty")]
    variable_references: VariableReferences,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let execution_arn = members.required_text("executionArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let included = Included::read(&mut members)?;
    members.finish()?;

    arn::execution(&execution_arn)?;
    let machine = context.shared.engine.describe_machine_for_execution(&context.scope, &execution_arn).await?;
    encode(&Answer {
        state_machine_arn: &machine.arn,
        name: &machine.name,
        definition: shown_definition(&machine.definition, included),
        role_arn: &machine.role_arn,
        update_date: Instant(machine.updated_at),
        logging_configuration: stored(&machine.configuration.logging)?,
        tracing_configuration: stored(&machine.configuration.tracing)?,
        encryption_configuration: stored(&machine.configuration.encryption)?,
        revision_id: machine.revision_id.as_deref(),
        variable_references: variable_references(&machine.compiled),
    })
}
