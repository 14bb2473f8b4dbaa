//! An HTTP client of the API: one connection that is kept open, one request at a time.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use skald_query::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Client {
    stream: TcpStream,
    address: SocketAddr,
    received: Vec<u8>,
    access_key: Option<String>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The name of the error, without a namespace; empty for an answer that is none.
    pub fn error_code(&self) -> &str {
        let kind = self.body["__type"].as_str().unwrap_or_default();
        kind.rsplit('#').next().unwrap_or_default()
    }

    pub fn is_success(&self) -> bool {
        self.status == 200
    }
}

impl Client {
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("the server does not listen")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, received: Vec::with_capacity(16 * 1024), access_key: None })
    }

    /// Signs what follows with an access key, as far as anyone looks: signatures are not verified.
    pub fn sign_as(&mut self, access_key: &str) {
        self.access_key = Some(access_key.to_owned());
    }

    /// Performs an operation and takes whatever the answer is.
    ///
    /// # Errors
    /// The connection broke, or what came is no HTTP or no JSON.
    pub async fn call(&mut self, operation: &str, members: &Value) -> Result<Answer> {
        let body = members.to_string();
        let signature = self.access_key.as_ref().map_or(String::new(), |key| {
            let scope = format!("{key}/20260101/us-east-1/states/aws4_request");
            format!("Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n")
        });
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: AWSStepFunctions.{operation}\r\n{signature}\
             Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body.as_bytes()).await?;
        self.answer().await.with_context(|| operation.to_owned())
    }

    /// Performs an operation that must succeed.
    ///
    /// # Errors
    /// A refusal, as it was answered.
    pub async fn done(&mut self, operation: &str, members: &Value) -> Result<Value> {
        let answer = self.call(operation, members).await?;
        ensure!(answer.is_success(), "{operation}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    async fn answer(&mut self) -> Result<Answer> {
        self.received.clear();
        let head_end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.receive().await?;
        };
        let head = std::str::from_utf8(&self.received[..head_end])?.to_ascii_lowercase();
        let status = head.split(' ').nth(1).context("no status line")?.parse()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).context("no Content-Length")?;
        let end = head_end + length.trim().parse::<usize>()?;
        while self.received.len() < end {
            self.receive().await?;
        }
        let body = serde_json::from_slice(&self.received[head_end..end]).context("the answer is no JSON")?;
        Ok(Answer { status, body })
    }

    async fn receive(&mut self) -> Result<()> {
        let count = self.stream.read_buf(&mut self.received).await?;
        ensure!(count > 0, "the server closed the connection");
        Ok(())
    }
}
