//! `DescribeExecution`.

use serde::Serialize;
use skald_query::Payload;

use super::{ARN_LENGTH_MAX, Context, Details, Included, arn};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::{Members, Shown};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    execution_arn: &'a str,
    state_machine_arn: &'a str,
    name: &'a str,
    status: &'static str,
    start_date: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_date: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_header: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    redrive_count: u32,
    redrive_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_status_reason: Option<&'static str>,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let execution_arn = members.required_text("executionArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let included = Included::read(&mut members)?;
    members.finish()?;

    arn::execution(&execution_arn)?;
    let described = context.shared.engine.describe_execution(&context.scope, &execution_arn).await?;
    let is_shown = included == Included::AllData;
    let input = is_shown.then(|| described.input.text());
    let output = described.output.as_ref().filter(|_| is_shown).map(Payload::text);
    let (redrive_status, redrive_status_reason) = described.listed.status.redrive();
    encode(&Answer {
        execution_arn: &described.listed.execution_arn,
        state_machine_arn: &described.listed.machine_arn,
        name: &described.listed.name,
        status: described.listed.status.as_str(),
        start_date: Instant(described.listed.started_at),
        stop_date: described.listed.stopped_at.map(Instant),
        input,
        input_details: input.map(|_| Details { included: true }),
        output,
        output_details: output.map(|_| Details { included: true }),
        trace_header: described.trace_header.as_deref(),
        error: described.error.as_deref().filter(|_| is_shown),
        cause: described.cause.as_deref().filter(|_| is_shown),
        redrive_count: 0,
        redrive_status,
        redrive_status_reason,
    })
}
