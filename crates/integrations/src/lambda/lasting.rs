//! What goes on when whoever waits for it goes away.
//!
//! As long as somebody waits it is part of their task: a task of its own would be made, woken and freed for each call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that becomes a task of its own when it is dropped before its end. One that panics is not begun again.
pub(super) struct Lasting<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> Lasting<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Lasting<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out, so that one that panics is not begun again.
        let Some(mut future) = self.0.take() else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            self.0 = Some(future);
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Lasting<F> {
    fn drop(&mut self) {
        // Without a runtime the process is about to end.
        if let (Some(future), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn it_is_done_whether_somebody_waits_or_not() {
        for waits in [true, false] {
            let (go, gone) = oneshot::channel();
            let (done, when) = oneshot::channel();
            let mut lasting = Box::pin(Lasting::new(async move {
                gone.await.expect("told to go");
                done.send(7).expect("heard");
            }));
            let begun = poll_fn(|cx| Poll::Ready(lasting.as_mut().poll(cx))).await;
            assert_eq!(begun, Poll::Pending);
            let kept = waits.then_some(lasting);
            go.send(()).expect("still there");
            if let Some(lasting) = kept {
                lasting.await;
            }
            assert_eq!(when.await, Ok(7));
        }
    }
}
