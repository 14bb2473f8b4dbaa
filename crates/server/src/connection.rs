//! A client's socket: time-outs on half-sent requests and untaken answers, and the moment an answer has left.
//!
//! [`Line`] is the connection as its requests see it, [`Socket`] as the HTTP machinery sees it; they share one state.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use skald_engine::activity::Delivery;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::config::Limits;

/// What a connection is doing. One request at a time: HTTP/1.1 answers in order.
#[derive(Debug, Default)]
pub(crate) struct Line {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// Bytes of a request may still come: its body has not been read to the end.
    is_partial: bool,
    /// Of the current answer: bytes of it went to the socket.
    wrote: bool,
    /// A task that is handed over with the current answer.
    delivery: Option<Delivery>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing of a request has come.
    #[default]
    Idle,
    /// Some of a request's headers have come.
    Head,
    /// The request is being answered; its body may still be coming.
    Answering,
    /// The answer is complete and on its way to the socket.
    Replying,
}

impl Line {
    /// The headers of a request are complete, and a body follows or none.
    pub(crate) fn begin(&self, has_body: bool) {
        let mut state = self.state();
        state.phase = Phase::Answering;
        state.is_partial = has_body;
    }

    /// The request has been read to its end.
    pub(crate) fn taken(&self) {
        self.state().is_partial = false;
    }

    /// Whether the last request is over and done with, and nothing has come of another.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.phase == Phase::Idle && !state.is_partial
    }

    /// The answer is complete and goes to the socket in one piece next.
    pub(crate) fn reply(&self) {
        let mut state = self.state();
        state.phase = Phase::Replying;
        state.wrote = false;
    }

    /// Marks `delivery` as written once the current answer is in the socket; drops it when that fails.
    pub(crate) fn deliver(&self, delivery: Delivery) {
        self.state().delivery = Some(delivery);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the state of a connection is held")
    }
}

/// The socket under the HTTP machinery.
pub(crate) struct Socket {
    stream: TcpStream,
    /// What was read already, and comes first.
    ahead: Bytes,
    line: Arc<Line>,
    head_timeout: Duration,
    write_timeout: Duration,
    /// Runs while headers are incomplete.
    head_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while the client takes nothing.
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, line: Arc<Line>, limits: &Limits) -> Self {
        Self {
            stream,
            ahead: Bytes::new(),
            line,
            head_timeout: limits.head_timeout,
            write_timeout: limits.write_timeout,
            head_timer: None,
            write_timer: None,
        }
    }

    /// Has `bytes` read again.
    #[expect(clippy::needless_pass_by_value, reason = "copied and dropped: an empty rest, too, would hold the buffer it is of")]
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        self.ahead = Bytes::copy_from_slice(&bytes);
    }

    /// Resolves when something has come, or the connection has ended.
    pub(crate) async fn asked(&self) -> io::Result<()> {
        if self.ahead.is_empty() { self.stream.readable().await } else { Ok(()) }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        buffer.put_slice(&self.ahead.split_to(self.ahead.len().min(buffer.remaining())));
        Poll::Ready(Ok(()))
    }

    fn after_write(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(result) => {
                self.write_timer = None;
                if matches!(result, Ok(count) if count > 0) {
                    self.line.state().wrote = true;
                }
                Poll::Ready(result)
            }
            Poll::Pending => expire(&mut self.write_timer, self.write_timeout, cx),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.poll_bytes(cx, buffer);
        let phase = {
            let mut state = self.line.state();
            if state.phase == Phase::Idle && buffer.filled().len() > before {
                state.phase = Phase::Head;
            }
            state.phase
        };
        if phase != Phase::Head {
            self.head_timer = None;
            return read;
        }
        // The timer is set once a request: a byte now and then does not extend it.
        let timeout = self.head_timeout;
        if self.head_timer.is_none() {
            self.head_timer = Some(Box::pin(tokio::time::sleep(timeout)));
        }
        match read {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => expire(&mut self.head_timer, timeout, cx),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.after_write(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The HTTP machinery flushes only when all it had to write has been taken.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            let mut state = self.line.state();
            if state.phase == Phase::Replying && state.wrote {
                state.phase = Phase::Idle;
                if let Some(delivery) = state.delivery.take() {
                    delivery.written();
                }
            }
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Pending until `timer`, which is started when it is not running, is over; then a time-out.
fn expire<T>(timer: &mut Option<Pin<Box<Sleep>>>, timeout: Duration, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    let running = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
    match running.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        Poll::Pending => Poll::Pending,
    }
}
