//! Starts so many executions, and looks no further.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use super::{Tally, accept};
use crate::load::{Answer, Lane, Turn};

/// See the module.
pub struct Starter {
    start: Rc<[u8]>,
    /// How many are still to be started, by all lanes together.
    left: Rc<Cell<u64>>,
    tally: Tally,
    sent: Option<Instant>,
}

impl Starter {
    pub fn lanes(start: Vec<u8>, count: u64, in_flight: usize, tally: &Tally) -> Vec<Box<dyn Lane>> {
        let (start, left) = (Rc::<[u8]>::from(start), Rc::new(Cell::new(count)));
        let lane = || Self { start: Rc::clone(&start), left: Rc::clone(&left), tally: Rc::clone(tally), sent: None };
        (0..in_flight).map(|_| Box::new(lane()) as Box<dyn Lane>).collect()
    }
}

impl Lane for Starter {
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let (Some(answer), Some(sent)) = (answer, self.sent) {
            accept(answer.status, answer.body)?;
            self.tally.borrow_mut().add(now - sent);
        }
        let Some(left) = self.left.get().checked_sub(1) else { return Ok(Turn::Done) };
        self.left.set(left);
        request.extend_from_slice(&self.start);
        self.sent = Some(now);
        Ok(Turn::Send)
    }
}
