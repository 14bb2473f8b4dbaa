//! What the tests share: integrations over the functions in `functions/`, calls, and a door at which functions wait.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use skald_asl::states::{Pattern, Resource};
use skald_integrations::{Call, FunctionConfig, Integrations, IntegrationsConfig, LambdaConfig, Outcome, Perform};
use skald_query::{Payload, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const REQUEST_ID: &str = "0e6ab5d2-7f4f-4c6e-9f0f-2f3a9c1d8b77";

pub fn functions_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lambda/functions")
}

/// One declared function, patient: the machine may be busy.
pub fn function(handler: &str) -> FunctionConfig {
    FunctionConfig {
        runtime: "python3".to_owned(),
        handler: handler.to_owned(),
        code: PathBuf::from("functions"),
        timeout_seconds: 60,
        init_timeout_seconds: 120,
        concurrency: 10,
        environment: [("PRICE_LIST".to_owned(), "prices.json".to_owned())].into(),
        memory_mb: 128,
        interpreter: None,
    }
}

pub fn integrations(functions: Vec<(&str, FunctionConfig)>) -> Integrations {
    Integrations::new(config(functions)).expect("the functions of the tests can run")
}

pub fn config(functions: Vec<(&str, FunctionConfig)>) -> IntegrationsConfig {
    IntegrationsConfig {
        functions: LambdaConfig(functions.into_iter().map(|(name, function)| (name.to_owned(), function)).collect()),
        base_folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lambda"),
        lambda_endpoint: None,
        calls_per_function_max: None,
        region: "eu-west-1".to_owned(),
        credentials: None,
    }
}

/// A Task whose resource is the function's ARN.
pub fn call(function: &str, input: &str) -> Arc<Call> {
    let arn = format!("arn:aws:lambda:region:acct:function:{function}");
    call_resource(Resource::Lambda { arn }, input)
}

/// A Task that calls `lambda:invoke`.
pub fn call_invoke(parameters: &str) -> Arc<Call> {
    let (service, action) = ("lambda".to_owned(), "invoke".to_owned());
    call_resource(Resource::Service { service, action, pattern: Pattern::RequestResponse }, parameters)
}

pub fn call_resource(resource: Resource, parameters: &str) -> Arc<Call> {
    Arc::new(Call {
        execution_arn: "arn:aws:states:eu-west-1:123456789012:execution:orders:one".to_owned(),
        scheduled_event: 3,
        request_id: REQUEST_ID.to_owned(),
        state_name: "Create".into(),
        resource,
        parameters: Payload::parse(parameters).expect("the parameters are JSON"),
        account: "123456789012".to_owned(),
        region: "eu-west-1".to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/orders".to_owned(),
        credentials_role_arn: None,
    })
}

/// Declares one function, calls it once, ends it.
pub async fn run_once(function: FunctionConfig, input: &str) -> Outcome {
    let integrations = integrations(vec![("f", function)]);
    let outcome = integrations.perform(call("f", input)).await;
    integrations.shut_down().await;
    outcome
}

pub fn output(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Succeeded { output } => output.value().clone(),
        other => panic!("no success: {other:?}"),
    }
}

pub fn failure(outcome: Outcome) -> (String, Value) {
    match outcome {
        Outcome::Failed { error, cause } => {
            let cause = serde_json::from_str(&cause).unwrap_or(Value::String(cause));
            (error, cause)
        }
        other => panic!("no failure: {other:?}"),
    }
}

/// Functions knock (`orders.at_the_door`), and wait to be let in.
pub struct Door {
    listener: TcpListener,
}

/// A function that waits.
pub struct Visitor {
    pub pid: u32,
    stream: TcpStream,
}

impl Door {
    pub async fn open() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    /// The event for `orders.at_the_door`.
    pub fn event(&self) -> String {
        format!(r#"{{"port":{}}}"#, self.port())
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().expect("bound").port()
    }

    pub async fn knock(&self) -> Visitor {
        let (mut stream, _) = self.listener.accept().await.expect("a function connects");
        let mut pid = Vec::new();
        loop {
            match stream.read_u8().await.expect("the function says its id") {
                b'\n' => break,
                digit => pid.push(digit),
            }
        }
        let pid = String::from_utf8(pid).expect("digits").parse().expect("a number");
        Visitor { pid, stream }
    }
}

impl Visitor {
    pub async fn let_in(&mut self) {
        self.stream.write_all(b"!").await.expect("the function waits");
    }

    /// Returns when all processes that held the connection are gone.
    pub async fn gone(&mut self) {
        // A killed process may leave a reset connection.
        let _ = self.stream.read_u8().await.expect_err("the function never writes again");
    }
}
