//! `ListExecutions`.

use serde::Serialize;
use skald_engine::execution::{ExecutionStatus, Listed};

use super::{ARN_LENGTH_MAX, Context, Paging, arn, next_token};
use crate::page_token::{List, Query};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::{Members, Shown};

/// SOURCE: API model, `ListExecutionsPageToken`.
const TOKEN_LENGTH_MAX: usize = 3_096;
/// SOURCE: API model, `LongArn`.
const LONG_ARN_LENGTH_MAX: usize = 2_000;
/// SOURCE: recorded `ListExecutions` with the filter `succeeded`: AWS lists the words in this order.
const STATUSES: [&str; 6] = ["SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    executions: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    execution_arn: &'a str,
    state_machine_arn: &'a str,
    name: &'a str,
    status: &'static str,
    start_date: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_date: Option<Instant>,
    redrive_count: u32,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let machine_arn = members.text("stateMachineArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let status_filter = members.one_of("statusFilter", &STATUSES)?;
    let paging = Paging::read(&mut members, TOKEN_LENGTH_MAX)?;
    let map_run_arn = members.text("mapRunArn", 1..=LONG_ARN_LENGTH_MAX, Shown::Plain)?;
    let redrive_filter = members.one_of("redriveFilter", &["REDRIVEN", "NOT_REDRIVEN"])?;
    members.finish()?;

    let machine_arn = match (machine_arn, map_run_arn) {
        (Some(machine_arn), None) => machine_arn,
        (None, Some(map_run_arn)) => {
            arn::map_run(&map_run_arn)?;
            // There are no map runs yet, so none exists.
            return Err(ApiError::new("ResourceNotFound", "Request references a resource that does not exist.")
                .with_detail("resourceName", map_run_arn));
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(ApiError::validation("Must provide exactly one of a State Machine ARN and a Map Run ARN"));
        }
    };
    arn::existing_machine(&machine_arn)?;
    if redrive_filter.is_some() {
        return Err(ApiError::validation("redriveFilter can only be used with a Map Run ARN"));
    }
    let status = status_filter.map(status).transpose()?;
    let query = Query::new(List::Executions, &context.scope, &[&machine_arn, status_filter.unwrap_or("")]);
    let request = paging.request(&query)?;
    let page = context.shared.engine.list_executions(&context.scope, &machine_arn, status, request).await?;
    encode(&Answer { executions: page.items.iter().map(item).collect(), next_token: next_token(&query, page.next.as_deref()) })
}

fn status(filter: &str) -> Result<ExecutionStatus, ApiError> {
    match filter {
        "RUNNING" => Ok(ExecutionStatus::Running),
        "SUCCEEDED" => Ok(ExecutionStatus::Succeeded),
        "FAILED" => Ok(ExecutionStatus::Failed),
        "TIMED_OUT" => Ok(ExecutionStatus::TimedOut),
        "ABORTED" => Ok(ExecutionStatus::Aborted),
        _ => Err(ApiError::validation("The status PENDING_REDRIVE can only be used with a Map Run ARN")),
    }
}

fn item(listed: &Listed) -> Item<'_> {
    Item {
        execution_arn: &listed.execution_arn,
        state_machine_arn: &listed.machine_arn,
        name: &listed.name,
        status: listed.status.as_str(),
        start_date: Instant(listed.started_at),
        stop_date: listed.stopped_at.map(Instant),
        redrive_count: 0,
    }
}
