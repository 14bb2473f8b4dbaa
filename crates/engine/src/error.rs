//! Why the engine refused: one enum an operation; a variant's name is the error's name on the wire.

use strum::IntoStaticStr;

use skald_asl::Diagnostic;

/// Ours to fix, not the caller's: the cause goes to the log, never over the wire.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

impl From<skald_store::Error> for Fault {
    fn from(error: skald_store::Error) -> Self {
        Self(error.to_string())
    }
}

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Store(#[from] skald_store::Error),
    #[error("the store holds what this version cannot read: {0}")]
    Unreadable(String),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum CreateMachineError {
    #[error("Invalid State Machine Definition: '{}'", crate::catalog::join(.0))]
    InvalidDefinition(Vec<Diagnostic>),
    #[error("Invalid Name: '{0}'")]
    InvalidName(String),
    #[error("State Machine Already Exists: '{0}'")]
    StateMachineAlreadyExists(String),
    #[error("State Machine is being deleted: '{0}'")]
    StateMachineDeleting(String),
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum UpdateMachineError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("Invalid State Machine Definition: '{}'", crate::catalog::join(.0))]
    InvalidDefinition(Vec<Diagnostic>),
    #[error("State Machine Does Not Exist: '{0}'")]
    StateMachineDoesNotExist(String),
    #[error("State Machine is being deleted: '{0}'")]
    StateMachineDeleting(String),
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum DeleteMachineError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum DescribeMachineError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("State Machine Does Not Exist: '{0}'")]
    StateMachineDoesNotExist(String),
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

/// Of lists that name nothing: machines, activities.
#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum ListError {
    #[error("Invalid Token: 'Invalid token'")]
    InvalidToken,
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum StartExecutionError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("Invalid Name: '{0}'")]
    InvalidName(String),
    #[error("Execution Already Exists: '{0}'")]
    ExecutionAlreadyExists(String),
    #[error("State Machine Does Not Exist: '{0}'")]
    StateMachineDoesNotExist(String),
    #[error("State Machine is being deleted: '{0}'")]
    StateMachineDeleting(String),
    #[error("This operation is not supported by this type of state machine")]
    StateMachineTypeNotSupported,
    /// The inbox is full, or the store has no room for new work.
    #[error("Rate exceeded")]
    ThrottlingException,
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum StartSyncExecutionError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("Invalid Name: '{0}'")]
    InvalidName(String),
    #[error("State Machine Does Not Exist: '{0}'")]
    StateMachineDoesNotExist(String),
    #[error("State Machine is being deleted: '{0}'")]
    StateMachineDeleting(String),
    #[error("This operation is not supported by this type of state machine")]
    StateMachineTypeNotSupported,
    /// As many run as there is room for.
    #[error("Rate exceeded")]
    ThrottlingException,
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum StopExecutionError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("Execution Does Not Exist: '{0}'")]
    ExecutionDoesNotExist(String),
    #[error("Rate exceeded")]
    ThrottlingException,
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

/// Of `DescribeExecution` and `DescribeStateMachineForExecution`.
#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum DescribeExecutionError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("Execution Does Not Exist: '{0}'")]
    ExecutionDoesNotExist(String),
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum ListExecutionsError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("Invalid Token: 'Invalid token'")]
    InvalidToken,
    #[error("State Machine Does Not Exist: '{0}'")]
    StateMachineDoesNotExist(String),
    #[error("This operation is not supported by this type of state machine")]
    StateMachineTypeNotSupported,
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum HistoryError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("Invalid Token: 'Invalid token'")]
    InvalidToken,
    #[error("Execution Does Not Exist: '{0}'")]
    ExecutionDoesNotExist(String),
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

/// Of `SendTaskSuccess`, `SendTaskFailure` and `SendTaskHeartbeat`.
#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum SendTaskError {
    #[error("Invalid Token: '{0}'")]
    InvalidToken(String),
    #[error("Task Does Not Exist: '{0}'")]
    TaskDoesNotExist(String),
    // SOURCE: api.md, SendTaskSuccess, measured on the service.
    #[error("Task Timed Out: 'Provided task does not exist anymore'")]
    TaskTimedOut,
    #[error("Rate exceeded")]
    ThrottlingException,
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum CreateActivityError {
    #[error("Invalid Name: '{0}'")]
    InvalidName(String),
    #[error("Activity already exists: '{0}'")]
    ActivityAlreadyExists(String),
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

/// Of `DescribeActivity` and `DeleteActivity`.
#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum DescribeActivityError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("Activity Does Not Exist: '{0}'")]
    ActivityDoesNotExist(String),
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}

#[derive(Debug, thiserror::Error, IntoStaticStr)]
pub enum PollActivityError {
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    #[error("Activity Does Not Exist: '{0}'")]
    ActivityDoesNotExist(String),
    #[error("Too many workers poll this activity")]
    ActivityWorkerLimitExceeded,
    #[error("internal failure")]
    InternalFailure(#[from] Fault),
}
