//! Time as the engine sees it: never backward, and right again after a step forward.

use std::sync::Mutex;

use skald_asl::Timestamp;
use tokio::time::Instant;

/// A wall clock: it may step in either direction at any time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn wall_millis(&self) -> i64;
}

/// The operating system's.
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_millis(&self) -> i64 {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(_) => 0,
        }
    }
}

/// The engine's clock: what the wall says, but at least what has passed since it was last read.
///
/// A wall clock that steps backward neither holds timers up nor fires them early: time goes on at its own pace from where
/// it was, also across a restart (`not_before` is the store's latest time). A step forward is followed at once.
pub struct SteadyClock {
    wall: std::sync::Arc<dyn Clock>,
    last: Mutex<(i64, Instant)>,
}

impl SteadyClock {
    pub fn new(wall: std::sync::Arc<dyn Clock>, not_before: i64) -> Self {
        let now = wall.wall_millis().max(not_before);
        Self { wall, last: Mutex::new((now, Instant::now())) }
    }

    pub fn now(&self) -> Timestamp {
        let mut last = self.last.lock().expect("no panic while reading a clock");
        let instant = Instant::now();
        let passed = i64::try_from(instant.duration_since(last.1).as_millis()).unwrap_or(0);
        let steady = last.0.saturating_add(passed);
        let wall = self.wall.wall_millis();
        if wall > steady {
            *last = (wall, instant);
            return Timestamp::from_millis(wall);
        }
        Timestamp::from_millis(steady)
    }
}
