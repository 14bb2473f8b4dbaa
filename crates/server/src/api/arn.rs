//! Which resource an ARN member names, in AWS's order of checks: prefix, type, and only then existence.

use skald_aws::{Arn, StatesResource};

use crate::protocol::ApiError;

/// How a state machine is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    Unqualified,
    /// A version or an alias. There are none yet, so none exists.
    Qualified,
}

pub(super) fn machine(text: &str) -> Result<Machine, ApiError> {
    match parse(text)? {
        StatesResource::StateMachine { .. } => Ok(Machine::Unqualified),
        StatesResource::Version { .. } | StatesResource::Alias { .. } => Ok(Machine::Qualified),
        StatesResource::LabeledMachine { .. } => Err(labeled()),
        other @ (StatesResource::Execution { .. }
        | StatesResource::Express { .. }
        | StatesResource::MapRun { .. }
        | StatesResource::Activity { .. }) => Err(wrong_type(&other)),
    }
}

/// A machine that must exist to be read or started: of a version or an alias none does.
pub(super) fn existing_machine(text: &str) -> Result<(), ApiError> {
    match machine(text)? {
        Machine::Unqualified => Ok(()),
        Machine::Qualified => Err(ApiError::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{text}'"))),
    }
}

/// A machine that is changed: versions and aliases have operations of their own.
pub(super) fn changed_machine(text: &str) -> Result<(), ApiError> {
    match machine(text)? {
        Machine::Unqualified => Ok(()),
        Machine::Qualified => Err(ApiError::validation(format!(
            "The ARN of the state machine itself is needed, without a version or an alias. Received: '{text}'"
        ))),
    }
}

pub(super) fn execution(text: &str) -> Result<(), ApiError> {
    match parse(text)? {
        StatesResource::Execution { .. } => Ok(()),
        other @ (StatesResource::StateMachine { .. }
        | StatesResource::Version { .. }
        | StatesResource::Alias { .. }
        | StatesResource::LabeledMachine { .. }
        | StatesResource::Express { .. }
        | StatesResource::MapRun { .. }
        | StatesResource::Activity { .. }) => Err(wrong_type(&other)),
    }
}

pub(super) fn activity(text: &str) -> Result<(), ApiError> {
    match parse(text)? {
        StatesResource::Activity { .. } => Ok(()),
        other @ (StatesResource::StateMachine { .. }
        | StatesResource::Version { .. }
        | StatesResource::Alias { .. }
        | StatesResource::LabeledMachine { .. }
        | StatesResource::Execution { .. }
        | StatesResource::Express { .. }
        | StatesResource::MapRun { .. }) => Err(wrong_type(&other)),
    }
}

pub(super) fn map_run(text: &str) -> Result<(), ApiError> {
    match parse(text)? {
        StatesResource::MapRun { .. } => Ok(()),
        other @ (StatesResource::StateMachine { .. }
        | StatesResource::Version { .. }
        | StatesResource::Alias { .. }
        | StatesResource::LabeledMachine { .. }
        | StatesResource::Execution { .. }
        | StatesResource::Express { .. }
        | StatesResource::Activity { .. }) => Err(wrong_type(&other)),
    }
}

fn parse(text: &str) -> Result<StatesResource<'_>, ApiError> {
    Arn::parse(text).and_then(|arn| arn.states_resource()).map_err(ApiError::invalid_arn)
}

fn wrong_type(resource: &StatesResource<'_>) -> ApiError {
    ApiError::invalid_arn(format_args!("Resource type not valid in this context: {}", resource.kind()))
}

fn labeled() -> ApiError {
    ApiError::validation("This operation does not support labeled state machine ARNs.")
        .with_detail("reason", "API_DOES_NOT_SUPPORT_LABELED_ARNS")
}
