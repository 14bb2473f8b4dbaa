//! Task: schedules a call, and reacts to whatever answers it: the call, a token, a worker, the clock.

use std::sync::Arc;

use serde_json::{Map, Value};
use skald_asl::data_flow::{DataFlow, Number};
use skald_asl::definition::StateKind;
use skald_asl::states::{Pattern, Resource, TIMEOUT_SECONDS_MAX, Task};
use skald_query::Payload;

use crate::command::TaskAnswer;
use crate::data_flow::States;
use crate::decide::{Halt, Slice, checked, clipped};
use crate::event::{Completion, ErrorDetails, EventKind, FrameId, ServiceResource, StateType, TaskPlan};
use crate::execution::answers_by_token;
use crate::failure::{Failure, FailureKind};
use crate::frame::{Phase, RunningTask, Target};
use crate::note::Note;
use crate::scope::Scope;

/// SOURCE: integrations.md §4.
const LAMBDA_INVOKE_PARAMETERS: [&str; 6] = ["FunctionName", "Payload", "Qualifier", "InvocationType", "ClientContext", "LogType"];
const START_EXECUTION_PARAMETERS: [&str; 4] = ["StateMachineArn", "Name", "Input", "TraceHeader"];

pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, task: &Task, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Task, name, raw, None)?;
    schedule(slice, frame, task)
}

/// Schedules an attempt: on entering, and again on each retry.
pub(crate) fn schedule(slice: &mut Slice<'_, '_, '_>, frame: FrameId, task: &Task) -> Result<(), Halt> {
    let nonce = slice.dice.borrow_mut().roll();
    let scheduled = slice.execution.last_event + 1;
    let mut scope = slice.scope(frame);
    if waits_for_token(&task.resource) {
        scope.task_token = Some(slice.context.world.mint_token(scheduled, nonce));
    }
    let raw = &slice.visit(frame).input;
    let parameters = scope.arguments(&task.flow, raw)?;
    let input = scope.input(&task.flow, raw)?;
    let timeout_seconds = task.timeout.as_ref().map(|number| seconds(&scope, "TimeoutSeconds", number, &input)).transpose()?;
    let heartbeat_seconds = task.heartbeat.as_ref().map(|number| seconds(&scope, "HeartbeatSeconds", number, &input)).transpose()?;
    let credentials_role_arn = credentials_role_arn(&scope, task, &input)?;
    slice.check_size(frame, &parameters)?;
    let parameters = parameters.light();
    if let Some(reason) = unfit_parameters(&task.resource, &parameters) {
        return Err(Halt::Failed(scope.runtime(&reason)));
    }
    let plan = TaskPlan {
        nonce,
        deadline: timeout_seconds.map(|seconds| slice.now.plus_seconds(seconds)),
        heartbeat_ms: heartbeat_seconds.map(|seconds| seconds.saturating_mul(1_000)),
    };
    let previous = slice.last(frame);
    match &task.resource {
        Resource::Lambda { arn } => {
            let resource = arn.clone();
            let scheduled = EventKind::LambdaFunctionScheduled { resource, input: parameters, timeout_seconds, credentials_role_arn, plan };
            let scheduled = slice.event(frame, previous, scheduled)?;
            slice.event(frame, scheduled, EventKind::LambdaFunctionStarted)?;
        }
        Resource::Service { service, action, pattern } => {
            let resource =
                ServiceResource { resource_type: service.as_str().into(), resource: format!("{action}{}", pattern.suffix()).into() };
            let started = EventKind::TaskStarted { resource: resource.clone() };
            let region = slice.identity().origin.region.clone();
            let completion = completion(*pattern);
            let scheduled = EventKind::TaskScheduled {
                resource,
                region,
                parameters,
                timeout_seconds,
                heartbeat_seconds,
                credentials_role_arn,
                completion,
                plan,
            };
            let scheduled = slice.event(frame, previous, scheduled)?;
            slice.event(frame, scheduled, started)?;
        }
        Resource::Activity { arn } => {
            if !slice.context.world.activity_exists(arn) {
                let gone = slice.scope(frame).runtime(&format!("The activity {arn} does not exist."));
                return Err(Halt::Failed(gone));
            }
            let resource = arn.clone();
            slice.event(
                frame,
                previous,
                EventKind::ActivityScheduled { resource, input: parameters, timeout_seconds, heartbeat_seconds, plan },
            )?;
        }
    }
    Ok(())
}

/// The call came back.
pub(crate) fn call_answered(slice: &mut Slice<'_, '_, '_>, frame: FrameId, answer: TaskAnswer) -> Result<(), Halt> {
    let Some(task) = running(slice, frame) else { return Ok(()) };
    match (&task.target, &task.phase) {
        (Target::Lambda { .. } | Target::Service { completion: Completion::Response, .. }, _) => finish(slice, frame, &task, answer),
        (Target::Service { resource, .. }, Phase::Scheduled | Phase::Started) => match answer {
            TaskAnswer::Succeeded { output } => {
                slice.event(frame, slice.last(frame), EventKind::TaskSubmitted { resource: resource.clone(), output })?;
                Ok(())
            }
            TaskAnswer::Failed { .. } => finish(slice, frame, &task, answer),
        },
        // A repeated call's second answer; and an activity is never called.
        (Target::Service { .. }, Phase::Submitted { .. } | Phase::Delivered) | (Target::Activity { .. }, _) => Ok(()),
    }
}

/// The job came to its end.
pub(crate) fn job_ended(slice: &mut Slice<'_, '_, '_>, frame: FrameId, answer: TaskAnswer) -> Result<(), Halt> {
    let Some(task) = running(slice, frame) else { return Ok(()) };
    match (&task.target, &task.phase) {
        (Target::Service { completion: Completion::Job, .. }, Phase::Submitted { .. }) => finish(slice, frame, &task, answer),
        (Target::Lambda { .. } | Target::Service { .. } | Target::Activity { .. }, _) => Ok(()),
    }
}

/// `SendTaskSuccess` or `SendTaskFailure`.
pub(crate) fn token_answered(slice: &mut Slice<'_, '_, '_>, frame: FrameId, nonce: u64, answer: TaskAnswer) -> Result<(), Halt> {
    match running(slice, frame) {
        Some(task) if task.plan.nonce == nonce && answers_by_token(&task.target) => finish(slice, frame, &task, answer),
        // Forged, or from before a restored backup.
        Some(_) | None => Ok(()),
    }
}

/// A worker has polled the task: the first time is an event, again is not.
pub(crate) fn activity_started(slice: &mut Slice<'_, '_, '_>, frame: FrameId, worker_name: Option<String>) -> Result<(), Halt> {
    let Some(task) = running(slice, frame) else { return Ok(()) };
    if matches!((&task.target, &task.phase), (Target::Activity { .. }, Phase::Scheduled)) {
        slice.event(frame, slice.last(frame), EventKind::ActivityStarted { worker_name })?;
    }
    Ok(())
}

/// The polled task is in the worker's hands.
pub(crate) fn delivered(slice: &mut Slice<'_, '_, '_>, frame: FrameId) -> Result<(), Halt> {
    let Some(task) = running(slice, frame) else { return Ok(()) };
    if matches!((&task.target, &task.phase), (Target::Activity { .. }, Phase::Started)) {
        slice.note(Note::Delivered { scheduled: task.scheduled });
    }
    Ok(())
}

pub(crate) fn heartbeat_missed(slice: &mut Slice<'_, '_, '_>, frame: FrameId) -> Result<(), Halt> {
    match running(slice, frame) {
        Some(task) if task.plan.heartbeat_ms.is_some() => run_out(slice, frame, &task, FailureKind::Heartbeat),
        Some(_) | None => Ok(()),
    }
}

pub(crate) fn timed_out(slice: &mut Slice<'_, '_, '_>, frame: FrameId) -> Result<(), Halt> {
    match running(slice, frame) {
        Some(task) => run_out(slice, frame, &task, FailureKind::Timeout),
        None => Ok(()),
    }
}

/// A time-out is recorded with its error and without a cause. SOURCE: history.md §3.
fn run_out(slice: &mut Slice<'_, '_, '_>, frame: FrameId, task: &RunningTask, kind: FailureKind) -> Result<(), Halt> {
    let failure = Failure::timeout(kind);
    let details = ErrorDetails { error: failure.error.clone(), cause: None };
    let event = match &task.target {
        Target::Lambda { .. } => EventKind::LambdaFunctionTimedOut(details),
        Target::Service { resource, .. } => EventKind::TaskTimedOut { resource: resource.clone(), details },
        Target::Activity { .. } => EventKind::ActivityTimedOut(details),
    };
    slice.event(frame, slice.last(frame), event)?;
    Err(Halt::Failed(failure))
}

/// Records the end of the attempt; a result goes on through the state's data flow.
fn finish(slice: &mut Slice<'_, '_, '_>, frame: FrameId, task: &RunningTask, answer: TaskAnswer) -> Result<(), Halt> {
    let previous = slice.last(frame);
    let shown_name = match &task.target {
        Target::Lambda { arn } | Target::Activity { arn } => arn.as_str(),
        Target::Service { resource, .. } => &resource.resource_type,
    };
    match checked(answer, shown_name) {
        Ok(output) => {
            let event = match &task.target {
                Target::Lambda { .. } => EventKind::LambdaFunctionSucceeded { output: output.light() },
                Target::Service { resource, .. } => EventKind::TaskSucceeded { resource: resource.clone(), output: output.light() },
                Target::Activity { .. } => EventKind::ActivitySucceeded { output: output.light() },
            };
            slice.event(frame, previous, event)?;
            hand_on(slice, frame, &output)
        }
        Err(failure) => {
            let details = clipped(failure.error.clone(), failure.cause.clone());
            let failure = Failure { error: details.error.clone(), cause: details.cause.clone(), kind: failure.kind, location: None };
            let event = match &task.target {
                Target::Lambda { .. } => EventKind::LambdaFunctionFailed(details),
                Target::Service { resource, .. } => EventKind::TaskFailed { resource: resource.clone(), details },
                Target::Activity { .. } => EventKind::ActivityFailed(details),
            };
            slice.event(frame, previous, event)?;
            Err(Halt::Failed(failure))
        }
    }
}

fn hand_on(slice: &mut Slice<'_, '_, '_>, frame: FrameId, result: &Payload) -> Result<(), Halt> {
    let definition = Arc::clone(&slice.definition);
    let Some(StateKind::Task(task)) = slice.state_of(frame, &definition) else { return Ok(()) };
    let outcome = slice.scope(frame).leave_with_result(&task.flow, &task.assign, &slice.visit(frame).input, result)?;
    slice.exit(frame, StateType::Task, outcome, task.transition)
}

/// The role that the call is made with; none for the execution's own.
fn credentials_role_arn(scope: &Scope<'_>, task: &Task, input: &Payload) -> Result<Option<String>, Failure> {
    let Some(template) = &task.credentials else { return Ok(None) };
    let credentials = match &task.flow {
        DataFlow::JsonPath(_) => scope.template(Some(template), input)?,
        DataFlow::Jsonata(_) => scope.expressions(States::of_input(input)).payload(template, "Credentials")?,
    };
    match credentials.value().get("RoleArn") {
        Some(Value::String(role_arn)) => Ok(Some(role_arn.clone())),
        // Never the execution's own role instead: it may do more.
        other => {
            let reason = format!("The field 'RoleArn' must be a string, but was: {}", other.unwrap_or(&Value::Null));
            Err(match &task.flow {
                DataFlow::JsonPath(_) => scope.runtime(&reason),
                DataFlow::Jsonata(_) => scope.query_error(Some("Credentials/RoleArn"), &reason),
            })
        }
    }
}

/// A time-out's seconds. What a definition says is checked with it, what is found out here has the same bounds.
///
/// SOURCE: validation.md §4, the bounds; the words follow those recorded of `ToleratedFailurePercentage`.
fn seconds(scope: &Scope<'_>, field: &str, number: &Number, input: &Payload) -> Result<u64, Failure> {
    let seconds = scope.number(field, number, input)?;
    if (1..=TIMEOUT_SECONDS_MAX).contains(&seconds) {
        return Ok(seconds);
    }
    let reason = format!("{field} must be between 1 and {TIMEOUT_SECONDS_MAX}.");
    Err(match number {
        Number::Literal(_) | Number::Path(_) => scope.runtime(&reason),
        Number::Expression(_) => scope.query_error(Some(field), &reason),
    })
}

/// Why a service cannot be called with these parameters; found out before anything is scheduled.
/// SOURCE: integrations.md §1; the form is recorded, `services_apigetway.json`.
fn unfit_parameters(resource: &Resource, parameters: &Payload) -> Option<String> {
    let Resource::Service { service, action, .. } = resource else { return None };
    let members = parameters.value().as_object();
    let problem = match (service.as_str(), action.as_str()) {
        ("lambda", "invoke") => unfit_members(members, &LAMBDA_INVOKE_PARAMETERS, "FunctionName"),
        ("states", "startExecution") => unfit_members(members, &START_EXECUTION_PARAMETERS, "StateMachineArn"),
        ("apigateway", "invoke") => unfit_for_api_gateway(members),
        _ => None,
    }?;
    Some(format!("The Parameters '{}' could not be used to start the Task: [{problem}]", parameters.text()))
}

fn unfit_members(members: Option<&Map<String, Value>>, known: &[&str], required: &str) -> Option<String> {
    let unknown = members.into_iter().flat_map(Map::keys).find(|name| !known.contains(&name.as_str()));
    match unknown {
        Some(name) => Some(format!("The field '{name}' is not supported by Step Functions")),
        None if members.is_some_and(|members| members.contains_key(required)) => None,
        None => Some(format!("The field '{required}' is required but was missing")),
    }
}

/// SOURCE: integrations.md §4: both are maps of lists.
fn unfit_for_api_gateway(members: Option<&Map<String, Value>>) -> Option<String> {
    let is_map_of_lists = |value: &Value| value.as_object().is_some_and(|lists| lists.values().all(Value::is_array));
    let unfit = |name: &&str| members.and_then(|members| members.get(*name)).is_some_and(|value| !is_map_of_lists(value));
    let name = ["Headers", "QueryParameters"].into_iter().find(unfit)?;
    Some(format!("The value of the field '{name}' has an invalid format"))
}

fn running(slice: &Slice<'_, '_, '_>, frame: FrameId) -> Option<RunningTask> {
    slice.execution.frame(frame).task().cloned()
}

fn completion(pattern: Pattern) -> Completion {
    match pattern {
        Pattern::RequestResponse => Completion::Response,
        Pattern::WaitForTaskToken => Completion::Token,
        Pattern::Sync | Pattern::Sync2 => Completion::Job,
    }
}

/// Whether the task has a token. SOURCE: integrations.md §2: a job may be ended early by its own.
fn waits_for_token(resource: &Resource) -> bool {
    matches!(resource, Resource::Service { pattern: Pattern::WaitForTaskToken | Pattern::Sync | Pattern::Sync2, .. })
}
