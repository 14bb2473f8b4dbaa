//! Accepts connections, answers their requests, and drains them at the end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Request, Response, StatusCode, header, request};
use axum::routing::get;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::{self, Parts};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use skald_engine::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::config::Config;
use crate::connection::{Line, Socket};
use crate::protocol::{self, ApiError};
use crate::room::Room;
use crate::{api, auth, metrics};

/// How long accepting pauses after an error such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An engine on a listener.
pub struct Server {
    shared: Arc<Shared>,
    router: Router,
    /// For connections.
    room: Arc<Semaphore>,
}

/// What every request may use.
pub(crate) struct Shared {
    pub engine: Engine,
    pub config: Config,
    pub bodies: Room,
    pub answers: Room,
    /// True once the server takes nothing new.
    pub draining: watch::Receiver<bool>,
}

impl Shared {
    /// Resolves once the server takes nothing new.
    pub(crate) async fn until_draining(&self) {
        // The sender goes away only after draining began.
        let _ = self.draining.clone().wait_for(|draining| *draining).await;
    }
}

impl Server {
    /// Serves until `shutdown` resolves. Then the listener closes, new requests are answered with `ServiceUnavailable`,
    /// long polls end, and the requests that are running have [`crate::Limits::drain_timeout`] to finish.
    pub async fn serve(listener: TcpListener, engine: Engine, config: Config, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
        let (drain, draining) = watch::channel(false);
        let drain_timeout = config.limits.drain_timeout;
        let room = Arc::new(Semaphore::new(config.limits.connections_max));
        let large_bytes_max = config.limits.large_bodies_bytes_max;
        let (bodies, answers) = (Room::new(large_bytes_max), Room::new(large_bytes_max));
        let shared = Arc::new(Shared { engine, config, bodies, answers, draining });
        let server = Arc::new(Self { router: router(shared.clone()), shared, room: room.clone() });
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                (stream, permit) = accept(&listener, &room) => {
                    connections.spawn(server.clone().converse(stream, permit));
                }
            }
        }
        drop(listener);
        drain.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(drain_timeout, drained).await.is_err() {
            tracing::warn!("requests were cut off at shutdown");
        }
        Ok(())
    }

    /// Serves one connection until either side closes it.
    async fn converse(self: Arc<Self>, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Without this, an answer may wait 40 ms for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
        let line = Arc::new(Line::default());
        let limits = &self.shared.config.limits;
        let mut socket = Socket::new(stream, line.clone(), limits);
        let mut service = service_fn(|request| {
            let (server, line) = (self.clone(), line.clone());
            // Boxed, so that a connection without a request holds no room for one.
            Box::pin(async move { Ok::<_, Infallible>(server.answer(request, line).await) })
        });
        let mut machinery = http1::Builder::new();
        machinery
            .timer(TokioTimer::new())
            // The machinery's clock also runs between requests; [`Socket`] has the shorter one for half-sent headers.
            .header_read_timeout(limits.idle_timeout)
            .max_header_size(limits.header_bytes_max);
        loop {
            let mut connection = machinery.serve_connection(TokioIo::new(socket), service);
            let ended = tokio::select! {
                ended = self.until_resting(&mut connection, &line) => ended,
                () = self.shared.until_draining() => {
                    Pin::new(&mut connection).graceful_shutdown();
                    Some((&mut connection).await)
                }
            };
            if let Some(ended) = ended {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                break;
            }
            let Parts { io, read_buf, service: same, .. } = connection.into_parts();
            (socket, service) = (io.into_inner(), same);
            socket.put_back(read_buf);
            tokio::select! {
                asked = tokio::time::timeout(limits.idle_timeout, socket.asked()) => if !matches!(asked, Ok(Ok(()))) { break },
                () = self.shared.until_draining() => break,
            }
        }
        drop(permit);
    }

    /// Drives a connection until it has ended, or, in a crowd, until nothing is asked on it: then none.
    async fn until_resting<F: Future + Unpin>(&self, connection: &mut F, line: &Line) -> Option<F::Output> {
        std::future::poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if self.is_crowded() && line.is_idle() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Whether so many are connected that those of whom nothing is asked should hold no buffers.
    fn is_crowded(&self) -> bool {
        let limits = &self.shared.config.limits;
        limits.connections_max - self.room.available_permits() > limits.connections_buffered_max
    }

    async fn answer(&self, request: Request<Incoming>, line: Arc<Line>) -> Response<Body> {
        line.begin(!request.body().is_end_stream());
        let started = Instant::now();
        let id = protocol::new_uuid();
        let (head, body) = request.into_parts();
        let action = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or("-");
        let mut response = match self.admit(&head) {
            Ok(()) => catch_panic(self.route(&head, body, &id, &line)).await.unwrap_or_else(|| {
                tracing::error!(request_id = id, action, "a request's handler panicked");
                ApiError::internal("panic").response()
            }),
            Err(refusal) => refusal.response(),
        };
        if *self.shared.draining.borrow() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let id_value = HeaderValue::from_str(&id).expect("a UUID is a header value");
        response.headers_mut().insert("x-amzn-RequestId", id_value);
        tracing::debug!(
            request_id = id, method = %head.method, path = head.uri.path(), action,
            status = response.status().as_u16(),
            error = response.headers().get("x-amzn-ErrorType").and_then(|value| value.to_str().ok()),
            micros = started.elapsed().as_micros() as u64,
            "request"
        );
        line.reply();
        response
    }

    /// Operations are all under one path, which is most of what is asked; the router has the rest.
    async fn route(&self, head: &request::Parts, body: Incoming, id: &str, line: &Line) -> Response<Body> {
        if head.uri.path() == "/" {
            return api::answer(&self.shared, head, body, id, line).await;
        }
        let request = Request::from_parts(head.clone(), Body::new(body));
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    fn admit(&self, head: &request::Parts) -> Result<(), ApiError> {
        if *self.shared.draining.borrow() {
            let message = "The server is shutting down.";
            return Err(ApiError::new("ServiceUnavailable", message).with_status(StatusCode::SERVICE_UNAVAILABLE));
        }
        // Probes come with the address they were given; the answer tells nothing and changes nothing.
        if head.uri.path() == "/healthz" {
            return Ok(());
        }
        auth::check_host(&head.headers, &head.uri, &self.shared.config)
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { protocol::json_response(StatusCode::OK, br#"{"status":"ok"}"#.to_vec()) }))
        .route("/metrics", get(show_metrics))
        .fallback(|| async {
            ApiError::new("UnknownOperationException", "Nothing is served under this path.").with_status(StatusCode::NOT_FOUND).response()
        })
        .with_state(shared)
}

async fn show_metrics(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let mut response = Response::new(Body::from(metrics::render(shared.engine.metrics())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    response
}

/// The next connection, as soon as there is room for it.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Drives `future`; none when it panicked. Nothing of it is used after that.
async fn catch_panic<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    })
    .await
}
