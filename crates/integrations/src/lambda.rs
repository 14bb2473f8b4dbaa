//! Lambda functions: declared ones run here as warm processes, others at an endpoint that speaks the Invoke API.
//!
//! A Task names a function by its ARN, and gets its payload; or it calls `lambda:invoke`, and gets the whole answer of the
//! API. Both ways lead through [`Lambda::invoke`].

mod connections;
mod endpoint;
mod failure;
mod function;
mod gate;
mod interpreter;
mod invoke;
mod lasting;
mod output;
mod process;
mod runtime_api;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use skald_aws::lambda::FunctionReference;
use skald_query::Payload;

use self::endpoint::Endpoint;
use self::failure::Printed;
use self::function::{Ended, Function, IDLE_SECONDS_MAX, RESERVED_VARIABLES};
use self::gate::Gates;
use self::interpreter::Python;
use self::invoke::{InvocationType, InvokeRequest, Reply};
use self::process::Nursery;
use self::runtime_api::Invocation;
use crate::config::{ConfigError, FunctionConfig, IntegrationsConfig};
use crate::{Call, Outcome};

/// How often processes that have nothing to do are looked for.
const RETIRE_EVERY_SECONDS: u64 = 60;

/// Calls of one function elsewhere that run at once, if nothing is said. SOURCE: Lambda quotas: an account's concurrency.
const CALLS_PER_FUNCTION_MAX: usize = 1_000;

/// See the module.
pub struct Lambda {
    functions: BTreeMap<String, Arc<Function>>,
    endpoint: Option<Arc<Endpoint>>,
    nursery: Arc<Nursery>,
    retiring: Once,
}

/// What came of one call of the Invoke API.
enum Invoked {
    Replied(Reply),
    /// The function failed, with this payload.
    FunctionFailed(String),
    /// The function was not run, or the server is going down.
    Refused(Outcome),
}

impl Lambda {
    pub fn new(config: IntegrationsConfig) -> Result<Self, ConfigError> {
        let nursery = Arc::new(Nursery::new());
        let mut functions = BTreeMap::new();
        for (name, settings) in &config.functions.0 {
            let code_folder = check(name, settings, &config.base_folder)?;
            let python = Python::find(name, settings, &config.base_folder)?;
            let (region, nursery) = (config.region.clone(), Arc::clone(&nursery));
            let function = Function::new(name.clone(), settings.clone(), python, code_folder, region, nursery);
            functions.insert(name.clone(), Arc::new(function));
        }
        let endpoint = match &config.lambda_endpoint {
            Some(url) => {
                let gates = Gates::new(config.calls_per_function_max.map_or(CALLS_PER_FUNCTION_MAX, |wanted| wanted.get() as usize));
                Some(Arc::new(Endpoint::new(url, &config.region, config.credentials, gates)?))
            }
            None => None,
        };
        Ok(Self { functions, endpoint, nursery, retiring: Once::new() })
    }

    /// A Task whose resource is a function's ARN: the effective input goes in, the payload comes out.
    pub async fn call_function(&self, arn: &str, call: &Call) -> Outcome {
        let event = Bytes::from_owner(Event(call.parameters.clone()));
        let request = match InvokeRequest::synchronous(arn, event) {
            Ok(request) => request,
            Err(error) => return failure::of_parameters(call.parameters.text(), &error.to_string()),
        };
        match self.invoke(request, call).await {
            Invoked::Replied(reply) => match reply.json() {
                Some(payload) => Outcome::Succeeded { output: payload },
                None => failure::unknown(&String::from_utf8_lossy(&reply.payload)),
            },
            Invoked::FunctionFailed(payload) => failure::of_function(&payload, Printed::AsPosted),
            Invoked::Refused(outcome) => outcome,
        }
    }

    /// `lambda:invoke`, with and without a task token.
    pub async fn call_invoke(&self, call: &Call) -> Outcome {
        let request = match InvokeRequest::read(call.parameters.text()) {
            Ok(request) => request,
            Err(reason) => return failure::of_parameters(call.parameters.text(), &reason.to_string()),
        };
        match self.invoke(request, call).await {
            Invoked::Replied(reply) => match reply.output() {
                Some(text) => Outcome::Succeeded { output: Payload::trusted(text) },
                None => failure::unknown(&String::from_utf8_lossy(&reply.payload)),
            },
            Invoked::FunctionFailed(payload) => failure::of_function(&payload, Printed::Anew),
            Invoked::Refused(outcome) => outcome,
        }
    }

    /// Begins no invocation any more that had to wait, and none of a declared function.
    pub fn quiesce(&self) {
        if let Some(endpoint) = &self.endpoint {
            endpoint.quiesce();
        }
        for function in self.functions.values() {
            function.quiesce();
        }
    }

    pub async fn shut_down(&self) {
        self.nursery.close().await;
    }

    async fn invoke(&self, request: InvokeRequest<'_>, call: &Call) -> Invoked {
        if self.nursery.is_closed() {
            return Invoked::Refused(Outcome::GaveUp);
        }
        let reference = request.function();
        match (self.functions.get(reference.name), &self.endpoint) {
            (Some(function), _) => self.invoke_here(function, request, call).await,
            (None, Some(endpoint)) => endpoint.invoke(reference, &request, call).await,
            (None, None) => Invoked::Refused(not_declared(reference, call)),
        }
    }

    async fn invoke_here(&self, function: &Arc<Function>, request: InvokeRequest<'_>, call: &Call) -> Invoked {
        self.retire_in_the_background();
        let version = request.executed_version();
        let trace_id = trace_id(&call.request_id);
        let invocation = Invocation {
            request_id: call.request_id.clone(),
            function_arn: request.function().arn(&call.region, &call.account),
            event: request.event,
            trace_id: trace_id.clone(),
            client_context: request.client_context,
            timeout: Duration::ZERO,
        };
        let reply = |status, version, payload| {
            Invoked::Replied(Reply::of_local(status, version, payload, &call.request_id, &trace_id, now_seconds()))
        };
        match request.invocation_type {
            InvocationType::RequestResponse => {}
            InvocationType::Event => {
                // Nobody learns what comes of it, except from the function's own log lines.
                let function = Arc::clone(function);
                tokio::spawn(async move { function.invoke(invocation).await });
                return reply(202, None, Bytes::new());
            }
            InvocationType::DryRun => return reply(204, None, Bytes::new()),
        }
        match function.invoke(invocation).await {
            Ended::Succeeded(payload) => reply(200, Some(version), payload),
            Ended::Failed(payload) => Invoked::FunctionFailed(payload),
            Ended::Throttled => throttled(call),
            Ended::GaveUp => Invoked::Refused(Outcome::GaveUp),
        }
    }

    /// From the first call on: only then is there surely a runtime.
    fn retire_in_the_background(&self) {
        self.retiring.call_once(|| {
            let functions: Vec<Weak<Function>> = self.functions.values().map(Arc::downgrade).collect();
            tokio::spawn(async move {
                while functions.iter().any(|function| function.strong_count() > 0) {
                    tokio::time::sleep(Duration::from_secs(RETIRE_EVERY_SECONDS)).await;
                    for function in functions.iter().filter_map(Weak::upgrade) {
                        function.retire_idle(Duration::from_secs(IDLE_SECONDS_MAX));
                    }
                }
            });
        });
    }
}

/// A payload's text, shared: invocations that wait take no copy along.
struct Event(Payload);

impl AsRef<[u8]> for Event {
    fn as_ref(&self) -> &[u8] {
        self.0.text().as_bytes()
    }
}

/// AWS's answer when a function runs as often as it may.
fn throttled(call: &Call) -> Invoked {
    Invoked::Refused(failure::of_service(429, "TooManyRequestsException", "Rate Exceeded.", &call.request_id))
}

/// Checks one table, and says where its code is.
fn check(name: &str, settings: &FunctionConfig, base_folder: &Path) -> Result<PathBuf, ConfigError> {
    let function = name.to_owned();
    match FunctionReference::parse(name) {
        Ok(reference) if reference.name == name && reference.qualifier.is_none() => {}
        Ok(_) | Err(_) => return Err(ConfigError::FunctionName { function }),
    }
    let bounded = [
        // SOURCE: Lambda quotas.
        ("timeout_seconds", settings.timeout_seconds, 1..=900, "1 to 900"),
        ("init_timeout_seconds", settings.init_timeout_seconds, 1..=900, "1 to 900"),
        ("memory_mb", settings.memory_mb, 128..=10_240, "128 to 10240"),
        ("concurrency", settings.concurrency, 1..=1_000, "1 to 1000"),
    ];
    for (key, value, range, bounds) in bounded {
        if !range.contains(&value) {
            return Err(ConfigError::OutOfBounds { function, key, value, bounds });
        }
    }
    if !settings.handler.contains('.') {
        return Err(ConfigError::Handler { function, handler: settings.handler.clone() });
    }
    if let Some(variable) = settings.environment.keys().find(|variable| RESERVED_VARIABLES.contains(&variable.as_str())) {
        return Err(ConfigError::ReservedVariable { function, variable: variable.clone() });
    }
    let folder = base_folder.join(&settings.code);
    match folder.canonicalize() {
        Ok(folder) if folder.is_dir() => Ok(folder),
        Ok(_) | Err(_) => Err(ConfigError::CodeFolder { function, folder }),
    }
}

/// AWS's answer for a function that is not there, with a word on how to make it be.
fn not_declared(function: FunctionReference<'_>, call: &Call) -> Outcome {
    let FunctionReference { name, qualifier, .. } = function;
    let mut arn = function.arn(&call.region, &call.account);
    if qualifier.is_none() {
        arn.push_str(":$LATEST");
    }
    let message = format!(
        "Function not found: {arn}. Declare it in skald.toml as [lambda.{name}] with runtime, handler and code, or say in \
         AWS_ENDPOINT_URL_LAMBDA where it lives"
    );
    failure::of_service(404, "ResourceNotFoundException", &message, &call.request_id)
}

/// `Root=1-<now>-<96 bits of the request id>`, not sampled.
fn trace_id(request_id: &str) -> String {
    let digits: String = request_id.chars().filter(char::is_ascii_hexdigit).chain(std::iter::repeat('0')).take(24).collect();
    format!("Root=1-{:08x}-{digits};Parent={};Sampled=0", now_seconds(), &digits[..16])
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
