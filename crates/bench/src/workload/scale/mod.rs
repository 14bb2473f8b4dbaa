//! Very many at once of what a scheduler keeps: timers, heartbeats, waiting tasks, retries, polls, and starts of a machine
//! that floods. What each asks beside its own bar is what becomes of the others meanwhile: chains that run beside.

pub mod backlog;
pub mod fairness;
pub mod heartbeats;
pub mod polls;
pub mod retries;
pub mod timers;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::{Value, json};
use skald_asl::Timestamp;

use super::{ORDER, chain_definition, meter, run_workflows};
use crate::client::{Client, text_of};
use crate::http::start_request;
use crate::lane::{Shown, Started, Starter, Tally, Watch, Workflow};
use crate::load;
use crate::meter::{Done, Meter, ended, gauge};
use crate::report::Row;
use crate::server::Server;

/// Chains in flight beside.
const OTHERS: usize = 4;

/// Connections that start what is measured.
const STARTING: usize = 64;

/// Started to see how fast that goes now …
const SAMPLE: u64 = 2_000;

/// … and how much longer it may take for all.
const LONGER: f64 = 1.6;

/// How long whatever is measured may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long executions may take to leave memory.
const PARKING_MAX: Duration = Duration::from_secs(60);

/// Of those, so many may stay: whatever else the server does at that moment.
const LIVE_MAX: f64 = 64.0;

/// An instant at which something happens to very many executions, far enough ahead to start them all before.
struct Appointment(SystemTime);

impl Appointment {
    /// After `count` starts and `rest`.
    fn after(server: &Server, others: &Others, count: u64, rest: Duration) -> anyhow::Result<Self> {
        let sample = start_all(server, &others.started.machine, ORDER, SAMPLE)?;
        Ok(Self(SystemTime::now() + rest + sample.mul_f64(LONGER * count as f64 / SAMPLE as f64)))
    }

    /// A Wait for it.
    fn wait(&self, next: Option<&str>) -> anyhow::Result<Value> {
        let millis = i64::try_from(self.0.duration_since(UNIX_EPOCH)?.as_millis())?;
        let mut state = json!({ "Type": "Wait", "Timestamp": Timestamp::from_millis(millis).to_rfc3339() });
        match next {
            Some(next) => state["Next"] = json!(next),
            None => state["End"] = json!(true),
        }
        Ok(state)
    }

    fn await_it(&self) -> anyhow::Result<()> {
        let left = self.0.duration_since(SystemTime::now()).context("the instant came before all had been started")?;
        std::thread::sleep(left);
        Ok(())
    }

    fn elapsed(&self) -> anyhow::Result<Duration> {
        Ok(self.0.elapsed()?)
    }
}

/// The chains beside: started, and their p99 when they are alone.
struct Others {
    started: Started,
    alone: Duration,
}

impl Others {
    fn prepare(client: &mut Client, server: &Server, duration: Duration) -> anyhow::Result<Self> {
        let machine = client.create_machine("Chain", &chain_definition(), "STANDARD")?;
        let started = Started { host: server.address.clone(), machine, input: ORDER.to_owned(), shown: Shown::Everything };
        let mut row = Row::new("alone", OTHERS);
        let alone = run_workflows(&mut row, &meter(server), &started, duration.min(Duration::from_secs(3)), load::Lanes::new)?;
        Ok(Self { started, alone: alone.percentile(0.99) })
    }

    /// Runs beside until `metric` has come to `count`, and writes down what that cost each of `operations` and did to the others.
    fn run_until(&self, row: &mut Row, meter: &Meter, (metric, count): (String, u64), operations: u64) -> anyhow::Result<()> {
        let (tally, before, deadline) = (Tally::default(), meter.read()?, Instant::now() + PATIENCE);
        let watch = Watch::lanes(&self.started.host, metric, count, deadline);
        let ran = load::run(&self.started.host, watch, Workflow::lanes(&self.started, OTHERS, deadline, &tally))?;
        let others = tally.take();
        let done = Done { operations: operations + others.count() as u64, received_bytes: ran.received_bytes };
        meter.account(row, &before, done)?;
        row.set("per_second", operations as f64 / ran.elapsed.as_secs_f64());
        row.set_latencies(&others);
        row.set("others_alone_p99_ms", self.alone.as_secs_f64() * 1e3);
        row.set("others_per_second", others.count() as f64 / ran.elapsed.as_secs_f64());
        Ok(())
    }
}

/// Starts `count` executions with the same input.
fn start_all(server: &Server, machine: &str, input: &str, count: u64) -> anyhow::Result<Duration> {
    let start = start_request(&server.address, machine, input);
    Ok(load::run(&server.address, Starter::lanes(start, count, STARTING, &Tally::default()), load::Lanes::new())?.elapsed)
}

/// The start of an execution whose input is a number.
fn numbered_start(host: &str, machine: &str) -> impl Fn(u64) -> Vec<u8> + 'static {
    let (host, machine) = (host.to_owned(), machine.to_owned());
    move |number| start_request(&host, &machine, &json!({ "number": number }).to_string())
}

/// An activity, and a machine whose only state asks for it.
fn activity_machine(client: &mut Client, name: &str, more: Value) -> anyhow::Result<(String, String)> {
    let activity = text_of(&client.call("CreateActivity", &json!({ "name": name }))?, "activityArn")?;
    let mut task = json!({ "Type": "Task", "Resource": activity, "End": true });
    if let (Some(task), Value::Object(more)) = (task.as_object_mut(), more) {
        task.extend(more);
    }
    let machine = client.create_machine(name, &json!({ "StartAt": "Ask", "States": { "Ask": task } }), "STANDARD")?;
    Ok((activity, machine))
}

/// Waits until next to none is left in memory; how many were.
fn all_parked(server: &Server) -> anyhow::Result<f64> {
    let began = Instant::now();
    loop {
        let live = gauge(&server.address, "skald_live_executions")?;
        if live <= LIVE_MAX || began.elapsed() > PARKING_MAX {
            return Ok(live);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// How many executions of a machine ended in `status`.
fn ended_count(client: &mut Client, machine: &str, status: &str) -> anyhow::Result<u64> {
    Ok(crate::meter::count_in(&client.get("/metrics")?, &ended(machine, status)))
}

/// Waits until what `look` sees is as it should be; whether it was before `patience` ended.
fn wait_until(patience: Duration, mut look: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if look()? {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(false)
}
