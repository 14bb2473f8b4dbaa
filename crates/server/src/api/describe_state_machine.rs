//! `DescribeStateMachine`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use skald_asl::Definition;
use skald_engine::catalog::{MachineStatus, MachineType};

use super::{ARN_LENGTH_MAX, Context, Included, arn, stored};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::{Members, Shown};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    state_machine_arn: &'a str,
    name: &'a str,
    status: &'static str,
    definition: &'a str,
    role_arn: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    creation_date: Instant,
    logging_configuration: Value,
    tracing_configuration: Value,
    encryption_configuration: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_id: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    variable_references: VariableReferences,
}

/// The names of the variables a state refers to, by the state's name. States that refer to none are left out.
pub(super) type VariableReferences = BTreeMap<String, Vec<String>>;

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let machine_arn = members.required_text("stateMachineArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let included = Included::read(&mut members)?;
    members.finish()?;

    arn::existing_machine(&machine_arn)?;
    let machine = context.shared.engine.describe_machine(&context.scope, &machine_arn).await?;
    encode(&Answer {
        state_machine_arn: &machine.arn,
        name: &machine.name,
        status: match machine.status {
            MachineStatus::Active => "ACTIVE",
            MachineStatus::Deleting => "DELETING",
        },
        definition: shown_definition(&machine.definition, included),
        role_arn: &machine.role_arn,
        kind: machine_type(machine.machine_type),
        creation_date: Instant(machine.created_at),
        logging_configuration: stored(&machine.configuration.logging)?,
        tracing_configuration: stored(&machine.configuration.tracing)?,
        encryption_configuration: stored(&machine.configuration.encryption)?,
        revision_id: machine.revision_id.as_deref(),
        variable_references: variable_references(&machine.compiled),
    })
}

/// SOURCE: recorded, `api_variable_references.json`.
pub(super) fn variable_references(definition: &Definition) -> VariableReferences {
    let references = definition.variable_references().into_iter();
    references.map(|(state, names)| (state.to_owned(), names.into_iter().map(str::to_owned).collect())).collect()
}

pub(super) fn machine_type(machine_type: MachineType) -> &'static str {
    match machine_type {
        MachineType::Standard => "STANDARD",
        MachineType::Express => "EXPRESS",
    }
}

/// SOURCE: api.md, `DescribeStateMachine`: the definition is `{}` when it is left out.
pub(super) fn shown_definition(definition: &str, included: Included) -> &str {
    match included {
        Included::AllData => definition,
        Included::MetadataOnly => "{}",
    }
}
