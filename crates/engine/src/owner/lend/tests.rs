//! A slow command is cancelled, and no other one.

use super::*;

/// Takes its time until it is cancelled.
fn slow(commands: &Commands, takes_time: &AtomicBool) {
    let flag = commands.next();
    takes_time.store(true, Ordering::SeqCst);
    while !flag.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    takes_time.store(false, Ordering::SeqCst);
}

#[tokio::test(start_paused = true)]
async fn each_command_has_its_own_patience_and_only_a_slow_one_is_cancelled() {
    let takes_time = Arc::new(AtomicBool::new(false));
    let deciding = tokio::spawn({
        let takes_time = Arc::clone(&takes_time);
        let decide = move |commands: Commands| {
            slow(&commands, &takes_time);
            let cancelled_quick_one = commands.next().load(Ordering::Relaxed);
            slow(&commands, &takes_time);
            cancelled_quick_one
        };
        async move { lend(&Semaphore::new(1), decide).await }
    });
    let began = tokio::time::Instant::now();
    // The clock stands by itself while a thread works.
    while !deciding.is_finished() {
        match takes_time.load(Ordering::SeqCst) {
            true => tokio::time::advance(Duration::from_secs(1)).await,
            false => tokio::task::yield_now().await,
        }
    }
    assert!(!deciding.await.expect("no panic"), "the one between the slow ones");
    assert!(began.elapsed() >= 2 * COMMAND_PATIENCE, "after {:?}", began.elapsed());
}
