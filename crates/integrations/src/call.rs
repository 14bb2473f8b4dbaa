//! One call of a Task and its outcome.

use std::sync::Arc;

use skald_asl::states::Resource;
use skald_query::Payload;

/// What is to be called, with which parameters, on whose behalf.
#[derive(Debug, Clone)]
pub struct Call {
    pub execution_arn: String,
    /// The id of the scheduled event: with the execution's ARN the identity of this invocation, also when it is repeated.
    pub scheduled_event: u64,
    /// A UUID derived from the identity: the Lambda request id of local functions.
    pub request_id: String,
    pub state_name: Arc<str>,
    /// Never an activity: those are polled for.
    pub resource: Resource,
    /// The effective input of a Lambda ARN, or the effective parameters of a service.
    pub parameters: Payload,
    /// Account and region of the execution.
    pub account: String,
    pub region: String,
    pub role_arn: String,
    /// `Credentials.RoleArn`, resolved.
    pub credentials_role_arn: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The task's result; for `.waitForTaskToken` the answer to the submission.
    Succeeded { output: Payload },
    /// An error a workflow can catch, named as AWS names it.
    Failed { error: String, cause: String },
    /// No answer, and none will come: the process is going down. Nothing is recorded; the call is repeated later.
    GaveUp,
}
