//! How an engine runs.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::execution_log::{ExecutionLog, ServerLog};

/// The engine's settings; the defaults are for a server.
#[derive(Clone)]
pub struct Options {
    /// Owner tasks: as many as cores.
    pub owners: usize,
    pub clock: Arc<dyn Clock>,
    /// Where dice come from: the same seed gives the same ids, nonces and jitter.
    pub seed: u64,
    /// The key that signs task tokens, for a store that has none yet.
    pub token_secret: [u8; 32],
    /// How long an execution without anything to do stays in memory.
    pub park_after: Duration,
    /// How long an owner sleeps at most: the wall clock may have stepped forward meanwhile.
    pub nap_max: Duration,
    pub compute: Compute,
    /// How long an ended execution is kept, unless its machine's tag `skald:retention-days` says otherwise.
    pub retention: Duration,
    /// Commands an owner's inbox holds before starts are throttled.
    pub inbox_commands_max: usize,
    /// Where machines that ask for it have their events logged.
    pub execution_log: Arc<dyn ExecutionLog>,
    /// Bytes that live executions may take, as far as they are counted, before starts are throttled.
    pub live_bytes_max: u64,
    /// Starts of all machines that may wait for their answer; more are throttled.
    pub starts_waiting_max: u64,
    /// Starts a second of one machine; more are throttled.
    pub starts_per_second_max: Option<u32>,
}

/// Where decisions are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compute {
    /// Heavy ones on a pool of threads, light ones by their owner.
    Pool,
    /// All by their owner, in one order.
    Owner,
    /// All away from their owner, as heavy ones are, but in one order: for simulations.
    Away,
}

impl Default for Options {
    fn default() -> Self {
        let (mut seed, mut token_secret) = ([0; 8], [0; 32]);
        getrandom::fill(&mut seed).expect("the operating system has randomness");
        getrandom::fill(&mut token_secret).expect("the operating system has randomness");
        Self {
            owners: std::thread::available_parallelism().map_or(1, usize::from),
            clock: Arc::new(SystemClock),
            seed: u64::from_le_bytes(seed),
            token_secret,
            park_after: Duration::from_secs(5),
            nap_max: Duration::from_secs(1),
            compute: Compute::Pool,
            // SOURCE: Step Functions keeps the history of a Standard execution for 90 days.
            retention: 90 * crate::retention::DAY,
            inbox_commands_max: 4_096,
            execution_log: Arc::new(ServerLog),
            live_bytes_max: 1 << 30,
            starts_waiting_max: 4_096,
            starts_per_second_max: None,
        }
    }
}
