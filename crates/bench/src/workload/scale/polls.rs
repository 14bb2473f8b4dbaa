//! Very many polls of activities open at once: what each holds, how soon after a start a task is with one of them, and
//! whether polls whose client went away take tasks with them.

use std::cell::RefCell;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{PATIENCE, activity_machine, numbered_start, wait_until};
use crate::bar::POLLS;
use crate::client::Client;
use crate::http;
use crate::lane::{Paced, Plan, Taken, Taker, Tally};
use crate::latency::Latencies;
use crate::load::{self, Answer, Lane, Turn};
use crate::meter::{Done, gauge};
use crate::process;
use crate::report::{Report, Row};
use crate::server::Server;
use crate::workload::{Ground, meter};

/// As many as may wait for one activity. SOURCE: Step Functions quotas, "Maximum number of activity pollers per ARN".
const POLLS_AN_ACTIVITY: usize = 1_000;
const ACTIVITIES: usize = 4;
const STARTS_PER_SECOND: u32 = 1_000;
const STARTING: usize = 16;

/// Tasks that come right after polls were abandoned.
const AFTER_CLOSING: u64 = 200;

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let subject = ground.start()?;
    let server = &subject.server;
    let mut client = server.client()?;
    let mut queues = Vec::new();
    for number in 0..ACTIVITIES {
        queues.push(activity_machine(&mut client, &format!("Polled{number}"), json!({}))?);
    }
    let mut row = Row::new(POLLS, POLLS_AN_ACTIVITY * ACTIVITIES);
    let resident_before = process::resident_bytes(server.id())?;
    let abandoned = queues.iter().map(|(activity, _)| open_polls(server, activity)).collect::<anyhow::Result<Vec<_>>>()?;
    all_wait(&mut client, server)?;
    let resident = process::resident_bytes(server.id())?.saturating_sub(resident_before);
    row.set("rss_bytes_each", resident as f64 / (POLLS_AN_ACTIVITY * ACTIVITIES) as f64);

    // The clients go away, and tasks come at once.
    drop(abandoned);
    let after_closing = run(server, &queues, AFTER_CLOSING, POLLS_AN_ACTIVITY / 10)?;
    row.set("lost_after_closing", (AFTER_CLOSING - after_closing.latencies.count() as u64) as f64);
    row.set("after_closing_max_ms", after_closing.latencies.percentile(1.0).as_secs_f64() * 1e3);

    let (meter, count) = (meter(server), u64::from(STARTS_PER_SECOND) * ground.duration.as_secs());
    let before = meter.read()?;
    let ran = run(server, &queues, count, POLLS_AN_ACTIVITY)?;
    meter.account(&mut row, &before, Done { operations: count, received_bytes: ran.received_bytes })?;
    row.set("per_second", count as f64 / ran.elapsed.as_secs_f64());
    row.set_latencies(&ran.latencies);
    row.set("lost", (count - ran.latencies.count() as u64) as f64);
    report.add(row);
    subject.server.stop()
}

/// A poll a connection, all written and none answered.
fn open_polls(server: &Server, activity: &str) -> anyhow::Result<Vec<TcpStream>> {
    let mut poll = Vec::new();
    http::write_call(&mut poll, &server.address, "GetActivityTask", &json!({ "activityArn": activity }).to_string());
    let open = |_| {
        let mut stream = TcpStream::connect(&server.address)?;
        stream.write_all(&poll)?;
        Ok(stream)
    };
    (0..POLLS_AN_ACTIVITY).map(open).collect()
}

fn all_wait(client: &mut Client, server: &Server) -> anyhow::Result<()> {
    let wanted = (POLLS_AN_ACTIVITY * ACTIVITIES) as f64;
    let waits = wait_until(PATIENCE, || Ok(gauge(&server.address, "skald_activity_polls_waiting")? >= wanted))?;
    anyhow::ensure!(waits, "not all polls wait: {}", client.get("/metrics")?);
    Ok(())
}

/// From the start of each execution to the moment a worker has its task.
struct Ran {
    latencies: Latencies,
    elapsed: Duration,
    received_bytes: u64,
}

/// Starts `count` executions at their pace, of all machines in turn, while so many polls wait for each activity.
fn run(server: &Server, queues: &[(String, String)], count: u64, polls: usize) -> anyhow::Result<Ran> {
    let (taken, sent) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
    let takers = queues.iter().flat_map(|(activity, _)| Taker::lanes(&server.address, activity, u64::MAX, polls, &taken)).collect();
    let starts: Vec<_> = queues.iter().map(|(_, machine)| numbered_start(&server.address, machine)).collect();
    let start = move |number: u64| starts[number as usize % starts.len()](number);
    let (until, pause) = (Instant::now() + PATIENCE, Duration::from_secs(1) / STARTS_PER_SECOND);
    let mut lanes = Paced::lanes(start, Plan { count, pause, until }, STARTING, &Tally::default(), &sent);
    lanes.push(Box::new(Taking { taken: Rc::clone(&taken), count, waits_for: pause * count as u32 + LATEST, until: None }));
    let ran = load::run(&server.address, lanes, takers)?;
    let mut latencies = Latencies::default();
    let sent = sent.borrow();
    let mut seen = vec![false; sent.len()];
    for Taken { number, at, .. } in taken.borrow().iter() {
        if !std::mem::replace(&mut seen[*number as usize], true) {
            latencies.add(*at - sent[*number as usize]);
        }
    }
    Ok(Ran { latencies, elapsed: ran.elapsed, received_bytes: ran.received_bytes })
}

/// A task that is not with a worker so long after its start is lost.
const LATEST: Duration = Duration::from_secs(10);

/// Is done when all tasks are taken.
struct Taking {
    taken: Rc<RefCell<Vec<Taken>>>,
    count: u64,
    waits_for: Duration,
    until: Option<Instant>,
}

impl Lane for Taking {
    fn turn(&mut self, now: Instant, _: Option<Answer<'_>>, _: &mut Vec<u8>) -> anyhow::Result<Turn> {
        let until = *self.until.get_or_insert(now + self.waits_for);
        let is_over = self.taken.borrow().len() as u64 >= self.count || now >= until;
        Ok(if is_over { Turn::Done } else { Turn::Pause(Duration::from_millis(10)) })
    }
}
