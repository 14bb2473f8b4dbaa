//! `DescribeActivity`.

use serde::Serialize;
use serde_json::Value;

use super::{ARN_LENGTH_MAX, Context, arn, stored};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::{Members, Shown};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    activity_arn: &'a str,
    name: &'a str,
    creation_date: Instant,
    encryption_configuration: Value,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let activity_arn = members.required_text("activityArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    members.finish()?;

    arn::activity(&activity_arn)?;
    let activity = context.shared.engine.describe_activity(&context.scope, &activity_arn).await?;
    encode(&Answer {
        activity_arn: &activity.arn,
        name: &activity.name,
        creation_date: Instant(activity.created_at),
        encryption_configuration: stored(&activity.encryption)?,
    })
}
