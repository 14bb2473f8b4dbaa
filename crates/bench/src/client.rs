//! One connection that is kept open, one request at a time: little more than the bytes of HTTP.

use anyhow::Context;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Client {
    stream: TcpStream,
    host: String,
    received: Vec<u8>,
}

impl Client {
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: address.to_owned(), received: Vec::with_capacity(16 * 1024) })
    }

    /// Performs an action; a refusal is an error that quotes the answer.
    pub async fn call(&mut self, action: &str, members: &Value) -> anyhow::Result<Value> {
        let body = members.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: AWSStepFunctions.{action}\r\n\
             Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        let (status, answer) = self.exchange(&request).await?;
        anyhow::ensure!(status == 200, "{action}: {status} {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice(&answer)?)
    }

    pub async fn get(&mut self, path: &str) -> anyhow::Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        let (status, answer) = self.exchange(&request).await?;
        anyhow::ensure!(status == 200, "{path}: {status}");
        Ok(String::from_utf8(answer)?)
    }

    async fn exchange(&mut self, request: &str) -> anyhow::Result<(u16, Vec<u8>)> {
        self.stream.write_all(request.as_bytes()).await?;
        self.received.clear();
        let head_end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.receive().await?;
        };
        let head = std::str::from_utf8(&self.received[..head_end])?;
        let (status, length) = (status_of(head)?, content_length_of(head)?);
        while self.received.len() < head_end + length {
            self.receive().await?;
        }
        Ok((status, self.received[head_end..head_end + length].to_vec()))
    }

    async fn receive(&mut self) -> anyhow::Result<()> {
        let count = self.stream.read_buf(&mut self.received).await?;
        anyhow::ensure!(count > 0, "the server closed the connection");
        Ok(())
    }
}

fn status_of(head: &str) -> anyhow::Result<u16> {
    let status = head.split(' ').nth(1).context("no status line")?;
    Ok(status.parse()?)
}

fn content_length_of(head: &str) -> anyhow::Result<usize> {
    let mut lengths = head.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(lengths.next_back().context("no Content-Length in the answer")??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\ncontent-length: 12\r\n\r\n";
        assert_eq!(status_of(head).expect("there is a status"), 400);
        assert_eq!(content_length_of(head).expect("there is a length"), 12);
        assert!(content_length_of("HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
