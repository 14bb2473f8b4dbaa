//! Sends the same requests over and over, in turn.

use std::rc::Rc;
use std::time::Instant;

use super::{Tally, accept};
use crate::http;
use crate::load::{Answer, Lane, Turn};

/// See the module.
pub struct Repeat {
    requests: Rc<[Vec<u8>]>,
    /// What each answer must hold.
    expected: &'static str,
    until: Instant,
    tally: Tally,
    sent: Option<Instant>,
    next: usize,
}

impl Repeat {
    /// Lane by lane, the requests are begun at another place.
    pub fn lanes(requests: Vec<Vec<u8>>, expected: &'static str, in_flight: usize, until: Instant, tally: &Tally) -> Vec<Box<dyn Lane>> {
        let requests = Rc::<[Vec<u8>]>::from(requests);
        let lane = |next| Self { requests: Rc::clone(&requests), expected, until, tally: Rc::clone(tally), sent: None, next };
        (0..in_flight).map(|index| Box::new(lane(index)) as Box<dyn Lane>).collect()
    }
}

impl Lane for Repeat {
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let (Some(answer), Some(sent)) = (answer, self.sent) {
            accept(answer.status, answer.body)?;
            let is_expected = http::find(answer.body, self.expected.as_bytes()).is_some();
            anyhow::ensure!(is_expected, "no {} in {}", self.expected, String::from_utf8_lossy(answer.body));
            self.tally.borrow_mut().add(now - sent);
        }
        if now >= self.until {
            return Ok(Turn::Done);
        }
        request.extend_from_slice(&self.requests[self.next % self.requests.len()]);
        self.next += 1;
        self.sent = Some(now);
        Ok(Turn::Send)
    }
}
