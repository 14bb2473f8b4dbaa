//! Executions that have ended: what they leave in memory, and whether they are all still listed and readable, before and
//! after a restart.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use super::parked::count_listed;
use super::{Ground, ORDER, chain_definition, meter};
use crate::bar::FINISHED;
use crate::client::{Client, text_of};
use crate::http;
use crate::lane::{Starter, Tally};
use crate::load;
use crate::meter::{Done, gauge};
use crate::process::{self, MIB};
use crate::report::{Report, Row};
use crate::server::Server;

const IN_FLIGHT: usize = 64;

/// Of so many on each page of the list the history is read.
const READ_A_PAGE: usize = 1;
/// SOURCE: the chain: started, ten states entered and left, succeeded.
const EVENTS: usize = 22;

/// How long those that run may take to end, and memory to be given back.
const ENDING_MAX: Duration = Duration::from_secs(60);
const RESTING: Duration = Duration::from_secs(2);

pub fn measure(report: &mut Report, ground: &Ground, count: u64) -> anyhow::Result<()> {
    if ground.in_memory {
        report.remark(format!("{FINISHED}: skipped, a server in memory keeps all there"));
        return Ok(());
    }
    let folder = ground.folder()?;
    let setup = ground.setup(&folder);
    let server = Server::start(&setup)?;
    server.settle()?;
    let machine = server.client()?.create_machine("Chain", &chain_definition(), "STANDARD")?;
    let start = http::start_request(&server.address, &machine, ORDER);

    let mut row = Row::new(FINISHED, IN_FLIGHT);
    let (meter, tally) = (meter(&server), Tally::default());
    let before = meter.read()?;
    let ran = load::run(&server.address, Starter::lanes(start, count, IN_FLIGHT, &tally), Vec::new())?;
    meter.account(&mut row, &before, Done { operations: count, received_bytes: ran.received_bytes })?;
    row.set("per_second", count as f64 / ran.elapsed.as_secs_f64());
    row.set_latencies(&tally.take());
    all_ended(&server.address)?;
    row.set("rss_mib_peak", process::peak_bytes(server.id())? as f64 / MIB);
    std::thread::sleep(RESTING);
    row.set("rss_mib", process::resident_bytes(server.id())? as f64 / MIB);

    let listing = Instant::now();
    row.set("lost", count as f64 - count_and_read(&mut server.client()?, &machine)? as f64);
    row.set("listed_and_read_s", listing.elapsed().as_secs_f64());
    row.set("rss_mib_listed", process::resident_bytes(server.id())? as f64 / MIB);
    server.stop()?;

    let server = Server::start(&setup).context("the restart")?;
    row.set("restart_s", server.ready_after.as_secs_f64());
    let found = count_and_read(&mut server.client()?, &machine)?;
    row.set("lost_restarted", count as f64 - found as f64);
    row.set("rss_mib_restarted", process::resident_bytes(server.id())? as f64 / MIB);
    report.add(row);
    server.stop()
}

fn all_ended(address: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while gauge(address, "skald_live_executions")? > 0.0 {
        anyhow::ensure!(began.elapsed() < ENDING_MAX, "executions still run after {ENDING_MAX:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// How many are listed as succeeded; some of each page are read whole.
fn count_and_read(client: &mut Client, machine: &str) -> anyhow::Result<u64> {
    let mut sample = Vec::new();
    let count = count_listed(client, machine, "SUCCEEDED", |page| {
        sample.extend(page.iter().take(READ_A_PAGE).map(|listed| text_of(listed, "executionArn")));
    })?;
    for execution in sample {
        let history = client.call("GetExecutionHistory", &json!({ "executionArn": execution? }))?;
        let events = history["events"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(events == EVENTS, "a history of {events} events");
    }
    Ok(count)
}
