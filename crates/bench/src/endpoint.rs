//! A Lambda endpoint: whatever the function, it is done, or fails as often as its event wants it to.
//!
//! One thread and, beside waiting, two system calls a request: what is measured is the server that calls it, on the same cores.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::http;

const INVOKED: &str = r#"{"orderId":"o-1","state":"done"}"#;

/// The event's member that says how often its task was tried before …
pub const ATTEMPT_MEMBER: &str = "attempt";

/// … and how often it then fails. An event without the member never does.
pub const FAILED_ATTEMPTS: u64 = 3;

const FAILED: &str = r#"{"errorType":"Busy","errorMessage":"try again"}"#;

/// Where the endpoint says how many bytes have come.
pub const RECEIVED_PATH: &str = "/bench/received";

const LISTENER: Token = Token(usize::MAX);

const READ_BYTES: usize = 64 * 1024;

/// Serves until the process ends.
pub fn serve(listener: std::net::TcpListener) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let (mut accepted, mut received_bytes) = (0, 0);
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; READ_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(accepted);
                    accepted += 1;
                    poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                    connections.insert(token, Connection { stream, received: Vec::new(), answers: Vec::new() });
                }
                continue;
            }
            let Some(connection) = connections.get_mut(&event.token()) else { continue };
            // Whoever has said all it will is not told of again.
            if !connection.go_on(&mut scratch, &mut received_bytes) || event.is_read_closed() {
                connections.remove(&event.token());
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// Not sent yet.
    answers: Vec<u8>,
}

impl Connection {
    /// Reads, answers and writes as much as it can; false when the connection is over.
    fn go_on(&mut self, scratch: &mut [u8], received_bytes: &mut u64) -> bool {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return false,
                Ok(count) => {
                    *received_bytes += count as u64;
                    self.received.extend_from_slice(&scratch[..count]);
                    if count < scratch.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        loop {
            match http::read_request(&self.received) {
                Ok(Some(request)) => {
                    answer(&mut self.answers, request.path, request.body, *received_bytes);
                    let end = request.end;
                    self.received.drain(..end);
                }
                Ok(None) => break,
                Err(_) => return false,
            }
        }
        while !self.answers.is_empty() {
            match self.stream.write(&self.answers) {
                Ok(count) => drop(self.answers.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        true
    }
}

fn answer(answers: &mut Vec<u8>, path: &str, body: &[u8], received_bytes: u64) {
    if path == RECEIVED_PATH {
        write_answer(answers, "", &received_bytes.to_string());
        return;
    }
    let key = format!("\"{ATTEMPT_MEMBER}\":");
    let attempt = http::find(body, key.as_bytes()).and_then(|at| body.get(at + key.len()));
    match attempt {
        Some(digit) if u64::from(digit.saturating_sub(b'0')) < FAILED_ATTEMPTS => {
            write_answer(answers, "x-amz-function-error: Unhandled\r\n", FAILED);
        }
        Some(_) | None => write_answer(answers, "", INVOKED),
    }
}

fn write_answer(answers: &mut Vec<u8>, header: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-amzn-RequestId: 3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b\r\n\
         {header}Content-Length: {}\r\n\r\n",
        body.len(),
    );
    answers.extend_from_slice(head.as_bytes());
    answers.extend_from_slice(body.as_bytes());
}
