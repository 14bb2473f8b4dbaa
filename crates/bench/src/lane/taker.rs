//! Takes tasks of an activity, and answers none of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use super::accept;
use crate::http;
use crate::load::{Answer, Lane, Lanes, Turn};

/// A task that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    pub token: String,
    /// What its input says under `number`.
    pub number: u64,
    pub at: Instant,
    /// Since it was asked for.
    pub after: Duration,
}

/// See the module.
pub struct Taker {
    poll: Rc<[u8]>,
    /// How many are still to be asked for, by all lanes together.
    left: Rc<Cell<u64>>,
    taken: Rc<RefCell<Vec<Taken>>>,
    asked: Option<Instant>,
}

impl Taker {
    pub fn lanes(host: &str, activity: &str, count: u64, in_flight: usize, taken: &Rc<RefCell<Vec<Taken>>>) -> Lanes {
        let mut poll = Vec::new();
        http::write_call(&mut poll, host, "GetActivityTask", &json!({ "activityArn": activity }).to_string());
        let (poll, left) = (Rc::<[u8]>::from(poll), Rc::new(Cell::new(count)));
        let lane = || Self { poll: Rc::clone(&poll), left: Rc::clone(&left), taken: Rc::clone(taken), asked: None };
        (0..in_flight).map(|_| Box::new(lane()) as Box<dyn Lane>).collect()
    }
}

impl Lane for Taker {
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let (Some(answer), Some(asked)) = (answer, self.asked.take()) {
            accept(answer.status, answer.body)?;
            match http::text_member(answer.body, "taskToken") {
                Some(token) => {
                    let number = number_of(answer.body).context("a task whose input has no number")?;
                    self.taken.borrow_mut().push(Taken { token: token.to_owned(), number, at: now, after: now - asked });
                }
                // The poll was over: it did not count.
                None => self.left.set(self.left.get() + 1),
            }
        }
        let Some(left) = self.left.get().checked_sub(1) else { return Ok(Turn::Done) };
        self.left.set(left);
        request.extend_from_slice(&self.poll);
        self.asked = Some(now);
        Ok(Turn::Send)
    }
}

/// The number in an input, which is JSON within JSON.
fn number_of(body: &[u8]) -> Option<u64> {
    let key = br#"\"number\":"#;
    let digits = &body[http::find(body, key)? + key.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_from_the_input_of_a_task() {
        assert_eq!(number_of(br#"{"taskToken":"t","input":"{\"number\":417,\"x\":1}"}"#), Some(417));
        assert_eq!(number_of(br#"{"taskToken":"t","input":"{}"}"#), None);
    }
}
