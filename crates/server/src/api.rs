//! The operations: one file an action, each from its members to its answer.

mod arn;
mod create_state_machine;
mod update_state_machine;
mod delete_state_machine;
mod describe_state_machine;
mod list_state_machines;
mod validate_state_machine_definition;
mod describe_state_machine_for_execution;
mod start_execution;
mod start_sync_execution;
mod stop_execution;
mod describe_execution;
mod list_executions;
mod get_execution_history;
mod send_task_success;
mod send_task_failure;
mod send_task_heartbeat;
mod create_activity;
mod describe_activity;
mod delete_activity;
mod list_activities;
mod get_activity_task;

use std::pin::Pin;
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, StatusCode, header, request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::Value;
use skald_engine::Scope;
use skald_engine::page::PageRequest;
use strum::{EnumString, IntoStaticStr};

use crate::auth;
use crate::connection::Line;
use crate::page_token::Query;
use crate::protocol::{self, ApiError};
use crate::room::Place;
use crate::server::Shared;
use crate::validation::{Members, Shown};

/// The operations that are built, spelled as in `X-Amz-Target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr)]
pub(crate) enum Action {
    CreateStateMachine,
    UpdateStateMachine,
    DeleteStateMachine,
    DescribeStateMachine,
    ListStateMachines,
    ValidateStateMachineDefinition,
    DescribeStateMachineForExecution,
    StartExecution,
    StartSyncExecution,
    StopExecution,
    DescribeExecution,
    ListExecutions,
    GetExecutionHistory,
    SendTaskSuccess,
    SendTaskFailure,
    SendTaskHeartbeat,
    CreateActivity,
    DescribeActivity,
    DeleteActivity,
    ListActivities,
    GetActivityTask,
}

/// What an operation is given beside its members.
pub(crate) struct Context<'a> {
    shared: &'a Shared,
    scope: Scope,
    access_key: Option<String>,
    headers: &'a HeaderMap,
    line: &'a Line,
}

/// SOURCE: api.md, "Pagination, ordering, filters".
const PAGE_ITEMS_DEFAULT: i64 = 100;
const PAGE_ITEMS_MAX: i64 = 1_000;
/// SOURCE: API model: `Arn`, `Name`, `SensitiveData`, `SensitiveError`, `SensitiveCause`, `TaskToken`.
const ARN_LENGTH_MAX: usize = 256;
const NAME_LENGTH_MAX: usize = 80;
const DATA_BYTES_MAX: usize = 262_144;
const ERROR_LENGTH_MAX: usize = 256;
const CAUSE_LENGTH_MAX: usize = 32_768;
const TASK_TOKEN_LENGTH_MAX: usize = 2_048;
const DEFINITION_LENGTH_MAX: usize = 1_048_576;

/// Answers `POST /`.
pub(crate) async fn answer(shared: &Shared, head: &request::Parts, body: Incoming, id: &str, line: &Line) -> Response<Body> {
    let answer = perform(shared, head, body, line).await.and_then(|body| match shared.answers.take(body.len()) {
        Some(place) => Ok(place.hold(body)),
        // Waiting would hold what there is no room for.
        None => Err(ApiError::throttled()),
    });
    match answer {
        Ok(body) => protocol::json_response(StatusCode::OK, body),
        Err(error) => {
            if error.status.is_server_error() {
                tracing::warn!(request_id = id, error = error.kind, cause = error.cause, "a request failed");
            }
            error.response()
        }
    }
}

/// An operation that is being performed: the body of its answer.
type Acting<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, ApiError>> + Send + 'a>>;

async fn perform(shared: &Shared, head: &request::Parts, body: Incoming, line: &Line) -> Result<Vec<u8>, ApiError> {
    if head.method != Method::POST {
        return Err(
            ApiError::new("UnknownOperationException", "Operations are called with POST.").with_status(StatusCode::METHOD_NOT_ALLOWED)
        );
    }
    let headers = &head.headers;
    let action = action(headers)?;
    let caller = auth::caller(headers, &shared.config)?;
    let (body, place) = read_body(shared, headers, body).await?;
    line.taken();
    let members = Members::root(protocol::parse_body(&body)?);
    drop(body);
    // What a request was given is held until it is answered. Express executions have room of their own while they run.
    let _place = (action != Action::StartSyncExecution).then_some(place);
    let context = Context { shared, scope: caller.scope, access_key: caller.access_key, headers, line };
    let context = &context;
    // Boxed: a request takes the room that its own action needs, not that of the largest.
    let acting: Acting<'_> = match action {
        Action::CreateStateMachine => Box::pin(create_state_machine::call(context, members)),
        Action::UpdateStateMachine => Box::pin(update_state_machine::call(context, members)),
        Action::DeleteStateMachine => Box::pin(delete_state_machine::call(context, members)),
        Action::DescribeStateMachine => Box::pin(describe_state_machine::call(context, members)),
        Action::ListStateMachines => Box::pin(list_state_machines::call(context, members)),
        Action::ValidateStateMachineDefinition => Box::pin(validate_state_machine_definition::call(context, members)),
        Action::DescribeStateMachineForExecution => Box::pin(describe_state_machine_for_execution::call(context, members)),
        Action::StartExecution => Box::pin(start_execution::call(context, members)),
        Action::StartSyncExecution => Box::pin(start_sync_execution::call(context, members)),
        Action::StopExecution => Box::pin(stop_execution::call(context, members)),
        Action::DescribeExecution => Box::pin(describe_execution::call(context, members)),
        Action::ListExecutions => Box::pin(list_executions::call(context, members)),
        Action::GetExecutionHistory => Box::pin(get_execution_history::call(context, members)),
        Action::SendTaskSuccess => Box::pin(send_task_success::call(context, members)),
        Action::SendTaskFailure => Box::pin(send_task_failure::call(context, members)),
        Action::SendTaskHeartbeat => Box::pin(send_task_heartbeat::call(context, members)),
        Action::CreateActivity => Box::pin(create_activity::call(context, members)),
        Action::DescribeActivity => Box::pin(describe_activity::call(context, members)),
        Action::DeleteActivity => Box::pin(delete_activity::call(context, members)),
        Action::ListActivities => Box::pin(list_activities::call(context, members)),
        Action::GetActivityTask => Box::pin(get_activity_task::call(context, members)),
    };
    acting.await
}

fn action(headers: &HeaderMap) -> Result<Action, ApiError> {
    let name = protocol::action_name(headers)?;
    name.parse().map_err(|_| {
        let shown: String = name.chars().take(NAME_LENGTH_MAX).collect();
        ApiError::new("UnknownOperationException", format!("Skald has no operation {shown}, or has not built it yet."))
    })
}

/// The whole body and its place, within the limits on size and on the time that waiting and reading may take.
async fn read_body(shared: &Shared, headers: &HeaderMap, body: Incoming) -> Result<(Bytes, Place), ApiError> {
    let limits = &shared.config.limits;
    let too_large = || {
        ApiError::new("RequestEntityTooLargeException", format!("A request has at most {} bytes.", limits.body_bytes_max))
            .with_status(StatusCode::PAYLOAD_TOO_LARGE)
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > limits.body_bytes_max as u64) {
        return Err(too_large());
    }
    let deadline = tokio::time::Instant::now() + limits.body_timeout;
    // Nothing of the body is read before there is a place for all of it.
    let expected = match (declared, headers.contains_key(header::TRANSFER_ENCODING)) {
        (Some(bytes), _) => usize::try_from(bytes).unwrap_or(usize::MAX),
        (None, true) => limits.body_bytes_max,
        (None, false) => 0,
    };
    let Ok(place) = tokio::time::timeout_at(deadline, shared.bodies.wait(expected)).await else { return Err(ApiError::throttled()) };
    let collecting = Limited::new(body, limits.body_bytes_max).collect();
    match tokio::time::timeout_at(deadline, collecting).await {
        Ok(Ok(collected)) => Ok((collected.to_bytes(), place)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::serialization("The request's body ended early.")),
        Err(_) => Err(ApiError::new("RequestTimeout", "The request's body took too long.").with_status(StatusCode::REQUEST_TIMEOUT)),
    }
}

/// The page that a list's request asks for, before its token is looked into.
struct Paging {
    limit: usize,
    token: Option<String>,
}

impl Paging {
    fn read(members: &mut Members, token_length_max: usize) -> Result<Self, ApiError> {
        let limit = members.integer("maxResults", 0..=PAGE_ITEMS_MAX)?.filter(|limit| *limit != 0);
        let token = members.text("nextToken", 1..=token_length_max, Shown::Plain)?;
        let limit = usize::try_from(limit.unwrap_or(PAGE_ITEMS_DEFAULT)).unwrap_or(1);
        Ok(Self { limit, token })
    }

    fn request(&self, query: &Query) -> Result<PageRequest, ApiError> {
        let cursor = self.token.as_deref().map(|token| query.accept(token, now_millis())).transpose()?;
        Ok(PageRequest { limit: self.limit, cursor })
    }
}

fn next_token(query: &Query, cursor: Option<&[u8]>) -> Option<String> {
    cursor.map(|cursor| query.issue(cursor, now_millis()))
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A text of a document under the limit in bytes, which the framework words as it words lengths.
fn check_bytes(text: &str, name: &str) -> Result<(), ApiError> {
    if text.len() <= DATA_BYTES_MAX {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "1 validation error detected: Value at '{name}' failed to satisfy constraint: \
         Member must have length less than or equal to {DATA_BYTES_MAX}"
    )))
}

/// `includedData`: whether definitions and payloads are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Included {
    AllData,
    MetadataOnly,
}

impl Included {
    fn read(members: &mut Members) -> Result<Self, ApiError> {
        match members.one_of("includedData", &["ALL_DATA", "METADATA_ONLY"])? {
            Some("METADATA_ONLY") => Ok(Self::MetadataOnly),
            _ => Ok(Self::AllData),
        }
    }
}

/// `inputDetails` and `outputDetails`.
#[derive(Clone, Copy, Serialize)]
struct Details {
    included: bool,
}

/// A configuration's stored text, as a part of an answer.
fn stored(text: &str) -> Result<Value, ApiError> {
    serde_json::from_str(text).map_err(|error| ApiError::internal(format!("a stored configuration is no JSON: {error}")))
}

/// The answer of operations that say nothing.
#[derive(Serialize)]
struct Empty {}
