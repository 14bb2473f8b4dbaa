//! The real [`Perform`]: finds who performs a call.

use std::sync::Arc;

use async_trait::async_trait;
use skald_asl::states::{Pattern, Resource};

use crate::config::{ConfigError, IntegrationsConfig};
use crate::lambda::Lambda;
use crate::{Call, Outcome, Perform};

/// Performs calls of Lambda functions; says of other services that they are not built yet.
pub struct Integrations {
    lambda: Lambda,
}

impl Integrations {
    /// Looks for the interpreters of the declared functions; starts nothing.
    ///
    /// # Errors
    /// [`ConfigError`] names what cannot work, before anything runs.
    pub fn new(config: IntegrationsConfig) -> Result<Self, ConfigError> {
        Ok(Self { lambda: Lambda::new(config)? })
    }
}

#[async_trait]
impl Perform for Integrations {
    async fn perform(&self, call: Arc<Call>) -> Outcome {
        match &call.resource {
            Resource::Lambda { arn } => self.lambda.call_function(arn, &call).await,
            Resource::Service { service, action, pattern } => match (service.as_str(), action.as_str(), pattern) {
                ("lambda", "invoke", Pattern::RequestResponse | Pattern::WaitForTaskToken) => self.lambda.call_invoke(&call).await,
                (_, _, pattern) => not_supported_yet(service, action, *pattern),
            },
            Resource::Activity { arn } => {
                Outcome::Failed { error: "States.Runtime".to_owned(), cause: format!("the activity {arn} is polled for, not called") }
            }
        }
    }

    async fn quiesce(&self) {
        self.lambda.quiesce();
    }

    async fn shut_down(&self) {
        self.lambda.shut_down().await;
    }
}

fn not_supported_yet(service: &str, action: &str, pattern: Pattern) -> Outcome {
    Outcome::Failed {
        error: "Skald.NotSupportedYet".to_owned(),
        cause: format!(
            "Skald does not perform the integration arn:aws:states:::{service}:{action}{} yet; it performs Lambda \
             functions (their ARNs, and lambda:invoke)",
            pattern.suffix(),
        ),
    }
}
