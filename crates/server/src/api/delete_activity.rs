//! `DeleteActivity`: answers for an activity that does not exist, too.

use skald_engine::DescribeActivityError;

use super::{ARN_LENGTH_MAX, Context, Empty, arn};
use crate::protocol::{ApiError, encode};
use crate::validation::{Members, Shown};

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let activity_arn = members.required_text("activityArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    members.finish()?;

    arn::activity(&activity_arn)?;
    match context.shared.engine.delete_activity(&context.scope, &activity_arn).await {
        // SOURCE: recorded: the second of two deletions answers as the first.
        Ok(()) | Err(DescribeActivityError::ActivityDoesNotExist(_)) => encode(&Empty {}),
        Err(error @ (DescribeActivityError::InvalidArn(_) | DescribeActivityError::InternalFailure(_))) => Err(error.into()),
    }
}
