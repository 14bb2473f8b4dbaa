//! Looks at the server's metrics until one of them has come as far as it should.

use std::time::{Duration, Instant};

use super::accept;
use crate::http;
use crate::load::{Answer, Lane, Lanes, Turn};
use crate::meter;

const LOOK_AFTER: Duration = Duration::from_millis(20);

/// See the module.
pub struct Watch {
    look: Vec<u8>,
    metric: String,
    at_least: u64,
    /// When there is nothing more to wait for.
    deadline: Instant,
}

impl Watch {
    /// One lane.
    pub fn lanes(host: &str, metric: String, at_least: u64, deadline: Instant) -> Lanes {
        let mut look = Vec::new();
        http::write_get(&mut look, host, "/metrics");
        vec![Box::new(Self { look, metric, at_least, deadline })]
    }
}

impl Lane for Watch {
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let Some(answer) = answer {
            accept(answer.status, answer.body)?;
            let count = meter::count_in(std::str::from_utf8(answer.body)?, &self.metric);
            if count >= self.at_least {
                return Ok(Turn::Done);
            }
            anyhow::ensure!(now < self.deadline, "{} is {count}, and should be {} by now", self.metric, self.at_least);
            return Ok(Turn::Pause(LOOK_AFTER));
        }
        request.extend_from_slice(&self.look);
        Ok(Turn::Send)
    }
}
