//! Reads histories from their first page to their last, one after the other.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use super::{Tally, accept};
use crate::http;
use crate::load::{Answer, Lane, Lanes, Turn};

/// Events a page.
const PAGE_EVENTS: usize = 1_000;

/// What all readers together have got.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pages {
    pub bytes: u64,
    /// Histories read to their end.
    pub histories: u64,
}

/// See the module.
pub struct Reader {
    host: Rc<str>,
    executions: Rc<[String]>,
    until: Instant,
    tally: Tally,
    pages: Rc<Cell<Pages>>,
    next: usize,
    /// The page after the last one that came.
    token: Option<String>,
    sent: Instant,
}

impl Reader {
    /// Lane by lane, the executions are begun at another one.
    pub fn lanes(host: &str, executions: &[String], count: usize, until: Instant, tally: &Tally, pages: &Rc<Cell<Pages>>) -> Lanes {
        let (host, executions) = (Rc::<str>::from(host), Rc::<[String]>::from(executions));
        let lane = |next| Self {
            host: Rc::clone(&host),
            executions: Rc::clone(&executions),
            until,
            tally: Rc::clone(tally),
            pages: Rc::clone(pages),
            next,
            token: None,
            sent: until,
        };
        (0..count).map(|index| Box::new(lane(index)) as Box<dyn Lane>).collect()
    }
}

impl Lane for Reader {
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let Some(answer) = answer {
            accept(answer.status, answer.body)?;
            self.tally.borrow_mut().add(now - self.sent);
            let Pages { bytes, histories } = self.pages.get();
            self.token = next_token(answer.body).map(str::to_owned);
            let is_last = self.token.is_none();
            self.next += usize::from(is_last);
            self.pages.set(Pages { bytes: bytes + answer.body.len() as u64, histories: histories + u64::from(is_last) });
        }
        if now >= self.until {
            return Ok(Turn::Done);
        }
        let execution = &self.executions[self.next % self.executions.len()];
        let token = self.token.as_ref().map(|token| format!(r#","nextToken":"{token}""#)).unwrap_or_default();
        let body = format!(r#"{{"executionArn":"{execution}","maxResults":{PAGE_EVENTS}{token}}}"#);
        http::write_call(request, &self.host, "GetExecutionHistory", &body);
        self.sent = now;
        Ok(Turn::Send)
    }
}

/// It is the last member of an answer.
fn next_token(body: &[u8]) -> Option<&str> {
    let tail = &body[body.len().saturating_sub(4096)..];
    http::text_member(&tail[http::find_last(tail, b"\"nextToken\":")?..], "nextToken")
}
