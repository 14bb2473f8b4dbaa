//! `GetActivityTask`: waits for a task, and knows whether the answer reached the worker's socket.

use serde::Serialize;

use super::{ARN_LENGTH_MAX, Context, NAME_LENGTH_MAX, arn};
use crate::protocol::{ApiError, encode};
use crate::validation::{Members, Shown};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    /// Null when there was no task. SOURCE: API reference, `GetActivityTask`.
    task_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let activity_arn = members.required_text("activityArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let worker_name = members.text("workerName", 1..=NAME_LENGTH_MAX, Shown::Plain)?;
    members.finish()?;

    arn::activity(&activity_arn)?;
    let patience = context.shared.config.limits.poll_patience;
    let polling = context.shared.engine.poll_activity(&context.scope, &activity_arn, worker_name, patience);
    // A worker that goes away drops this future, and with it the task that was on its way.
    let task = tokio::select! {
        biased;
        task = polling => task?,
        () = context.shared.until_draining() => None,
    };
    let Some(task) = task else {
        return encode(&Answer { task_token: None, input: None });
    };
    let body = encode(&Answer { task_token: Some(&task.token), input: Some(task.input.text()) })?;
    context.line.deliver(task.delivery);
    Ok(body)
}
