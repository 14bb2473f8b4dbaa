//! Starts an execution, watches it until it is seen to have succeeded, and starts the next.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{Tally, accept};
use crate::http;
use crate::load::{Answer, Lane, Turn};

/// How much of the data DescribeExecution is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Everything,
    MetadataOnly,
}

/// What is started.
#[derive(Debug, Clone)]
pub struct Started {
    pub host: String,
    pub machine: String,
    pub input: String,
    pub shown: Shown,
}

/// See the module.
///
/// Watching is part of the load, so it is kept small: the first look comes when, by what was seen before, the execution
/// should be about to end; further looks are a sixteenth of that time apart. What ends before its start is answered is
/// seen at the first look, at once.
pub struct Workflow {
    host: Rc<str>,
    start: Rc<[u8]>,
    shown: Shown,
    until: Instant,
    tally: Tally,
    state: State,
    /// About how long after the answer to its start an execution runs on.
    expected: Duration,
}

enum State {
    Idle,
    Starting { began: Instant },
    Watching { began: Instant, answered: Instant, describe: Vec<u8>, looks: u32, last_seen_running: Duration },
}

/// How much of the expected time passes between two looks.
const LOOKS: u32 = 16;
const LOOK_AFTER_MIN: Duration = Duration::from_micros(100);

impl Workflow {
    /// As many lanes as are to be in flight. None starts anything after `until`.
    pub fn lanes(started: &Started, in_flight: usize, until: Instant, tally: &Tally) -> Vec<Box<dyn Lane>> {
        let start = http::start_request(&started.host, &started.machine, &started.input);
        let (start, host) = (Rc::<[u8]>::from(start), Rc::<str>::from(started.host.as_str()));
        let lane = || Self {
            host: Rc::clone(&host),
            start: Rc::clone(&start),
            shown: started.shown,
            until,
            tally: Rc::clone(tally),
            state: State::Idle,
            expected: Duration::ZERO,
        };
        (0..in_flight).map(|_| Box::new(lane()) as Box<dyn Lane>).collect()
    }

    fn begin(&mut self, now: Instant, request: &mut Vec<u8>) -> Turn {
        if now >= self.until {
            return Turn::Done;
        }
        request.extend_from_slice(&self.start);
        self.state = State::Starting { began: now };
        Turn::Send
    }

    fn describe(&self, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let arn = http::text_member(body, "executionArn").context("StartExecution answers without an ARN")?;
        let members = match self.shown {
            Shown::Everything => format!(r#"{{"executionArn":"{arn}"}}"#),
            Shown::MetadataOnly => format!(r#"{{"executionArn":"{arn}","includedData":"METADATA_ONLY"}}"#),
        };
        let mut describe = Vec::with_capacity(512);
        http::write_call(&mut describe, &self.host, "DescribeExecution", &members);
        Ok(describe)
    }
}

impl Lane for Workflow {
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let Some(answer) = answer {
            accept(answer.status, answer.body)?;
        }
        match (std::mem::replace(&mut self.state, State::Idle), answer) {
            (State::Idle, _) => Ok(self.begin(now, request)),
            (State::Starting { began }, answer) => {
                let describe = self.describe(answer.context("a turn without the answer to a start")?.body)?;
                let pause = self.expected;
                let turn = if pause < LOOK_AFTER_MIN { Turn::Send } else { Turn::Pause(pause) };
                if let Turn::Send = turn {
                    request.extend_from_slice(&describe);
                }
                self.state = State::Watching { began, answered: now, describe, looks: 0, last_seen_running: Duration::ZERO };
                Ok(turn)
            }
            // A pause is over.
            (State::Watching { began, answered, describe, looks, last_seen_running }, None) => {
                request.extend_from_slice(&describe);
                self.state = State::Watching { began, answered, describe, looks, last_seen_running };
                Ok(Turn::Send)
            }
            (State::Watching { began, answered, describe, looks, last_seen_running }, Some(answer)) => {
                match http::text_member(answer.body, "status") {
                    Some("SUCCEEDED") => {
                        self.tally.borrow_mut().add(now - began);
                        // The end lay between the last look and this one; a first look may have come too late.
                        let ran = if looks == 0 { self.expected * 9 / 10 } else { last_seen_running };
                        self.expected = (self.expected * 3 + ran) / 4;
                        Ok(self.begin(now, request))
                    }
                    Some("RUNNING") => {
                        let last_seen_running = now - answered;
                        let pause = (last_seen_running / LOOKS).max(LOOK_AFTER_MIN);
                        self.state = State::Watching { began, answered, describe, looks: looks + 1, last_seen_running };
                        Ok(Turn::Pause(pause))
                    }
                    _ => anyhow::bail!("an execution ended badly: {}", String::from_utf8_lossy(answer.body)),
                }
            }
        }
    }
}
