//! `CreateActivity`.

use serde::Serialize;

use super::{Context, NAME_LENGTH_MAX};
use crate::configuration;
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::{Members, Shown};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    activity_arn: &'a str,
    creation_date: Instant,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let name = members.required_text("name", 1..=NAME_LENGTH_MAX, Shown::Plain)?;
    let tags = configuration::tags(&mut members)?;
    let encryption = configuration::encryption(&mut members)?;
    members.finish()?;

    if skald_aws::name::check(&name).is_err() {
        return Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")));
    }
    let encryption = match encryption {
        Some(checked) => checked.accept()?,
        None => configuration::default_encryption(),
    };
    let activity = context.shared.engine.create_activity(&context.scope, &name, encryption, tags.accept()?).await?;
    encode(&Answer { activity_arn: &activity.arn, creation_date: Instant(activity.created_at) })
}
