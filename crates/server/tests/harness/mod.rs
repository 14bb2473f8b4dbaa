//! A real server on a real socket, over an engine in memory whose tasks answer as scripted.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use skald_engine::{Engine, Options};
use skald_integrations::{Call, Outcome, Perform};
use skald_server::{Config, Server};
use skald_store::memory::MemoryStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Answers each call with its parameters.
pub struct Echo;

#[async_trait]
impl Perform for Echo {
    async fn perform(&self, call: Arc<Call>) -> Outcome {
        Outcome::Succeeded { output: call.parameters.clone() }
    }

    async fn shut_down(&self) {}
}

pub struct Harness {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub fn kind(&self) -> &str {
        self.body["__type"].as_str().unwrap_or("")
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or("")
    }
}

impl Harness {
    pub async fn start() -> Self {
        Self::configured(|_| {}).await
    }

    pub async fn configured(adapt: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        adapt(&mut config);
        let engine = Engine::open(Arc::new(MemoryStore::new()), Arc::new(Echo), Options::default()).await.expect("an engine");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(Server::serve(listener, engine, config, async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), serving }
    }

    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    pub async fn stopped(mut self) {
        self.begin_stop();
        within(self.serving).await.expect("no panic").expect("no error");
    }

    pub async fn connect(&self) -> Connection {
        Connection { stream: TcpStream::connect(self.address).await.expect("a connection"), rest: Vec::new() }
    }

    /// One operation on a connection of its own.
    pub async fn call(&self, operation: &str, members: Value) -> Answer {
        let mut connection = self.connect().await;
        connection.send(request(operation, &members.to_string()).as_bytes()).await;
        connection.answer().await.expect("an answer")
    }

    /// As [`Harness::call`], of an operation that must succeed.
    pub async fn done(&self, operation: &str, members: Value) -> Value {
        let answer = self.call(operation, members).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.text);
        answer.body
    }

    pub async fn create_machine(&self, name: &str, definition: Value) -> String {
        let members = json!({ "name": name, "definition": definition.to_string(), "roleArn": ROLE });
        let answer = self.done("CreateStateMachine", members).await;
        answer["stateMachineArn"].as_str().expect("an ARN").to_owned()
    }

    pub async fn ended(&self, execution_arn: &str) -> Value {
        let asking = async {
            loop {
                let described = self.done("DescribeExecution", json!({ "executionArn": execution_arn })).await;
                if described["status"] != "RUNNING" {
                    return described;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(asking).await
    }
}

pub const ROLE: &str = "arn:aws:iam::123456789012:role/test";

pub fn pass() -> Value {
    json!({ "StartAt": "Only", "States": { "Only": { "Type": "Pass", "End": true } } })
}

pub fn request(operation: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.{operation}\r\n\
         Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub struct Connection {
    pub stream: TcpStream,
    rest: Vec<u8>,
}

impl Connection {
    /// What cannot be sent was refused before: the answer tells.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next answer; none when the server closes instead.
    pub async fn answer(&mut self) -> Option<Answer> {
        within(self.read_answer()).await
    }

    /// Whether the server closes without another byte.
    pub async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(within(self.stream.read(&mut byte)).await, Ok(0) | Err(_))
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).expect("a head in ASCII").to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
        while self.rest.len() < length {
            self.more().await?;
        }
        let text = String::from_utf8(self.rest.drain(..length).collect()).expect("a body in UTF-8");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Some(Answer { status, head, body, text })
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => None,
            Ok(count) => {
                self.rest.extend_from_slice(&buffer[..count]);
                Some(())
            }
        }
    }
}

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}
