//! `CreateStateMachine`.

use serde::Serialize;
use skald_engine::catalog::{Configuration, CreateMachine, MachineType};

use super::{ARN_LENGTH_MAX, Context, DEFINITION_LENGTH_MAX, NAME_LENGTH_MAX};
use crate::configuration;
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::{Members, Shown};

/// SOURCE: API model, `VersionDescription`.
pub(super) const VERSION_DESCRIPTION_LENGTH_MAX: usize = 256;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    state_machine_arn: &'a str,
    creation_date: Instant,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let name = members.required_text("name", 1..=NAME_LENGTH_MAX, Shown::Plain)?;
    let definition = members.required_text("definition", 1..=DEFINITION_LENGTH_MAX, Shown::Sensitive)?;
    let role_arn = members.required_text("roleArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let kind = members.one_of("type", &["STANDARD", "EXPRESS"])?;
    let logging = configuration::logging(&mut members)?;
    let tags = configuration::tags(&mut members)?;
    let tracing = configuration::tracing(&mut members)?;
    let versioning = Versioning::read(&mut members)?;
    let encryption = configuration::encryption(&mut members)?;
    members.finish()?;

    if skald_aws::name::check(&name).is_err() {
        return Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")));
    }
    versioning.refuse()?;
    let machine_type = match kind {
        Some("EXPRESS") => MachineType::Express,
        _ => MachineType::Standard,
    };
    check_role(&role_arn)?;
    let configuration = Configuration {
        logging: match logging {
            Some(checked) => checked.accept()?,
            None => configuration::default_logging(),
        },
        tracing: tracing.unwrap_or_else(configuration::default_tracing),
        encryption: match encryption {
            Some(checked) => checked.accept()?,
            None => configuration::default_encryption(),
        },
        tags: tags.accept()?,
    };
    let request = CreateMachine { name, definition, role_arn, machine_type, configuration };
    let machine = context.shared.engine.create_machine(&context.scope, request).await?;
    encode(&Answer { state_machine_arn: &machine.arn, creation_date: Instant(machine.created_at) })
}

/// `publish` and `versionDescription`, of creating and updating.
pub(super) struct Versioning {
    publish: bool,
    has_description: bool,
}

impl Versioning {
    pub(super) fn read(members: &mut Members) -> Result<Self, ApiError> {
        let publish = members.boolean("publish")?.unwrap_or(false);
        let description = members.text("versionDescription", 0..=VERSION_DESCRIPTION_LENGTH_MAX, Shown::Sensitive)?;
        Ok(Self { publish, has_description: description.is_some() })
    }

    /// There are no versions yet: a request for one is refused, not half done.
    pub(super) fn refuse(&self) -> Result<(), ApiError> {
        match (self.publish, self.has_description) {
            (true, _) => Err(ApiError::validation("Skald does not support publishing versions (publish) yet.")),
            (false, true) => Err(ApiError::validation("Version description can only be set when publish is true")),
            (false, false) => Ok(()),
        }
    }
}

/// A role is named by an IAM ARN; whether it exists is not known here.
pub(super) fn check_role(role_arn: &str) -> Result<(), ApiError> {
    match skald_aws::Arn::parse(role_arn) {
        Ok(_) => Ok(()),
        Err(error) => Err(ApiError::invalid_arn(error)),
    }
}
