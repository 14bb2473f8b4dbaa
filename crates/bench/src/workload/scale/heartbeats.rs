//! Heartbeats of a few thousand tasks, as many a second as the bar asks for: what each costs, whether any is written down,
//! whether memory grows, and whether a task that beats is ever taken for dead.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{PATIENCE, activity_machine, ended_count, numbered_start, wait_until};
use crate::bar::HEARTBEATS;
use crate::http;
use crate::lane::{Paced, Plan, Taker, Tally};
use crate::load::{self, Lanes};
use crate::meter::{Done, gauge};
use crate::process::{self, MIB};
use crate::report::{Report, Row};
use crate::server::Server;
use crate::workload::{Ground, meter};

const TASKS: u64 = 2_000;
const IN_FLIGHT: usize = 64;

/// A little more than the bar, so that it can be reached.
const BEATS_PER_SECOND: u32 = 20_500;

/// Each task beats some forty times within it.
const HEARTBEAT_SECONDS: u64 = 4;

/// Longer than executions stay idle in memory: whatever is kept for a while has come to its full size.
const WARM_UP: Duration = Duration::from_secs(7);

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let subject = ground.start()?;
    let server = &subject.server;
    let mut client = server.client()?;
    let (activity, machine) = activity_machine(&mut client, "Beats", json!({ "HeartbeatSeconds": HEARTBEAT_SECONDS }))?;
    let beats = take_tasks(server, &activity, &machine)?;
    let beat = |duration: Duration, tally: &Tally| {
        let plan = Plan { count: u64::MAX, pause: Duration::from_secs(1) / BEATS_PER_SECOND, until: Instant::now() + duration };
        let beats = Rc::clone(&beats);
        let sent = Rc::default();
        let lanes = Paced::lanes(move |number| beats[number as usize % beats.len()].clone(), plan, IN_FLIGHT, tally, &sent);
        load::run(&server.address, lanes, Lanes::new())
    };
    beat(WARM_UP, &Tally::default())?;
    let appends = || gauge(&server.address, "skald_appends_total");
    let (resident_before, appends_before) = (process::resident_bytes(server.id())?, appends()?);
    let (mut row, meter, tally) = (Row::new(HEARTBEATS, IN_FLIGHT), meter(server), Tally::default());
    let before = meter.read()?;
    let ran = beat(ground.duration, &tally)?;
    let stopped = Instant::now();
    let latencies = tally.take();
    meter.account(&mut row, &before, Done { operations: latencies.count() as u64, received_bytes: ran.received_bytes })?;
    row.set("per_second", latencies.count() as f64 / ran.elapsed.as_secs_f64());
    row.set_latencies(&latencies);
    row.set("appends", appends()? - appends_before);
    let resident_after = process::resident_bytes(server.id())?;
    row.set("rss_mib", resident_after as f64 / MIB);
    row.set("rss_growth_mib", (resident_after as f64 - resident_before as f64) / MIB);
    row.set("false_time_outs", ended_count(&mut client, &machine, "FAILED")? as f64);
    // Nobody beats any more: now each of them is taken for dead.
    let ended = wait_until(PATIENCE, || Ok(ended_count(&mut client, &machine, "FAILED")? == TASKS))?;
    anyhow::ensure!(ended, "tasks without a heartbeat live on");
    row.set("all_timed_out_s", stopped.elapsed().as_secs_f64());
    report.add(row);
    subject.server.stop()
}

/// The requests that keep the tasks alive, one each.
fn take_tasks(server: &Server, activity: &str, machine: &str) -> anyhow::Result<Rc<[Vec<u8>]>> {
    let (tally, sent) = (Tally::default(), Rc::default());
    let plan = Plan { count: TASKS, pause: Duration::ZERO, until: Instant::now() + PATIENCE };
    load::run(&server.address, Paced::lanes(numbered_start(&server.address, machine), plan, IN_FLIGHT, &tally, &sent), Lanes::new())?;
    let taken = Rc::new(RefCell::new(Vec::new()));
    load::run(&server.address, Taker::lanes(&server.address, activity, TASKS, IN_FLIGHT, &taken), Lanes::new())?;
    let beat = |token: &str| {
        let mut request = Vec::new();
        http::write_call(&mut request, &server.address, "SendTaskHeartbeat", &format!(r#"{{"taskToken":"{token}"}}"#));
        request
    };
    let requests = taken.borrow().iter().map(|taken| beat(&taken.token)).collect();
    Ok(requests)
}
