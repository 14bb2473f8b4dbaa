//! How an engine runs.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};

/// The engine's settings; the defaults are for a server.
#[derive(Clone)]
pub struct Options {
    /// Owner tasks: as many as cores.
    pub owners: usize,
    pub clock: Arc<dyn Clock>,
    /// Where dice come from: the same seed gives the same ids, nonces and jitter.
    pub seed: u64,
    /// How long an execution without anything to do stays in memory.
    pub park_after: Duration,
    /// Commands an owner's inbox holds before starts are throttled.
    pub inbox_commands_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the operating system has randomness");
        Self {
            owners: std::thread::available_parallelism().map_or(1, usize::from),
            clock: Arc::new(SystemClock),
            seed: u64::from_le_bytes(seed),
            park_after: Duration::from_secs(5),
            inbox_commands_max: 4_096,
        }
    }
}
