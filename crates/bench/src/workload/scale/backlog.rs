//! Very many tasks that wait in the queue of one activity: what each holds in memory, how soon a worker gets one, and
//! whether they come in the order in which they were scheduled, before and after a kill.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use super::{STARTING, activity_machine, all_parked, numbered_start};
use crate::bar::BACKLOG;
use crate::lane::{Paced, Plan, Taken, Taker, Tally};
use crate::latency::Latencies;
use crate::load::{self, Lanes};
use crate::meter::Done;
use crate::process::{self, MIB};
use crate::report::{Report, Row};
use crate::server::Server;
use crate::workload::{Ground, meter};

/// How many start before the measurement: what a server needs once is not what a task needs.
const WARM_UP_STARTS: u64 = 1_000;

/// A slow machine starts half a million in it.
const STARTING_MAX: Duration = Duration::from_secs(300);

/// Workers that take one task after the other …
const WORKERS: usize = 8;

/// … until this part of all is taken, after the kill.
const TAKEN_PART: u64 = 5;

/// Taken by one worker before and after the kill, so that their order is seen.
const IN_ORDER: u64 = 2_000;

pub fn measure(report: &mut Report, ground: &Ground, count: u64) -> anyhow::Result<()> {
    if ground.in_memory {
        report.remark(format!("{BACKLOG}: skipped, a server in memory keeps nothing"));
        return Ok(());
    }
    let folder = ground.folder()?;
    let setup = ground.setup(&folder);
    let server = Server::start(&setup)?;
    server.settle()?;
    let mut client = server.client()?;
    let (activity, machine) = activity_machine(&mut client, "Backlog", json!({}))?;
    let (idle, idle_machine) = activity_machine(&mut client, "Idle", json!({}))?;
    start(&server, &idle_machine, WARM_UP_STARTS)?;
    take(&server, &idle, WARM_UP_STARTS, WORKERS)?;
    all_parked(&server)?;

    let mut row = Row::new(BACKLOG, WORKERS);
    row.set("tasks", count as f64);
    let resident_before = process::resident_bytes(server.id())?;
    row.set("starts_per_second", count as f64 / start(&server, &machine, count)?.as_secs_f64());
    row.set("rss_mib_at_the_last_start", process::resident_bytes(server.id())? as f64 / MIB);
    row.set("live_then", all_parked(&server)?);
    let resident_after = process::resident_bytes(server.id())?;
    row.set("rss_bytes_each", resident_after.saturating_sub(resident_before) as f64 / count as f64);
    row.set("rss_mib", resident_after as f64 / MIB);

    let mut order = Order::default();
    let one = take(&server, &activity, IN_ORDER, 1)?;
    order.check(&one);
    row.set("one_worker_p50_ms", latencies(&one).percentile(0.5).as_secs_f64() * 1e3);
    row.set("one_worker_p99_ms", latencies(&one).percentile(0.99).as_secs_f64() * 1e3);

    server.kill();
    let server = Server::start(&setup).context("the restart after a kill")?;
    row.set("restart_s", server.ready_after.as_secs_f64());
    let one = take(&server, &activity, IN_ORDER, 1)?;
    order.check(&one);
    row.set("first_task_ms", one.first().map_or(0.0, |first| first.after.as_secs_f64() * 1e3));
    row.set("off_order_max", order.off_max as f64);
    let (meter, many) = (meter(&server), count / TAKEN_PART);
    let before = meter.read()?;
    let began = Instant::now();
    let taken = take(&server, &activity, many, WORKERS)?;
    row.set("per_second", many as f64 / began.elapsed().as_secs_f64());
    // A task that is taken is some 600 bytes of answer.
    meter.account(&mut row, &before, Done { operations: many, received_bytes: 600 * many })?;
    row.set_latencies(&latencies(&taken));
    order.check(&taken);
    row.set("taken_twice", order.twice as f64);
    row.set("rss_mib_restarted", process::resident_bytes(server.id())? as f64 / MIB);
    report.add(row);
    server.stop()
}

fn start(server: &Server, machine: &str, count: u64) -> anyhow::Result<Duration> {
    let (tally, sent) = (Tally::default(), Rc::default());
    let plan = Plan { count, pause: Duration::ZERO, until: Instant::now() + STARTING_MAX };
    let lanes = Paced::lanes(numbered_start(&server.address, machine), plan, STARTING, &tally, &sent);
    let elapsed = load::run(&server.address, lanes, Lanes::new())?.elapsed;
    anyhow::ensure!(tally.borrow().count() as u64 == count, "not all could be started within {STARTING_MAX:?}");
    Ok(elapsed)
}

fn take(server: &Server, activity: &str, count: u64, workers: usize) -> anyhow::Result<Vec<Taken>> {
    let taken = Rc::new(RefCell::new(Vec::new()));
    load::run(&server.address, Taker::lanes(&server.address, activity, count, workers, &taken), Lanes::new())?;
    Ok(taken.take())
}

fn latencies(taken: &[Taken]) -> Latencies {
    let mut latencies = Latencies::default();
    taken.iter().for_each(|taken| latencies.add(taken.after));
    latencies
}

/// Tasks come as they were scheduled. Starts that were in flight together were scheduled in any order.
#[derive(Default)]
struct Order {
    seen: Vec<bool>,
    taken: u64,
    /// How far from its place a task was taken.
    off_max: u64,
    twice: u64,
}

impl Order {
    fn check(&mut self, taken: &[Taken]) {
        for Taken { number, .. } in taken {
            let index = *number as usize;
            if self.seen.len() <= index {
                self.seen.resize(index + 1, false);
            }
            self.twice += u64::from(std::mem::replace(&mut self.seen[index], true));
            self.off_max = self.off_max.max(number.abs_diff(self.taken));
            self.taken += 1;
        }
    }
}
