//! Machines, their revisions, and activities.

mod book;
mod fate;
mod record;

pub(crate) use book::{Book, Machined, Revision};
pub(crate) use fate::{Fate, StartInFlight};

use std::sync::Arc;

use skald_asl::{Definition, Diagnostic, Timestamp};

/// Whether executions are durable and slow, or quick and forgotten. Fixed for a machine's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineType {
    Standard,
    Express,
}

/// The members of `CreateStateMachine` that Skald keeps, validated by the caller as far as the wire says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateMachine {
    pub name: String,
    pub definition: String,
    pub role_arn: String,
    pub machine_type: MachineType,
    pub configuration: Configuration,
}

/// Configurations that are stored and shown as they came, as JSON text in AWS's shape; compared for idempotency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    pub logging: String,
    pub tracing: String,
    pub encryption: String,
    /// `[{"key","value"}]`; not compared.
    pub tags: String,
}

/// What `UpdateStateMachine` changes; absent members keep their value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateMachine {
    pub definition: Option<String>,
    pub role_arn: Option<String>,
    pub logging: Option<String>,
    pub tracing: Option<String>,
    pub encryption: Option<String>,
}

/// A machine as `DescribeStateMachine` shows it.
#[derive(Debug, Clone)]
pub struct Machine {
    pub arn: String,
    pub name: String,
    pub machine_type: MachineType,
    pub status: MachineStatus,
    pub definition: String,
    /// The definition, as it was read once for everyone.
    pub compiled: Arc<Definition>,
    pub role_arn: String,
    pub created_at: Timestamp,
    /// When the current revision came to be.
    pub updated_at: Timestamp,
    /// A UUID; none until the first effective update.
    pub revision_id: Option<String>,
    pub configuration: Configuration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineStatus {
    Active,
    Deleting,
}

/// What an update came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdatedMachine {
    pub updated_at: Timestamp,
    pub revision_id: Option<String>,
}

/// An activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    pub arn: String,
    pub name: String,
    pub created_at: Timestamp,
    /// JSON text in AWS's shape.
    pub encryption: String,
}

/// AWS's joined form: `CODE: message at location, …`.
pub(crate) fn join(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
