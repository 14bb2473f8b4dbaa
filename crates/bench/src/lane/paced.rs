//! Sends numbered requests, each at its time, by whichever connection is free.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Tally, accept};
use crate::load::{Answer, Lane, Lanes, Turn};

/// What is sent when. Without a pause between two, as fast as the answers come.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub count: u64,
    pub pause: Duration,
    pub until: Instant,
}

/// See the module.
pub struct Paced {
    all: Rc<All>,
    tally: Tally,
    sent: Option<Instant>,
}

/// What the lanes share.
struct All {
    request: Box<dyn Fn(u64) -> Vec<u8>>,
    plan: Plan,
    /// When the first lane had its first turn: all are connected then.
    began: OnceCell<Instant>,
    next: Cell<u64>,
    sent: Rc<RefCell<Vec<Instant>>>,
}

impl Paced {
    /// `request` makes the request of a number, from zero on; `sent` is when each was sent, by number.
    pub fn lanes(
        request: impl Fn(u64) -> Vec<u8> + 'static,
        plan: Plan,
        in_flight: usize,
        tally: &Tally,
        sent: &Rc<RefCell<Vec<Instant>>>,
    ) -> Lanes {
        let all = All { request: Box::new(request), plan, began: OnceCell::new(), next: Cell::new(0), sent: Rc::clone(sent) };
        let all = Rc::new(all);
        let lane = || Self { all: Rc::clone(&all), tally: Rc::clone(tally), sent: None };
        (0..in_flight).map(|_| Box::new(lane()) as Box<dyn Lane>).collect()
    }
}

impl Lane for Paced {
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let (Some(answer), Some(sent)) = (answer, self.sent.take()) {
            accept(answer.status, answer.body)?;
            self.tally.borrow_mut().add(now - sent);
        }
        let number = self.all.next.get();
        if number >= self.all.plan.count || now >= self.all.plan.until {
            return Ok(Turn::Done);
        }
        let due = *self.all.began.get_or_init(|| now) + Duration::from_nanos(self.all.plan.pause.as_nanos() as u64 * number);
        if due > now {
            return Ok(Turn::Pause(due - now));
        }
        self.all.next.set(number + 1);
        request.extend_from_slice(&(self.all.request)(number));
        self.all.sent.borrow_mut().push(now);
        self.sent = Some(now);
        Ok(Turn::Send)
    }
}
