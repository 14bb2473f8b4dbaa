//! What the shell brings to a decision: time, dice, tokens, limits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use skald_asl::Timestamp;
use skald_query::Budget;

use crate::event::EventId;

/// The world, as far as a decision may see it.
pub struct Context<'a> {
    /// At least the time of the last event.
    pub now: Timestamp,
    pub dice: Dice,
    pub world: &'a dyn World,
    pub budget: Budget,
    /// The last resort of a shell that has a clock: raised, it ends the expression that runs. Counted limits come first.
    pub cancel: Option<Arc<AtomicBool>>,
    /// The machine was deleted: the execution ends at its next transition.
    pub machine_deleted: bool,
}

/// What a decision asks about the world outside its execution.
pub trait World {
    /// The token by which the task scheduled by this event is answered.
    fn mint_token(&self, scheduled: EventId, nonce: u64) -> String;
    /// Whether there is an activity of this ARN now.
    fn activity_exists(&self, arn: &str) -> bool;
}

/// Random numbers from a seed: the same seed gives the same decision.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits. SOURCE: the splitmix64 generator (Steele, Lea, Flood 2014).
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `[0, 1)`.
    pub fn fraction(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }
}
