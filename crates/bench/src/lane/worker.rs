//! A worker of an activity: takes a task, answers that it is done, takes the next.

use std::time::Instant;

use serde_json::json;

use super::accept;
use crate::http;
use crate::load::{Answer, Lane, Turn};

/// See the module. It never ends by itself.
pub struct Worker {
    host: String,
    poll: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Polling,
    Answering,
}

impl Worker {
    pub fn new(host: &str, activity: &str) -> Self {
        let mut poll = Vec::new();
        http::write_call(&mut poll, host, "GetActivityTask", &json!({ "activityArn": activity }).to_string());
        Self { host: host.to_owned(), poll, state: State::Idle }
    }
}

impl Lane for Worker {
    fn turn(&mut self, _now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let Some(answer) = answer {
            accept(answer.status, answer.body)?;
        }
        let token = answer.filter(|_| self.state == State::Polling).and_then(|answer| http::text_member(answer.body, "taskToken"));
        match token {
            Some(token) => {
                let body = format!(r#"{{"taskToken":"{token}","output":"{{\"orderId\":\"o-1\",\"state\":\"done\"}}"}}"#);
                http::write_call(request, &self.host, "SendTaskSuccess", &body);
                self.state = State::Answering;
            }
            None => {
                request.extend_from_slice(&self.poll);
                self.state = State::Polling;
            }
        }
        Ok(Turn::Send)
    }
}
