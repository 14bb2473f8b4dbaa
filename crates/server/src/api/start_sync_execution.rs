//! `StartSyncExecution`.

use serde::Serialize;
use skald_asl::Timestamp;
use skald_query::Payload;

use super::start_execution::Start;
use super::{Context, Details, Included};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::Members;

/// SOURCE: api.md, `StartSyncExecution`.
const BILLED_MILLIS_UNIT: u64 = 100;
/// SOURCE: recorded: an execution without large payloads is billed with the smallest unit.
const BILLED_MEMORY_MB: u32 = 64;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    execution_arn: &'a str,
    state_machine_arn: &'a str,
    name: &'a str,
    start_date: Instant,
    stop_date: Instant,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
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
    billing_details: BillingDetails,
}

#[derive(Serialize)]
struct BillingDetails {
    #[serde(rename = "billedMemoryUsedInMB")]
    memory: u32,
    #[serde(rename = "billedDurationInMilliseconds")]
    duration: u64,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let start = Start::read(&mut members)?;
    let included = Included::read(&mut members)?;
    members.finish()?;

    let request = start.request(context)?;
    let described = context.shared.engine.start_sync_execution(&context.scope, request).await?;
    let listed = &described.listed;
    let stopped_at = listed.stopped_at.unwrap_or(listed.started_at);
    let is_shown = included == Included::AllData;
    // SOURCE: recorded: an execution without an output has its details, too.
    let details = is_shown.then_some(Details { included: true });
    encode(&Answer {
        execution_arn: &listed.execution_arn,
        state_machine_arn: &listed.machine_arn,
        name: &listed.name,
        start_date: Instant(listed.started_at),
        stop_date: Instant(stopped_at),
        status: listed.status.as_str(),
        error: described.error.as_deref().filter(|_| is_shown),
        cause: described.cause.as_deref().filter(|_| is_shown),
        input: is_shown.then(|| described.input.text()),
        input_details: details,
        output: described.output.as_ref().filter(|_| is_shown).map(Payload::text),
        output_details: details,
        trace_header: described.trace_header.as_deref(),
        billing_details: BillingDetails { memory: BILLED_MEMORY_MB, duration: billed_millis(listed.started_at, stopped_at) },
    })
}

/// The smallest unit at least.
fn billed_millis(started_at: Timestamp, stopped_at: Timestamp) -> u64 {
    let millis = u64::try_from(stopped_at.millis.saturating_sub(started_at.millis)).unwrap_or(0);
    millis.max(1).next_multiple_of(BILLED_MILLIS_UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_billed_by_the_started_unit() {
        for (millis, billed) in [(0, 100), (1, 100), (100, 100), (101, 200), (300_000, 300_000)] {
            assert_eq!(billed_millis(Timestamp::from_millis(5), Timestamp::from_millis(5 + millis)), billed);
        }
    }
}
