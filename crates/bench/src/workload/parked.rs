//! W3, executions that wait for a day: how fast they start, what each holds, and whether all are there after a kill.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::{Ground, ORDER, meter};
use crate::bar::PARKED;
use crate::client::Client;
use crate::http;
use crate::lane::{Starter, Tally};
use crate::load;
use crate::meter::{Done, gauge};
use crate::process::{self, MIB};
use crate::report::{Report, Row};
use crate::server::Server;

const IN_FLIGHT: usize = 64;

/// How many start before the measurement: what a server needs once is not what an execution needs.
const WARM_UP_STARTS: u64 = 1000;

/// How long all may take to leave memory.
const PARKING_MAX: Duration = Duration::from_secs(60);

/// Below this share, those that are left are those that cannot.
const LIVE_SHARE_MAX: f64 = 0.001;

pub fn measure(report: &mut Report, ground: &Ground, count: u64) -> anyhow::Result<()> {
    if ground.in_memory {
        report.remark(format!("{PARKED}: skipped, a server in memory keeps nothing"));
        return Ok(());
    }
    let folder = ground.folder()?;
    let setup = ground.setup(&folder);
    let server = Server::start(&setup)?;
    server.settle()?;
    let definition = json!({ "StartAt": "Hold", "States": { "Hold": { "Type": "Wait", "Seconds": 86_400, "End": true } } });
    let machine = server.client()?.create_machine("Hold", &definition, "STANDARD")?;
    let start = http::start_request(&server.address, &machine, ORDER);

    load::run(&server.address, Starter::lanes(start.clone(), WARM_UP_STARTS, IN_FLIGHT, &Tally::default()), Vec::new())?;
    all_parked(&server.address, WARM_UP_STARTS)?;
    let resident_before = process::resident_bytes(server.id())?;
    let mut row = Row::new(PARKED, IN_FLIGHT);
    let (meter, tally) = (meter(&server), Tally::default());
    let before = meter.read()?;
    let ran = load::run(&server.address, Starter::lanes(start, count, IN_FLIGHT, &tally), Vec::new())?;
    meter.account(&mut row, &before, Done { operations: count, received_bytes: ran.received_bytes })?;
    row.set("per_second", count as f64 / ran.elapsed.as_secs_f64());
    row.set_latencies(&tally.take());
    let resident_then = process::resident_bytes(server.id())?;
    row.set("rss_mib_at_the_last_start", resident_then as f64 / MIB);
    let (parking, left) = all_parked(&server.address, count + WARM_UP_STARTS)?;
    row.set("parked_after_s", parking.as_secs_f64());
    row.set("live_then", left);
    let resident_after = process::resident_bytes(server.id())?;
    row.set("rss_bytes_each", resident_after.saturating_sub(resident_before) as f64 / count as f64);
    row.set("rss_mib", resident_after as f64 / MIB);

    server.kill();
    let server = Server::start(&setup).context("the restart after a kill")?;
    row.set("restart_s", server.ready_after.as_secs_f64());
    let counting = Instant::now();
    let running = count_listed(&mut server.client()?, &machine, "RUNNING", |_| {})?;
    row.set("counted_after_s", counting.elapsed().as_secs_f64());
    row.set("lost", (count + WARM_UP_STARTS) as f64 - running as f64);
    row.set("rss_mib_restarted", process::resident_bytes(server.id())? as f64 / MIB);
    row.set("store_bytes_each", folder_bytes(&setup.data)? as f64 / (count + WARM_UP_STARTS) as f64);
    report.add(row);
    server.stop()
}

/// How long it took until memory held next to none of them, and how many it held then.
fn all_parked(address: &str, count: u64) -> anyhow::Result<(Duration, f64)> {
    let began = Instant::now();
    loop {
        let live = gauge(address, "skald_live_executions")?;
        if live <= LIVE_SHARE_MAX * count as f64 || began.elapsed() > PARKING_MAX {
            return Ok((began.elapsed(), live));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// How many are listed with this status; each page is shown to `look`.
pub fn count_listed(client: &mut Client, machine: &str, status: &str, mut look: impl FnMut(&[Value])) -> anyhow::Result<u64> {
    let mut members = json!({ "stateMachineArn": machine, "statusFilter": status, "maxResults": 1000 });
    let mut count = 0;
    loop {
        let answer = client.call("ListExecutions", &members)?;
        let page = answer["executions"].as_array().map_or(&[][..], Vec::as_slice);
        count += page.len() as u64;
        look(page);
        match answer.get("nextToken") {
            Some(token) => members["nextToken"] = token.clone(),
            None => return Ok(count),
        }
    }
}

/// What the files below `folder` take of the disk, blocks that were only set aside included.
fn folder_bytes(folder: &std::path::Path) -> anyhow::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}
