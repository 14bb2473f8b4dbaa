//! Lending: a decision that may be slow is made on the compute pool, where as many run as there are cores.
//!
//! Limits are counted, so that a decision comes out the same everywhere. Should one of them not hold, a clock ends the
//! command that takes too long, and that one only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

/// After so long on the clock a command's expressions are cancelled: their counted limits did not hold.
const COMMAND_PATIENCE: Duration = Duration::from_secs(10);

/// Where a lent decision says that it goes on to its next command.
pub(crate) struct Commands {
    cancel: watch::Sender<Arc<AtomicBool>>,
}

impl Commands {
    /// The flag that ends the next command; the patience begins anew.
    pub(crate) fn next(&self) -> Arc<AtomicBool> {
        let flag = Arc::default();
        self.cancel.send_replace(Arc::clone(&flag));
        flag
    }
}

/// Has `decide` done on the pool.
pub(crate) async fn lend<T: Send + 'static>(pool: &Semaphore, decide: impl FnOnce(Commands) -> T + Send + 'static) -> T {
    let _place = pool.acquire().await.expect("never closed");
    let (cancel, mut commands) = watch::channel(Arc::default());
    let mut deciding = tokio::task::spawn_blocking(move || decide(Commands { cancel }));
    loop {
        let flag = Arc::clone(&commands.borrow_and_update());
        tokio::select! {
            biased;
            decided = &mut deciding => match decided {
                Ok(decided) => return decided,
                // Panics are caught where they happen; a pool that goes down takes the owner with it.
                Err(_) => std::future::pending().await,
            },
            Ok(()) = commands.changed() => {}
            () = tokio::time::sleep(COMMAND_PATIENCE) => {
                tracing::warn!("an expression took {} s: cancelled", COMMAND_PATIENCE.as_secs());
                flag.store(true, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests;
