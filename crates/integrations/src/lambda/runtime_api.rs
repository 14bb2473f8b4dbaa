//! The Runtime API of one process: a small HTTP server on a port of its own, through which the process fetches events
//! and posts what came of them.
//!
//! [`RuntimeApi::offer`] puts one invocation out; whatever the process posts about it arrives at the returned
//! [`Delivery`]. A process has one invocation at a time, so there is no queue.
//!
//! Not here, on purpose: deadlines and process deaths; whoever runs the process knows of those.
//! SOURCE: Lambda developer guide, "Using the Lambda runtime API"; version 2018-06-01.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Bytes of an answer. SOURCE: Lambda's `Function.ResponseSizeTooLarge` names this number (6 MiB and 100 bytes).
pub const ANSWER_BYTES_MAX: usize = 6_291_556;

const PREFIX: &str = "/2018-06-01/runtime/";

/// One event for the function.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub request_id: String,
    pub event: Bytes,
    pub function_arn: String,
    pub trace_id: String,
    /// JSON text.
    pub client_context: Option<String>,
    /// From the moment the process takes the event.
    pub timeout: Duration,
}

/// What the process posted about an invocation.
#[derive(Debug)]
pub enum Answer {
    Response(Bytes),
    Error(Bytes),
    /// The module could not be loaded; the process is about to exit.
    InitError(Bytes),
    /// Response or error was longer than [`ANSWER_BYTES_MAX`].
    TooLarge,
}

/// Where an offered invocation stands.
pub struct Delivery {
    /// Fires when the process has taken the event.
    pub taken: oneshot::Receiver<()>,
    pub answer: oneshot::Receiver<Answer>,
}

/// The server. Dropping it closes the port.
pub struct RuntimeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    desk: Mutex<Desk>,
    offered: Notify,
}

/// The one invocation in hand.
#[derive(Default)]
struct Desk {
    /// Offered, and not fetched yet.
    waiting: Option<(Invocation, oneshot::Sender<()>)>,
    /// Offered or fetched, and not answered yet.
    unanswered: Option<(String, oneshot::Sender<Answer>)>,
    /// Whose lines the process is writing; stays when it is answered.
    latest_request_id: String,
}

impl RuntimeApi {
    pub async fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { desk: Mutex::new(Desk::default()), offered: Notify::new() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts `invocation` out for the process to fetch, in place of any other.
    pub fn offer(&self, invocation: Invocation) -> Delivery {
        let (taken_sender, taken) = oneshot::channel();
        let (answer_sender, answer) = oneshot::channel();
        let mut desk = self.shared.desk();
        desk.latest_request_id.clone_from(&invocation.request_id);
        desk.unanswered = Some((invocation.request_id.clone(), answer_sender));
        desk.waiting = Some((invocation, taken_sender));
        drop(desk);
        self.shared.offered.notify_one();
        Delivery { taken, answer }
    }

    /// Reads the id of the invocation the process works on, or worked on last.
    pub fn request_ids(&self) -> RequestIds {
        RequestIds { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// See [`RuntimeApi::request_ids`].
pub struct RequestIds {
    shared: Arc<Shared>,
}

impl RequestIds {
    pub fn latest(&self) -> String {
        self.shared.desk().latest_request_id.clone()
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("nothing panics while it holds the desk")
    }

    /// Hands the answer over; `false` when no such invocation is open.
    fn answer(&self, request_id: &str, answer: Answer) -> bool {
        let taken = self.desk().unanswered.take_if(|(open, _)| open == request_id);
        match taken {
            // Nobody waits any more when the deadline has passed; the process is being killed then.
            Some((_, sender)) => {
                let _ = sender.send(answer);
                true
            }
            None => false,
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task: connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&shared)))),
                // Out of descriptors: the process tries again, and so does this.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // A reply in two packets stalls libcurl clients for 40 ms. Head and body leave in one vectored write.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(route(request, &shared).await) }
    });
    // An error here is the process closing its connection: its exit is noticed elsewhere.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn route(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.strip_prefix(PREFIX).unwrap_or_default().split('/').collect();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(shared).await,
        (&Method::POST, ["invocation", request_id, "response"]) => {
            let body = read(request.into_body()).await;
            post(shared, request_id, body, Answer::Response)
        }
        (&Method::POST, ["invocation", request_id, "error"]) => {
            let body = read(request.into_body()).await;
            post(shared, request_id, body, Answer::Error)
        }
        (&Method::POST, ["init", "error"]) => {
            let body = read(request.into_body()).await;
            let open = shared.desk().unanswered.as_ref().map(|(request_id, _)| request_id.clone());
            post(shared, &open.unwrap_or_default(), body, Answer::InitError)
        }
        _ => reply(StatusCode::NOT_FOUND, r#"{"errorMessage":"Not found","errorType":"NotFound"}"#),
    }
}

/// Long poll: answers when there is an invocation.
async fn next(shared: &Shared) -> Response<Full<Bytes>> {
    let (invocation, taken) = loop {
        if let Some(waiting) = shared.desk().waiting.take() {
            break waiting;
        }
        shared.offered.notified().await;
    };
    let deadline = SystemTime::now() + invocation.timeout;
    let deadline_ms = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let _ = taken.send(());

    let mut response = Response::new(Full::new(invocation.event));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut insert = |name: &'static str, value: &str| {
        // What no header can carry is left out: only a client context could hold such bytes.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(name, value);
        }
    };
    insert("lambda-runtime-aws-request-id", &invocation.request_id);
    insert("lambda-runtime-deadline-ms", &deadline_ms.to_string());
    insert("lambda-runtime-invoked-function-arn", &invocation.function_arn);
    insert("lambda-runtime-trace-id", &invocation.trace_id);
    if let Some(context) = &invocation.client_context {
        insert("lambda-runtime-client-context", context);
    }
    response
}

enum Body {
    Whole(Bytes),
    TooLarge,
    /// The connection broke.
    Broken,
}

/// Reads a body to its end, so that the answer reaches a client that is still writing; keeps it if it is not too large.
async fn read(mut body: Incoming) -> Body {
    let mut kept: Vec<u8> = Vec::new();
    let mut byte_count = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Body::Broken };
        let Ok(data) = frame.into_data() else { continue };
        byte_count = byte_count.saturating_add(data.len());
        if byte_count <= ANSWER_BYTES_MAX {
            kept.extend_from_slice(&data);
        }
    }
    if byte_count > ANSWER_BYTES_MAX { Body::TooLarge } else { Body::Whole(kept.into()) }
}

fn post(shared: &Shared, request_id: &str, body: Body, answer: fn(Bytes) -> Answer) -> Response<Full<Bytes>> {
    let (answer, accepted) = match body {
        Body::Whole(bytes) => (answer(bytes), StatusCode::ACCEPTED),
        Body::TooLarge => (Answer::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
        Body::Broken => return reply(StatusCode::BAD_REQUEST, ""),
    };
    if !shared.answer(request_id, answer) {
        let body = r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#;
        return reply(StatusCode::BAD_REQUEST, body);
    }
    match accepted {
        StatusCode::ACCEPTED => reply(accepted, "{\"status\":\"OK\"}\n"),
        _ => reply(
            accepted,
            r#"{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}"#,
        ),
    }
}

fn reply(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
