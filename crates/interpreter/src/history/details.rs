//! The `…EventDetails` member of each type of event.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use skald_query::Payload;

use super::Include;
use crate::event::{ErrorDetails, EventKind, ServiceResource};

/// The details member and its name; `None` for types that have none. Members without a value are left out.
pub(super) fn of(kind: &EventKind, include: Include) -> Option<(&'static str, Map<String, Value>)> {
    let details = Details { members: Map::new(), include };
    let (member, details) = match kind {
        EventKind::ExecutionStarted { input, role_arn, deadline: _, start_at: _ } => {
            ("executionStartedEventDetails", details.input(input).text("roleArn", role_arn))
        }
        EventKind::ExecutionSucceeded { output } => ("executionSucceededEventDetails", details.output(output)),
        EventKind::ExecutionFailed(error) => ("executionFailedEventDetails", details.error(error)),
        EventKind::ExecutionTimedOut(error) => ("executionTimedOutEventDetails", details.error(error)),
        EventKind::ExecutionAborted(error) => ("executionAbortedEventDetails", details.error(error)),

        EventKind::StateEntered { state_type: _, name, input, due: _ } => {
            ("stateEnteredEventDetails", details.text("name", name).input(input))
        }
        EventKind::StateExited { state_type: _, name, output, assigned, next: _ } => {
            ("stateExitedEventDetails", details.text("name", name).output(output).assigned(assigned))
        }
        EventKind::EvaluationFailed { details: error, location, state } => {
            let details = details.error(error).optional_text("location", location.as_deref());
            ("evaluationFailedEventDetails", details.text("state", state))
        }

        EventKind::LambdaFunctionScheduled { resource, input, timeout_seconds, credentials_role_arn, plan: _ } => {
            let details = details.text("resource", resource).input(input).number("timeoutInSeconds", *timeout_seconds);
            ("lambdaFunctionScheduledEventDetails", details.credentials(credentials_role_arn.as_deref()))
        }
        EventKind::LambdaFunctionSucceeded { output } => ("lambdaFunctionSucceededEventDetails", details.output(output)),
        EventKind::LambdaFunctionFailed(error) => ("lambdaFunctionFailedEventDetails", details.error(error)),
        EventKind::LambdaFunctionTimedOut(error) => ("lambdaFunctionTimedOutEventDetails", details.error(error)),
        EventKind::LambdaFunctionScheduleFailed(error) => ("lambdaFunctionScheduleFailedEventDetails", details.error(error)),
        EventKind::LambdaFunctionStartFailed(error) => ("lambdaFunctionStartFailedEventDetails", details.error(error)),

        EventKind::TaskScheduled {
            resource,
            region,
            parameters,
            timeout_seconds,
            heartbeat_seconds,
            credentials_role_arn,
            completion: _,
            plan: _,
        } => {
            let details = details.resource(resource).text("region", region).data("parameters", parameters);
            let details = details.number("timeoutInSeconds", *timeout_seconds).number("heartbeatInSeconds", *heartbeat_seconds);
            ("taskScheduledEventDetails", details.credentials(credentials_role_arn.as_deref()))
        }
        EventKind::TaskStarted { resource } => ("taskStartedEventDetails", details.resource(resource)),
        EventKind::TaskSubmitted { resource, output } => ("taskSubmittedEventDetails", details.resource(resource).output(output)),
        EventKind::TaskSucceeded { resource, output } => ("taskSucceededEventDetails", details.resource(resource).output(output)),
        EventKind::TaskFailed { resource, details: error } => ("taskFailedEventDetails", details.resource(resource).error(error)),
        EventKind::TaskTimedOut { resource, details: error } => ("taskTimedOutEventDetails", details.resource(resource).error(error)),
        EventKind::TaskStartFailed { resource, details: error } => ("taskStartFailedEventDetails", details.resource(resource).error(error)),
        EventKind::TaskSubmitFailed { resource, details: error } => {
            ("taskSubmitFailedEventDetails", details.resource(resource).error(error))
        }

        EventKind::ActivityScheduled { resource, input, timeout_seconds, heartbeat_seconds, plan: _ } => {
            let details = details.text("resource", resource).input(input);
            let details = details.number("timeoutInSeconds", *timeout_seconds).number("heartbeatInSeconds", *heartbeat_seconds);
            ("activityScheduledEventDetails", details)
        }
        // SOURCE: recorded: without a worker's name the details are there, and empty.
        EventKind::ActivityStarted { worker_name } => {
            ("activityStartedEventDetails", details.optional_text("workerName", worker_name.as_deref()))
        }
        EventKind::ActivitySucceeded { output } => ("activitySucceededEventDetails", details.output(output)),
        EventKind::ActivityFailed(error) => ("activityFailedEventDetails", details.error(error)),
        EventKind::ActivityTimedOut(error) => ("activityTimedOutEventDetails", details.error(error)),
        EventKind::ActivityScheduleFailed(error) => ("activityScheduleFailedEventDetails", details.error(error)),

        EventKind::MapStateStarted { length, items: _, concurrency: _ } => {
            ("mapStateStartedEventDetails", details.number("length", Some(u64::from(*length))))
        }
        EventKind::MapIterationStarted { name, index, iteration: _, input: _, start_at: _ } => {
            ("mapIterationStartedEventDetails", details.iteration(name, *index))
        }
        EventKind::MapIterationSucceeded { name, index } => ("mapIterationSucceededEventDetails", details.iteration(name, *index)),
        EventKind::MapIterationFailed { name, index } => ("mapIterationFailedEventDetails", details.iteration(name, *index)),
        EventKind::MapIterationAborted { name, index } => ("mapIterationAbortedEventDetails", details.iteration(name, *index)),

        // SOURCE: history.md §2, types without details.
        EventKind::LambdaFunctionStarted
        | EventKind::ParallelStateStarted { .. }
        | EventKind::ParallelStateSucceeded
        | EventKind::ParallelStateFailed
        | EventKind::ParallelStateAborted
        | EventKind::MapStateSucceeded
        | EventKind::MapStateFailed
        | EventKind::MapStateAborted
        | EventKind::TaskStateAborted
        | EventKind::WaitStateAborted => return None,
    };
    Some((member, details.members))
}

/// A details object as it is filled.
struct Details {
    members: Map<String, Value>,
    include: Include,
}

impl Details {
    fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }

    /// Each variable's value as JSON text; nothing at all when none is set.
    fn assigned(self, assigned: &[(Arc<str>, Payload)]) -> Self {
        if assigned.is_empty() {
            return self;
        }
        let details = match self.include {
            Include::Data => {
                let variables = assigned.iter().map(|(name, value)| (name.to_string(), Value::from(value.text()))).collect();
                self.with("assignedVariables", Value::Object(variables))
            }
            Include::NoData => self,
        };
        details.with("assignedVariablesDetails", json!({ "truncated": false }))
    }

    fn text(self, member: &str, text: &str) -> Self {
        self.with(member, Value::from(text))
    }

    fn optional_text(self, member: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(member, text),
            None => self,
        }
    }

    fn number(self, member: &str, number: Option<u64>) -> Self {
        match number {
            Some(number) => self.with(member, Value::from(number)),
            None => self,
        }
    }

    /// A payload, unless data is left out.
    fn data(self, member: &str, payload: &Payload) -> Self {
        match self.include {
            Include::Data => self.text(member, payload.text()),
            Include::NoData => self,
        }
    }

    fn input(self, payload: &Payload) -> Self {
        self.data("input", payload).with("inputDetails", json!({ "truncated": false }))
    }

    fn output(self, payload: &Payload) -> Self {
        self.data("output", payload).with("outputDetails", json!({ "truncated": false }))
    }

    fn error(self, error: &ErrorDetails) -> Self {
        self.optional_text("error", error.error.as_deref()).optional_text("cause", error.cause.as_deref())
    }

    fn resource(self, resource: &ServiceResource) -> Self {
        self.text("resourceType", &resource.resource_type).text("resource", &resource.resource)
    }

    fn credentials(self, role_arn: Option<&str>) -> Self {
        match role_arn {
            Some(role_arn) => self.with("taskCredentials", json!({ "roleArn": role_arn })),
            None => self,
        }
    }

    fn iteration(self, name: &str, index: u32) -> Self {
        self.text("name", name).number("index", Some(u64::from(index)))
    }
}
