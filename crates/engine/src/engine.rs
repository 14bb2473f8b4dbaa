//! The way in: what the API does, as typed calls.

use std::sync::Arc;
use std::time::Duration;

use skald_integrations::Perform;
use skald_query::Payload;
use skald_store::Store;

use crate::activity::ActivityTask;
use crate::catalog::{Activity, CreateMachine, Machine, UpdateMachine, UpdatedMachine};
use crate::error::*;
use crate::execution::{Described, ExecutionStatus, HistoryRequest, Listed, SharedEvent, StartExecution, Started};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::page::{Page, PageRequest};
use crate::scope::Scope;
use skald_asl::Timestamp;

/// A running engine. Clones share it.
#[derive(Clone)]
pub struct Engine {}

impl Engine {
    /// Opens the store's contents: every open execution goes on where its journal ends.
    pub async fn open(store: Arc<dyn Store>, perform: Arc<dyn Perform>, options: Options) -> Result<Self, OpenError> {
        todo!()
    }

    /// Takes nothing new, waits up to `grace` for running calls and records their answers, then closes the store.
    pub async fn stop(&self, grace: Duration) {
        todo!()
    }

    pub fn metrics(&self) -> &Metrics {
        todo!()
    }

    pub async fn create_machine(&self, scope: &Scope, request: CreateMachine) -> Result<Machine, CreateMachineError> {
        todo!()
    }

    /// `arn` is unqualified.
    pub async fn update_machine(&self, scope: &Scope, arn: &str, request: UpdateMachine) -> Result<UpdatedMachine, UpdateMachineError> {
        todo!()
    }

    pub async fn delete_machine(&self, scope: &Scope, arn: &str) -> Result<(), DeleteMachineError> {
        todo!()
    }

    pub async fn describe_machine(&self, scope: &Scope, arn: &str) -> Result<Machine, DescribeMachineError> {
        todo!()
    }

    /// The definition, role and configuration this execution started with.
    pub async fn describe_machine_for_execution(&self, scope: &Scope, execution_arn: &str) -> Result<Machine, DescribeExecutionError> {
        todo!()
    }

    pub async fn list_machines(&self, scope: &Scope, page: PageRequest) -> Result<Page<Machine>, ListError> {
        todo!()
    }

    pub async fn start_execution(&self, scope: &Scope, request: StartExecution) -> Result<Started, StartExecutionError> {
        todo!()
    }

    /// Answers when it stopped; of an ended execution, when it ended.
    pub async fn stop_execution(
        &self, scope: &Scope, execution_arn: &str, error: Option<String>, cause: Option<String>,
    ) -> Result<Timestamp, StopExecutionError> {
        todo!()
    }

    pub async fn describe_execution(&self, scope: &Scope, execution_arn: &str) -> Result<Described, DescribeExecutionError> {
        todo!()
    }

    pub async fn list_executions(
        &self, scope: &Scope, machine_arn: &str, status: Option<ExecutionStatus>, page: PageRequest,
    ) -> Result<Page<Listed>, ListExecutionsError> {
        todo!()
    }

    pub async fn history(&self, scope: &Scope, request: HistoryRequest) -> Result<Page<SharedEvent>, HistoryError> {
        todo!()
    }

    pub async fn send_task_success(&self, scope: &Scope, token: &str, output: Payload) -> Result<(), SendTaskError> {
        todo!()
    }

    pub async fn send_task_failure(
        &self, scope: &Scope, token: &str, error: Option<String>, cause: Option<String>,
    ) -> Result<(), SendTaskError> {
        todo!()
    }

    pub async fn send_task_heartbeat(&self, scope: &Scope, token: &str) -> Result<(), SendTaskError> {
        todo!()
    }

    pub async fn create_activity(&self, scope: &Scope, name: &str, encryption: String, tags: String) -> Result<Activity, CreateActivityError> {
        todo!()
    }

    pub async fn describe_activity(&self, scope: &Scope, arn: &str) -> Result<Activity, DescribeActivityError> {
        todo!()
    }

    pub async fn delete_activity(&self, scope: &Scope, arn: &str) -> Result<(), DescribeActivityError> {
        todo!()
    }

    pub async fn list_activities(&self, scope: &Scope, page: PageRequest) -> Result<Page<Activity>, ListError> {
        todo!()
    }

    /// Waits up to `patience` for a task; woken at once when one is scheduled.
    pub async fn poll_activity(
        &self, scope: &Scope, arn: &str, worker_name: Option<String>, patience: Duration,
    ) -> Result<Option<ActivityTask>, PollActivityError> {
        todo!()
    }
}
