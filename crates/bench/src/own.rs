//! The servers that this program is itself, in a process of their own: one that does nothing, one that only calls
//! functions ([`relay`]), and a Lambda [`endpoint`].
//!
//! The one that does nothing has the product's HTTP stack, runtime and allocator, and answers constants.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::{endpoint, relay};

pub const STARTED: &str = r#"{"executionArn":"arn:aws:states:us-east-1:123456789012:execution:Chain:3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b","startDate":1795000000.123}"#;

/// As long as what the product answers.
pub const DESCRIBED: &str = r#"{"executionArn":"arn:aws:states:us-east-1:123456789012:execution:Chain:3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b","stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:Chain","name":"3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b","status":"SUCCEEDED","startDate":1795000000.123,"stopDate":1795000000.124,"input":"{\"orderId\":\"o-1\",\"customer\":\"c-42\",\"items\":[{\"product\":\"cup\",\"quantity\":4}],\"total\":26.0}","inputDetails":{"included":true},"output":"{\"orderId\":\"o-1\",\"customer\":\"c-42\",\"items\":[{\"product\":\"cup\",\"quantity\":4}],\"total\":26.0}","outputDetails":{"included":true},"redriveCount":0,"redriveStatus":"NOT_REDRIVABLE"}"#;

const JSON: &str = "application/x-amz-json-1.0";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OwnServer {
    /// Answers StartExecution and DescribeExecution, and has started nothing.
    DoNothing,
    /// As that, and calls four functions of the endpoint for each start.
    Relay,
    /// Lambda's Invoke API.
    Endpoint,
}

/// `called` is the endpoint of [`OwnServer::Relay`].
pub fn serve(server: OwnServer, called: Option<&str>) -> anyhow::Result<()> {
    let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready on http://{}", listener.local_addr()?)?;
    stdout.flush()?;
    drop(stdout);
    match server {
        OwnServer::DoNothing => {
            listener.set_nonblocking(true)?;
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(do_nothing(listener))
        }
        OwnServer::Relay => {
            listener.set_nonblocking(true)?;
            let called = called.context("a relay needs somebody to call")?.to_owned();
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(relay::serve(listener, called))
        }
        OwnServer::Endpoint => endpoint::serve(listener),
    }
}

async fn do_nothing(listener: std::net::TcpListener) -> anyhow::Result<()> {
    accept(listener, |question| match question {
        Question::Start => Body::from(STARTED),
        Question::Describe(_) => Body::from(DESCRIBED),
    })
    .await
}

/// What is asked of the product: to start something, or to describe what the body names.
pub enum Question {
    Start,
    Describe(Bytes),
}

/// Answers everything that comes, each connection in a task of its own.
pub async fn accept(listener: std::net::TcpListener, answer: impl Fn(Question) -> Body + Clone + Send + 'static) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        let service = service_fn(move |request| respond(request, answer.clone()));
        let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
        // A connection ends when its client has seen enough.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn respond(request: Request<Incoming>, answer: impl Fn(Question) -> Body) -> anyhow::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let is_start = head.headers.get("x-amz-target").is_some_and(|target| target.as_bytes().ends_with(b".StartExecution"));
    let mut response = Response::new(answer(if is_start { Question::Start } else { Question::Describe(body) }));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    response.headers_mut().insert("x-amzn-requestid", HeaderValue::from_static("3c7d8c1e-6f0a-4b6e-9a55-0d1c2e3f4a5b"));
    Ok(response)
}
