//! `StartExecution`.

use axum::http::HeaderMap;
use serde::Serialize;
use skald_engine::execution::StartExecution;
use skald_query::Payload;

use super::{ARN_LENGTH_MAX, Context, DATA_BYTES_MAX, NAME_LENGTH_MAX, arn, check_bytes};
use crate::protocol::{ApiError, Instant, encode};
use crate::syntax;
use crate::validation::{Members, Shown};

/// SOURCE: API model, `TraceHeader`.
const TRACE_HEADER_LENGTH_MAX: usize = 256;
/// SDKs send a UUID; anything much longer is no invocation id.
const INVOCATION_ID_LENGTH_MAX: usize = 128;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    execution_arn: &'a str,
    start_date: Instant,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let start = Start::read(&mut members)?;
    members.finish()?;

    let request = start.request(context)?;
    let starter_key = if request.name.is_none() { starter_key(context) } else { None };
    let request = StartExecution { starter_key, ..request };
    let started = context.shared.engine.start_execution(&context.scope, request).await?;
    encode(&Answer { execution_arn: &started.execution_arn, start_date: Instant(started.started_at) })
}

/// What all ways to start an execution are told.
pub(super) struct Start {
    machine_arn: String,
    name: Option<String>,
    input: Option<String>,
    trace_header: Option<String>,
}

impl Start {
    pub(super) fn read(members: &mut Members) -> Result<Self, ApiError> {
        let machine_arn = members.required_text("stateMachineArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
        let name = members.text("name", 1..=NAME_LENGTH_MAX, Shown::Plain)?;
        let input = members.text("input", 0..=DATA_BYTES_MAX, Shown::Sensitive)?;
        let trace_header = members.text("traceHeader", 0..=TRACE_HEADER_LENGTH_MAX, Shown::Plain)?;
        if let Some(text) = trace_header.as_deref().filter(|text| !text.is_ascii()) {
            members.violate(&format!("Value '{text}'"), "traceHeader", "satisfy regular expression pattern: \\p{ASCII}*");
        }
        Ok(Self { machine_arn, name, input, trace_header })
    }

    pub(super) fn request(self, context: &Context<'_>) -> Result<StartExecution, ApiError> {
        let Self { machine_arn, name, input, trace_header } = self;
        arn::existing_machine(&machine_arn)?;
        if let Some(name) = name.as_deref().filter(|name| skald_aws::name::check(name).is_err()) {
            return Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")));
        }
        // SOURCE: api.md, wire protocol, "Trace": the HTTP header wins.
        let trace_header = http_trace_header(context.headers).or(trace_header);
        Ok(StartExecution { machine_arn, name, input: read_input(input)?, trace_header, starter_key: None, parent: None })
    }
}

fn read_input(input: Option<String>) -> Result<Payload, ApiError> {
    let Some(input) = input else { return Ok(Payload::empty_object()) };
    check_bytes(&input, "input")?;
    let parsed = match input.trim_ascii().is_empty() {
        true => Err("Invalid execution input.".to_owned()),
        false => syntax::parse_document(input),
    };
    parsed.map_err(|reason| ApiError::new("InvalidExecutionInput", format!("Invalid State Machine Execution Input: '{reason}'")))
}

/// An SDK repeats a call with the same invocation id: one of them starts.
fn starter_key(context: &Context<'_>) -> Option<String> {
    let invocation = ascii_header(context.headers, "amz-sdk-invocation-id", INVOCATION_ID_LENGTH_MAX)?;
    Some(format!("{}/{invocation}", context.access_key.as_deref().unwrap_or("")))
}

fn http_trace_header(headers: &HeaderMap) -> Option<String> {
    ascii_header(headers, "x-amzn-trace-id", TRACE_HEADER_LENGTH_MAX).map(str::to_owned)
}

fn ascii_header<'a>(headers: &'a HeaderMap, name: &str, length_max: usize) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|text| (1..=length_max).contains(&text.len()))
}
