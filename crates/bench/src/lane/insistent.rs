//! Does what another lane does, and asks again, at once, when it is throttled.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::http;
use crate::load::{Answer, Lane, Lanes, Turn};

/// What became of the requests of all lanes together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Refusals {
    pub throttled: u64,
    /// Neither served nor throttled.
    pub failed: u64,
    /// How long the slowest answer took.
    pub slowest: Duration,
}

/// See the module. What fails it asks again, too, so that one failure does not end the measurement.
pub struct Insistent {
    inner: Box<dyn Lane>,
    until: Instant,
    refusals: Rc<Cell<Refusals>>,
    asked: Vec<u8>,
    sent: Instant,
}

impl Insistent {
    /// None asks for anything after `until`.
    pub fn lanes(inner: Lanes, until: Instant, refusals: &Rc<Cell<Refusals>>) -> Lanes {
        let lane = |inner| Self { inner, until, refusals: Rc::clone(refusals), asked: Vec::new(), sent: until };
        inner.into_iter().map(|inner| Box::new(lane(inner)) as Box<dyn Lane>).collect()
    }
}

impl Lane for Insistent {
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let Some(answer) = answer {
            let mut refusals = self.refusals.get();
            refusals.slowest = refusals.slowest.max(now.saturating_duration_since(self.sent));
            let is_served = answer.status == 200;
            if !is_served {
                match http::find(answer.body, b"ThrottlingException") {
                    Some(_) if answer.status == 400 => refusals.throttled += 1,
                    Some(_) | None => refusals.failed += 1,
                }
            }
            self.refusals.set(refusals);
            if !is_served && now < self.until {
                request.extend_from_slice(&self.asked);
                self.sent = now;
                return Ok(Turn::Send);
            }
        }
        if now >= self.until {
            return Ok(Turn::Done);
        }
        let turn = self.inner.turn(now, answer, request)?;
        self.asked.clone_from(request);
        self.sent = now;
        Ok(turn)
    }
}
