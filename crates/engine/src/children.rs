//! Executions that start executions: `states:startExecution`, and how parent and child hear of each other.
//!
//! A child names the task that waits for it by the task's token. Once it has ended it owes that task a report, and stays
//! open until the parent's owner has taken it; the parent may be parked meanwhile. A report that comes before the parent has
//! recorded which child it has changes nothing: as soon as that is recorded, the parent looks for itself. So none is lost,
//! wherever either of them crashes.
//!
//! A name may lead to an execution that somebody else started, with the same input. It reports to nobody here: its end is
//! polled for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use skald_asl::states::{Pattern, Resource};
use skald_integrations::{Call, Outcome};
use skald_interpreter::note::{Parent, ReportForm};
use skald_interpreter::{EventId, Identity, Status, TaskAnswer};
use skald_query::Payload;
use skald_store::EntityId;

use crate::admission::Standing;
use crate::engine::{Engine, Refused};
use crate::error::{DescribeExecutionError, StartExecutionError, StopExecutionError};
use crate::execution::{StartExecution, Started};
use crate::live;
use crate::owner::{Question, Reply};
use crate::scope::Scope;
use crate::token::Token;

/// The pause before what was refused for want of room, or came to nothing, is tried again.
const AGAIN_PAUSE: Duration = Duration::from_millis(200);
/// Executions that do not report are looked at in pauses that double from here …
const POLL_PAUSE_FIRST: Duration = Duration::from_millis(500);
/// … to here. SOURCE: our own.
const POLL_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Whether the engine itself does what this task asks for.
pub(crate) fn is_start(resource: &Resource) -> bool {
    match resource {
        Resource::Service { service, action, .. } => service == "states" && action == "startExecution",
        Resource::Lambda { .. } | Resource::Activity { .. } => false,
    }
}

/// A task that starts an execution.
pub(crate) struct Starting {
    pub(crate) engine: Engine,
    pub(crate) task: Token,
    pub(crate) call: Arc<Call>,
}

impl Starting {
    /// Starts the child; the same one whenever it is asked again.
    pub(crate) async fn start(&self) -> Outcome {
        let parameters = self.call.parameters.value();
        let text = |name: &str| parameters.get(name).and_then(Value::as_str).map(str::to_owned);
        let request = StartExecution {
            machine_arn: text("StateMachineArn").unwrap_or_default(),
            name: text("Name"),
            input: match parameters.get("Input") {
                // SOURCE: recorded: null is no input, a string is JSON text already.
                None | Some(Value::Null) => Payload::empty_object(),
                Some(Value::String(text)) => match Payload::parse(text.as_str()) {
                    Ok(input) => input,
                    Err(reason) => {
                        let message = format!("Invalid State Machine Execution Input: '{reason}'");
                        return refused("InvalidExecutionInput", &message, &self.call.request_id);
                    }
                },
                Some(input) => Payload::from_value(input.clone()),
            },
            trace_header: text("TraceHeader"),
            starter_key: Some(format!("task {} {} {}", self.task.entity, self.task.scheduled, self.task.nonce)),
            parent: self.parent(),
        };
        let scope = self.scope();
        loop {
            match self.engine.start(&scope, request.clone(), Standing::Child).await {
                Ok(started) => return Outcome::Succeeded { output: answer(&started, &self.call.request_id) },
                Err(_) if self.engine.is_stopping() => return Outcome::GaveUp,
                // The parent was let in: its child waits for room instead of failing.
                Err(StartExecutionError::ThrottlingException) => {}
                Err(StartExecutionError::InternalFailure(fault)) => tracing::error!(%fault, "a child execution cannot be started yet"),
                Err(
                    error @ (StartExecutionError::InvalidArn(_)
                    | StartExecutionError::InvalidName(_)
                    | StartExecutionError::ExecutionAlreadyExists(_)
                    | StartExecutionError::StateMachineDoesNotExist(_)
                    | StartExecutionError::StateMachineDeleting(_)
                    | StartExecutionError::StateMachineTypeNotSupported),
                ) => return refused((&error).into(), &error.to_string(), &self.call.request_id),
            }
            tokio::time::sleep(AGAIN_PAUSE).await;
        }
    }

    /// Waits for the end of a child that will not report it; nothing for one that will.
    pub(crate) async fn look(&self, submitted: &Payload) -> Option<Outcome> {
        let mut pause = POLL_PAUSE_FIRST;
        loop {
            match self.engine.execution(&self.scope(), &child_arn(submitted)).await {
                Ok((identity, status)) => {
                    if let Some(answer) = report(&identity, &status, self.form()?) {
                        return Some(outcome_of(answer));
                    }
                    if identity.origin.parent == self.parent() {
                        return None;
                    }
                }
                Err(error @ (DescribeExecutionError::InvalidArn(_) | DescribeExecutionError::ExecutionDoesNotExist(_))) => {
                    return Some(Outcome::Failed { error: TASK_FAILED.to_owned(), cause: error.to_string() });
                }
                Err(DescribeExecutionError::InternalFailure(fault)) => tracing::error!(%fault, "a child execution cannot be read yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL_PAUSE_MAX);
        }
    }

    /// Stops a child that nobody waits for any more.
    pub(crate) async fn stop(&self, submitted: &Payload) -> Result<(), String> {
        match self.engine.stop_execution(&self.scope(), &child_arn(submitted), None, None).await {
            Ok(_) | Err(StopExecutionError::InvalidArn(_) | StopExecutionError::ExecutionDoesNotExist(_)) => Ok(()),
            Err(error @ (StopExecutionError::ThrottlingException | StopExecutionError::InternalFailure(_))) => Err(error.to_string()),
        }
    }

    fn parent(&self) -> Option<Parent> {
        Some(Parent { token: self.engine.mint(self.task), form: self.form()? })
    }

    /// None when nobody waits for the child's end.
    fn form(&self) -> Option<ReportForm> {
        match &self.call.resource {
            Resource::Service { pattern: Pattern::Sync, .. } => Some(ReportForm::Text),
            Resource::Service { pattern: Pattern::Sync2, .. } => Some(ReportForm::Json),
            Resource::Service { pattern: Pattern::RequestResponse | Pattern::WaitForTaskToken, .. }
            | Resource::Lambda { .. }
            | Resource::Activity { .. } => None,
        }
    }

    /// The account is that of the role the call is made with.
    fn scope(&self) -> Scope {
        let role = self.call.credentials_role_arn.as_deref().unwrap_or(&self.call.role_arn);
        let mut parts = role.split(':').skip(1);
        let partition = parts.next().filter(|partition| !partition.is_empty()).unwrap_or("aws").to_owned();
        let account = parts.nth(2).filter(|account| !account.is_empty() && self.call.credentials_role_arn.is_some());
        let account = account.unwrap_or(&self.call.account).to_owned();
        Scope { partition, account, region: self.call.region.clone() }
    }
}

/// Tells the parent's task what became of its child, until its owner has taken it.
pub(crate) async fn tell(engine: &Engine, parent: &Parent, identity: &Identity, status: &Status) {
    let Some(answer) = report(identity, status, parent.form) else { return };
    let Ok(Token { entity, scheduled, nonce }) = engine.verify(&parent.token) else {
        tracing::error!(execution = identity.execution_arn, "its parent's token is none of this store's: nobody is told of its end");
        return;
    };
    let mut pause = AGAIN_PAUSE;
    while !taken(engine, entity, scheduled, nonce, answer.clone()).await {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(POLL_PAUSE_MAX);
    }
}

async fn taken(engine: &Engine, entity: EntityId, scheduled: EventId, nonce: u64, answer: TaskAnswer) -> bool {
    match engine.ask(entity, Question::JobEnded { scheduled, nonce, answer }).await {
        Ok(Reply::Done | Reply::TaskClosed | Reply::Missing | Reply::Stopped { .. } | Reply::Task(_)) => true,
        Err(Refused::Full) => false,
        Err(Refused::Fault(fault)) => {
            tracing::warn!(%fault, "a parent execution could not be told of its child's end yet");
            false
        }
    }
}

/// SOURCE: integrations.md §2: whatever a job ends with but success.
const TASK_FAILED: &str = "States.TaskFailed";

/// The description of an ended execution, as the result or the cause of its parent's task; none of one that runs.
///
/// SOURCE: recorded: the members and their order, `callback.json` and `local_mocking.json`.
fn report(identity: &Identity, status: &Status, form: ReportForm) -> Option<TaskAnswer> {
    let described = live::describe(identity, status);
    let stopped_at = described.listed.stopped_at?;
    let shown = |payload: &Payload| match form {
        ReportForm::Text => Value::from(payload.text()),
        ReportForm::Json => payload.value().clone(),
    };
    let (redrive_status, redrive_reason) = described.listed.status.redrive();
    let members = [
        ("Cause", described.cause.as_deref().map(Value::from)),
        ("Error", described.error.as_deref().map(Value::from)),
        ("ExecutionArn", Some(Value::from(described.listed.execution_arn))),
        ("Input", Some(shown(&described.input))),
        ("InputDetails", Some(json!({ "Included": true }))),
        ("Name", Some(Value::from(described.listed.name))),
        ("Output", described.output.as_ref().map(shown)),
        ("OutputDetails", described.output.as_ref().map(|_| json!({ "Included": true }))),
        ("RedriveCount", Some(Value::from(0))),
        ("RedriveStatus", Some(Value::from(redrive_status))),
        ("RedriveStatusReason", redrive_reason.map(Value::from)),
        ("StartDate", Some(Value::from(described.listed.started_at.millis))),
        ("StateMachineArn", Some(Value::from(described.listed.machine_arn))),
        ("Status", Some(Value::from(described.listed.status.as_str()))),
        ("StopDate", Some(Value::from(stopped_at.millis))),
        ("TraceHeader", described.trace_header.map(Value::from)),
    ];
    let members: Map<String, Value> = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let description = Payload::from_value(Value::Object(members));
    Some(match status {
        Status::Succeeded { .. } => TaskAnswer::Succeeded { output: description },
        Status::Unborn | Status::Running | Status::Failed { .. } | Status::TimedOut { .. } | Status::Aborted { .. } => {
            TaskAnswer::Failed { error: Some(TASK_FAILED.to_owned()), cause: Some(description.text().to_owned()) }
        }
    })
}

fn outcome_of(answer: TaskAnswer) -> Outcome {
    match answer {
        TaskAnswer::Succeeded { output } => Outcome::Succeeded { output },
        TaskAnswer::Failed { error, cause } => Outcome::Failed { error: error.unwrap_or_default(), cause: cause.unwrap_or_default() },
    }
}

fn child_arn(submitted: &Payload) -> String {
    submitted.value().get("ExecutionArn").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// SOURCE: recorded, `callback.json`: the answer of an AWS endpoint over HTTP.
fn answer(started: &Started, request_id: &str) -> Payload {
    // Of `{"executionArn":"…","startDate":1.688136000123E9}`.
    let body_length = (started.execution_arn.len() + 48).to_string();
    let date = skald_aws::date::http_date(u64::try_from(started.started_at.millis / 1_000).unwrap_or(0));
    let content_type = "application/x-amz-json-1.0";
    Payload::from_value(json!({
        "ExecutionArn": started.execution_arn,
        "SdkHttpMetadata": {
            "AllHttpHeaders": {
                "x-amzn-RequestId": [request_id],
                "connection": ["keep-alive"],
                "Content-Length": [body_length],
                "Date": [date],
                "Content-Type": [content_type],
            },
            "HttpHeaders": {
                "connection": "keep-alive",
                "Content-Length": body_length,
                "Content-Type": content_type,
                "Date": date,
                "x-amzn-RequestId": request_id,
            },
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": { "RequestId": request_id },
        "StartDate": started.started_at.millis,
    }))
}

/// SOURCE: integrations.md §4, states:startExecution: names and causes of refusals.
fn refused(code: &str, message: &str, request_id: &str) -> Outcome {
    let error = format!("StepFunctions.{}Exception", code.trim_end_matches("Exception"));
    let cause =
        format!("{message} (Service: AWSStepFunctions; Status Code: 400; Error Code: {code}; Request ID: {request_id}; Proxy: null)");
    Outcome::Failed { error, cause }
}
