//! HTTP/1.1 connections to one host, kept for the next request.
//!
//! Whoever sends a request drives its connection meanwhile. With `hyper-util`'s client each connection is a task of its
//! own, which request and answer pass on their way: that took an eighth of the processor time of a saga (decision 0005).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::http::response::Parts;
use hyper::rt::{Read, Write};
use hyper::{Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::Instant;
use tower::Service;

/// One that was not used for so long may be gone without a word.
const IDLE_TIME_MAX: Duration = Duration::from_secs(90);

/// So many are kept.
const IDLE_MAX: usize = 1_000;

/// See the module.
pub(super) struct Connections {
    host: Uri,
    connector: Connector,
    /// The one used last at the end.
    idle: Mutex<Vec<Idle>>,
}

pub(super) enum Connector {
    Plain(HttpConnector),
    Tls(HttpsConnector<HttpConnector>),
}

/// A connection on which nothing is asked.
struct Idle {
    open: Open,
    since: Instant,
}

struct Open {
    sender: SendRequest<Body>,
    /// None once it has ended: then the sender knows, too.
    connection: Option<Pin<Box<Http>>>,
}

type Body = Full<Bytes>;

type Http = Connection<Box<dyn Stream>, Body>;

trait Stream: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Stream for T {}

/// What became of a request.
enum Sent {
    Answered(Parts, Bytes),
    /// Nothing of it went out: the connection was gone.
    Not(Request<Body>),
    Failed(String),
}

impl Connections {
    /// To the host of `host`, over `connector`.
    pub(super) fn new(host: Uri, connector: Connector) -> Self {
        Self { host, connector, idle: Mutex::default() }
    }

    /// Sends a request (its URI is a path) and reads the whole answer.
    ///
    /// # Errors
    /// What went wrong, in words. A request that may have arrived is not repeated.
    pub(super) async fn exchange(&self, mut request: Request<Body>, answer_bytes_max: usize) -> Result<(Parts, Bytes), String> {
        loop {
            let (mut open, is_new) = match self.take_idle() {
                Some(open) => (open, false),
                None => (self.connect().await?, true),
            };
            match open.exchange(request, answer_bytes_max).await {
                Sent::Answered(head, body) => {
                    // An answer may come before all of its request was read: what hangs on that is of no use to others.
                    if open.is_ready().await {
                        self.keep(open);
                    }
                    return Ok((head, body));
                }
                Sent::Not(returned) if !is_new => request = returned,
                Sent::Not(_) => return Err("the connection was closed at once".to_owned()),
                Sent::Failed(reason) => return Err(reason),
            }
        }
    }

    fn keep(&self, open: Open) {
        let mut idle = self.lock();
        if idle.len() < IDLE_MAX {
            idle.push(Idle { open, since: Instant::now() });
        }
    }

    fn take_idle(&self) -> Option<Open> {
        let mut idle = self.lock();
        let fresh = idle.iter().position(|idle| idle.since.elapsed() < IDLE_TIME_MAX).unwrap_or(idle.len());
        idle.drain(..fresh);
        idle.pop().map(|idle| idle.open)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Open, String> {
        let stream: Box<dyn Stream> = match &self.connector {
            Connector::Plain(connector) => Box::new(connector.clone().call(self.host.clone()).await.map_err(|error| reasons(&error))?),
            Connector::Tls(connector) => Box::new(connector.clone().call(self.host.clone()).await.map_err(|error| reasons(&*error))?),
        };
        let (sender, connection) = handshake(stream).await.map_err(|error| reasons(&error))?;
        Ok(Open { sender, connection: Some(Box::pin(connection)) })
    }
}

impl Open {
    /// Whether it takes a request at once.
    async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| {
            drive(&mut self.connection, cx);
            Poll::Ready(matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(()))))
        })
        .await
    }

    async fn exchange(&mut self, request: Request<Body>, answer_bytes_max: usize) -> Sent {
        let Self { sender, connection } = self;
        let mut exchanging = pin!(async move {
            if sender.ready().await.is_err() {
                return Sent::Not(request);
            }
            let (head, body) = match sender.try_send_request(request).await {
                Ok(response) => response.into_parts(),
                Err(mut error) => {
                    return match error.take_message() {
                        Some(request) => Sent::Not(request),
                        None => Sent::Failed(reasons(error.error())),
                    };
                }
            };
            match Limited::new(body, answer_bytes_max).collect().await.map(Collected::to_bytes) {
                Ok(body) => Sent::Answered(head, body),
                Err(error) => Sent::Failed(format!("the reply could not be read: {error}")),
            }
        });
        poll_fn(|cx| {
            drive(connection, cx);
            exchanging.as_mut().poll(cx)
        })
        .await
    }
}

/// How a connection ended is told to whoever waits for the answer.
fn drive(connection: &mut Option<Pin<Box<Http>>>, cx: &mut Context<'_>) {
    if connection.as_mut().is_some_and(|connection| connection.as_mut().poll(cx).is_ready()) {
        *connection = None;
    }
}

/// An error and what caused it: the outer one only says that the request failed.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
