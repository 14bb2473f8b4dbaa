//! Performs one Task: calls the Lambda function or service that a task names, and says what came of it.
//!
//! [`Perform`] is what the engine knows; [`Integrations`] is the real one. Scripted tasks stand in for it in simulations.
//!
//! Not here, on purpose: retries, time-outs and catching (the interpreter decides those), and when a call is made (the
//! engine calls only for what is durable).

pub mod call;
pub mod config;
pub mod credentials;
mod integrations;
mod lambda;

use std::sync::Arc;

use async_trait::async_trait;

pub use call::{Call, Outcome};
pub use config::{ConfigError, FunctionConfig, IntegrationsConfig, LambdaConfig};
pub use integrations::Integrations;

/// Performs calls.
///
/// A call may be repeated with the same [`Call::request_id`] after a crash between calling and recording the answer.
/// Dropping the future gives the answer up; work that was begun may go on, as it does on AWS.
#[async_trait]
pub trait Perform: Send + Sync + 'static {
    /// Calls and waits for the answer.
    async fn perform(&self, call: Arc<Call>) -> Outcome;

    /// Waits for the end of the job that a `.sync` call started; `submitted` is what the call answered. Asked again after a
    /// restart, so it must find the same end however often it looks.
    ///
    /// As it stands here a job has no end but the one its task's token tells.
    async fn follow(&self, _call: Arc<Call>, _submitted: skald_query::Payload) -> Outcome {
        std::future::pending().await
    }

    /// Cancels a job that a `.sync` call started and that nobody waits for any more; `submitted` is what the call answered.
    ///
    /// Repeated until it succeeds. A service without jobs has nothing to cancel.
    async fn cancel(&self, _call: Arc<Call>, _submitted: skald_query::Payload) -> Result<(), String> {
        Ok(())
    }

    /// Whether the executions that tasks start live elsewhere: `states:startExecution` is then called like any other service.
    /// Else the engine starts them itself.
    fn starts_executions(&self) -> bool {
        false
    }

    /// Begins nothing any more: calls that wait for their turn answer [`Outcome::GaveUp`], running ones go on.
    async fn quiesce(&self) {}

    /// Takes nothing new and waits for nothing: called after running invocations had their grace, before the process ends.
    /// Whatever was started (processes) is gone when this returns.
    async fn shut_down(&self);
}
