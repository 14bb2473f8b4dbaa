//! A hundred times the connections of full load, all at once: whether they are throttled or fail, what memory that takes,
//! whether reads are served meanwhile, and how soon all is over.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Ground, ORDER, chain_definition, meter, run_workflows};
use crate::bar::OVERLOAD;
use crate::client::text_of;
use crate::http;
use crate::lane::{Insistent, Refusals, Repeat, Shown, Started, Tally, Workflow};
use crate::latency::Latencies;
use crate::load;
use crate::meter::Done;
use crate::process::{self, MIB};
use crate::report::{Report, Row};

/// Connections of full load.
const FULL: usize = 64;
const CONNECTIONS: usize = 100 * FULL;
const DURATION: Duration = Duration::from_secs(30);

/// Readers that look at one execution over and over.
const READERS: usize = 4;

/// For so long after the load it is seen whether a chain takes what it took before …
const WATCHED: Duration = Duration::from_secs(3);
/// … in windows of so long, by their median.
const WINDOW: Duration = Duration::from_millis(100);
/// Usual is twice the median of before, and this much for a machine that does other things, too.
const USUAL_PLUS: Duration = Duration::from_millis(1);

/// Files that this program has open beside its connections.
const OTHER_FILES: u64 = 100;

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    process::allow_open_files(CONNECTIONS as u64 + OTHER_FILES)?;
    let subject = ground.start()?;
    let server = &subject.server;
    let mut client = server.client()?;
    let machine = client.create_machine("Chain", &chain_definition(), "STANDARD")?;
    let answer = client.call("StartExecution", &json!({ "stateMachineArn": machine, "input": ORDER }))?;
    let mut describe = Vec::new();
    let members = json!({ "executionArn": text_of(&answer, "executionArn")? });
    http::write_call(&mut describe, &server.address, "DescribeExecution", &members.to_string());
    let started = Started { host: server.address.clone(), machine, input: ORDER.to_owned(), shown: Shown::Everything };
    let meter = meter(server);

    let mut full = Row::new("chain, full load", FULL);
    run_workflows(&mut full, &meter, &started, DURATION, Vec::new)?;
    let resident_full = process::peak_bytes(server.id())?;
    full.set("rss_mib_peak", resident_full as f64 / MIB);
    report.add(full);
    let usual = chains_one_by_one(&started, WATCHED)?.iter().fold(Latencies::default(), |mut all, (_, took)| {
        all.add(*took);
        all
    });
    let usual_max = 2 * usual.percentile(0.5) + USUAL_PLUS;

    let mut row = Row::new(OVERLOAD, CONNECTIONS);
    let (chains, reads, refusals) = (Tally::default(), Tally::default(), Rc::new(Cell::new(Refusals::default())));
    process::forget_peak(server.id())?;
    let before = meter.read()?;
    let until = Instant::now() + DURATION;
    let lanes = Insistent::lanes(Workflow::lanes(&started, CONNECTIONS, until, &chains), until, &refusals);
    let readers = Repeat::lanes(vec![describe], "SUCCEEDED", READERS, until, &reads);
    let ran = load::run(&server.address, lanes.into_iter().chain(readers).collect(), Vec::new())?;
    // What was asked for in time and answered later belongs to the load.
    let late = until.elapsed();
    let after = chains_one_by_one(&started, WATCHED)?;
    let resident_peak = process::peak_bytes(server.id())?;
    let (chains, reads, refusals) = (chains.take(), reads.take(), refusals.get());
    let operations = chains.count() as u64;
    meter.account(&mut row, &before, Done { operations, received_bytes: ran.received_bytes })?;
    row.set("per_second", operations as f64 / ran.elapsed.as_secs_f64());
    row.set_latencies(&chains);
    row.set("throttled_per_second", refusals.throttled as f64 / ran.elapsed.as_secs_f64());
    row.set("failed", refusals.failed as f64);
    row.set("slowest_answer_s", refusals.slowest.as_secs_f64());
    row.set("reads_per_second", reads.count() as f64 / ran.elapsed.as_secs_f64());
    row.set("reads_p99_ms", reads.percentile(0.99).as_secs_f64() * 1e3);
    row.set("rss_mib_peak", resident_peak as f64 / MIB);
    row.set("rss_of_full_load", resident_peak as f64 / resident_full as f64);
    row.set("usual_p50_ms", usual.percentile(0.5).as_secs_f64() * 1e3);
    row.set("recovered_s", (late + unusual_until(&after, usual_max)).as_secs_f64());
    report.add(row);
    subject.server.stop()
}

/// When each began, counted from the first, and how long it took.
fn chains_one_by_one(started: &Started, duration: Duration) -> anyhow::Result<Vec<(Duration, Duration)>> {
    let tally = Tally::default();
    load::run(&started.host, Workflow::lanes(started, 1, Instant::now() + duration, &tally), Vec::new())?;
    let mut began = Duration::ZERO;
    let of_each = |took: &Duration| {
        let at = began;
        began += *took;
        (at, *took)
    };
    Ok(tally.take().all().iter().map(of_each).collect())
}

/// The end of the last window whose median is not usual.
fn unusual_until(chains: &[(Duration, Duration)], usual_max: Duration) -> Duration {
    let mut windows: Vec<Latencies> = Vec::new();
    for (began, took) in chains {
        let window = (began.as_nanos() / WINDOW.as_nanos()) as usize;
        windows.resize(windows.len().max(window + 1), Latencies::default());
        windows[window].add(*took);
    }
    let unusual = windows.iter().rposition(|window| window.percentile(0.5) > usual_max);
    unusual.map_or(Duration::ZERO, |window| WINDOW * (window as u32 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_ends_with_the_last_unusual_window() {
        let millis = Duration::from_millis;
        let chains = |tooks: &[u64]| {
            let began = tooks.iter().scan(0, |at, took| Some(std::mem::replace(at, *at + took)));
            began.zip(tooks).map(|(began, took)| (millis(began), millis(*took))).collect::<Vec<_>>()
        };
        assert_eq!(unusual_until(&chains(&[50; 10]), millis(60)), Duration::ZERO);
        assert_eq!(unusual_until(&chains(&[100, 70, 80, 50, 50]), millis(60)), millis(200));
        assert_eq!(unusual_until(&[], millis(60)), Duration::ZERO);
    }
}
