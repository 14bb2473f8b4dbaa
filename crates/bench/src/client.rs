//! One connection, one request at a time: for what prepares a measurement and looks at its outcome.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http;

/// What takes longer has failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub struct Client {
    stream: TcpStream,
    host: String,
    received: Vec<u8>,
}

impl Client {
    pub fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { stream, host: address.to_owned(), received: Vec::with_capacity(64 * 1024) })
    }

    /// Performs an action; a refusal is an error that quotes the answer.
    pub fn call(&mut self, action: &str, members: &Value) -> anyhow::Result<Value> {
        let mut request = Vec::new();
        http::write_call(&mut request, &self.host, action, &members.to_string());
        let (status, answer) = self.exchange(&request)?;
        anyhow::ensure!(status == 200, "{action}: {status} {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice(&answer)?)
    }

    pub fn get(&mut self, path: &str) -> anyhow::Result<String> {
        let mut request = Vec::new();
        http::write_get(&mut request, &self.host, path);
        let (status, answer) = self.exchange(&request)?;
        anyhow::ensure!(status == 200, "{path}: {status}");
        Ok(String::from_utf8(answer)?)
    }

    /// Posts JSON; the status and the body of the answer.
    pub fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<(u16, Vec<u8>)> {
        let mut request = Vec::new();
        http::write_post(&mut request, &self.host, path, "Content-Type: application/json\r\n", &body.to_string());
        self.exchange(&request)
    }

    /// Creates a state machine and tells its ARN.
    pub fn create_machine(&mut self, name: &str, definition: &Value, kind: &str) -> anyhow::Result<String> {
        let role = "arn:aws:iam::123456789012:role/bench";
        let members = json!({ "name": name, "definition": definition.to_string(), "roleArn": role, "type": kind });
        text_of(&self.call("CreateStateMachine", &members)?, "stateMachineArn")
    }

    fn exchange(&mut self, request: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
        self.stream.write_all(request)?;
        self.received.clear();
        loop {
            if let Some(head) = http::read_head(&self.received)?.filter(|head| self.received.len() >= head.body_end) {
                return Ok((head.status, self.received[head.body_start..head.body_end].to_vec()));
            }
            let mut piece = [0; 64 * 1024];
            let count = self.stream.read(&mut piece)?;
            anyhow::ensure!(count > 0, "the server closed the connection");
            self.received.extend_from_slice(&piece[..count]);
        }
    }
}

pub fn text_of(answer: &Value, member: &str) -> anyhow::Result<String> {
    answer[member].as_str().map(str::to_owned).ok_or_else(|| anyhow::anyhow!("no {member} in {answer}"))
}
