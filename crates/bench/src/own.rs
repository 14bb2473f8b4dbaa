//! The servers that this program is itself, in a process of their own: one that does nothing, and a Lambda endpoint.
//!
//! Both have the product's HTTP stack, runtime and allocator, and answer constants.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::http;

const STARTED: &str = r#"{"executionArn":"arn:aws:states:us-east-1:123456789012:execution:Chain:3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b","startDate":1795000000.123}"#;

/// As long as what the product answers.
const DESCRIBED: &str = r#"{"executionArn":"arn:aws:states:us-east-1:123456789012:execution:Chain:3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b","stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:Chain","name":"3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b","status":"SUCCEEDED","startDate":1795000000.123,"stopDate":1795000000.124,"input":"{\"orderId\":\"o-1\",\"customer\":\"c-42\",\"items\":[{\"product\":\"cup\",\"quantity\":4}],\"total\":26.0}","inputDetails":{"included":true},"output":"{\"orderId\":\"o-1\",\"customer\":\"c-42\",\"items\":[{\"product\":\"cup\",\"quantity\":4}],\"total\":26.0}","outputDetails":{"included":true},"redriveCount":0,"redriveStatus":"NOT_REDRIVABLE"}"#;

const INVOKED: &str = r#"{"orderId":"o-1","state":"done"}"#;

/// The event's member that says how often its task was tried before …
pub const ATTEMPT_MEMBER: &str = "attempt";

/// … and how often it then fails. An event without the member never does.
pub const FAILED_ATTEMPTS: u64 = 3;

const FAILED: &str = r#"{"errorType":"Busy","errorMessage":"try again"}"#;

/// Where the endpoint says how many bytes have come.
pub const RECEIVED_PATH: &str = "/bench/received";

const JSON: &str = "application/x-amz-json-1.0";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OwnServer {
    /// Answers StartExecution and DescribeExecution, and has started nothing.
    DoNothing,
    /// Lambda's Invoke API: whatever the function, it is done, or fails as often as its event wants it to.
    Endpoint,
}

pub fn serve(server: OwnServer) -> anyhow::Result<()> {
    let received = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&received);
    let show_received = get(move || async move { count.load(Ordering::Relaxed).to_string() });
    let router = match server {
        OwnServer::DoNothing => Router::new().route("/", post(answer)),
        OwnServer::Endpoint => Router::new().route(RECEIVED_PATH, show_received).fallback(post(invoke)),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(accept(router, received))
}

async fn accept(router: Router, received: Arc<AtomicU64>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready on http://{}", listener.local_addr()?)?;
    stdout.flush()?;
    drop(stdout);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(Counted { stream, received: Arc::clone(&received) }), service);
        // A connection ends when its client has seen enough.
        tokio::spawn(async move { drop(connection.await) });
    }
}

/// A connection, of which it is counted what comes in.
struct Counted {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.received.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

type Headed = ([(HeaderName, &'static str); 2], &'static str);

async fn answer(headers: HeaderMap, body: Bytes) -> Headed {
    drop(body);
    let is_start = headers.get("x-amz-target").is_some_and(|target| target.as_bytes().ends_with(b".StartExecution"));
    let body = if is_start { STARTED } else { DESCRIBED };
    ([(header::CONTENT_TYPE, JSON), (REQUEST_ID, "3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b")], body)
}

async fn invoke(body: Bytes) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (REQUEST_ID, "3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b")];
    let key = format!("\"{ATTEMPT_MEMBER}\":");
    let attempt = http::find(&body, key.as_bytes()).and_then(|at| body.get(at + key.len()));
    match attempt {
        Some(digit) if u64::from(digit.saturating_sub(b'0')) < FAILED_ATTEMPTS => {
            (headers, [(FUNCTION_ERROR, "Unhandled")], FAILED).into_response()
        }
        Some(_) | None => (headers, INVOKED).into_response(),
    }
}

const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
