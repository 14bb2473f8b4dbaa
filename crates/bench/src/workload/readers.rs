//! A hundred readers of the longest histories there are: what memory they take, and what they leave to starts.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::{Ground, ORDER, WARM_UP, chain_definition, meter, run_workflows};
use crate::bar::READERS;
use crate::client::{Client, text_of};
use crate::lane::{Pages, Reader, Shown, Started, Tally, Workflow};
use crate::load;
use crate::meter::Done;
use crate::process::{self, MIB};
use crate::report::{Report, Row};

const READER_COUNT: usize = 100;
/// Chains that run beside.
const CHAINS: usize = 64;
const EXECUTIONS: usize = 20;

/// Four events each.
const ROUNDS: u32 = 6_200;
/// SOURCE: an execution has at most 25,000 events; these have a few less.
const EVENTS_MIN: u64 = 24_500;

/// How long the executions may take.
const MAKING_MAX: Duration = Duration::from_secs(120);

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let subject = ground.start()?;
    let server = &subject.server;
    let mut client = server.client()?;
    let machine = client.create_machine("Chain", &chain_definition(), "STANDARD")?;
    let executions = make_executions(&mut client)?;
    let started = Started { host: server.address.clone(), machine, input: ORDER.to_owned(), shown: Shown::Everything };
    let meter = meter(server);

    let mut alone = Row::new("chain, no readers", CHAINS);
    run_workflows(&mut alone, &meter, &started, ground.duration, Vec::new)?;
    let rate_alone = alone.get("per_second").context("a rate was measured")?;
    report.add(alone);

    let mut row = Row::new(READERS, READER_COUNT);
    process::forget_peak(server.id())?;
    let resident_alone = process::peak_bytes(server.id())?;
    for (duration, is_measured) in [(WARM_UP, false), (ground.duration, true)] {
        let (reads, chains, pages) = (Tally::default(), Tally::default(), Rc::new(Cell::new(Pages::default())));
        let before = meter.read()?;
        let until = Instant::now() + duration;
        let lanes = Reader::lanes(&server.address, &executions, READER_COUNT, until, &reads, &pages);
        let beside = Workflow::lanes(&started, CHAINS, until, &chains);
        let ran = load::run(&server.address, lanes.into_iter().chain(beside).collect(), Vec::new())?;
        if !is_measured {
            continue;
        }
        let (reads, chains, pages) = (reads.take(), chains.take(), pages.get());
        let operations = reads.count() as u64 + chains.count() as u64;
        meter.account(&mut row, &before, Done { operations, received_bytes: ran.received_bytes })?;
        let per_second = |count: u64| count as f64 / ran.elapsed.as_secs_f64();
        row.set("per_second", per_second(reads.count() as u64));
        row.set_latencies(&reads);
        row.set("mib_per_second", per_second(pages.bytes) / MIB);
        row.set("histories_to_the_end", pages.histories as f64);
        row.set("chains_per_second", per_second(chains.count() as u64));
        row.set("chains_p99_ms", chains.percentile(0.99).as_secs_f64() * 1e3);
        row.set("chains_kept_percent", 100.0 * per_second(chains.count() as u64) / rate_alone);
    }
    let resident_peak = process::peak_bytes(server.id())?;
    row.set("rss_mib_peak", resident_peak as f64 / MIB);
    row.set("rss_mib_grown", resident_peak.saturating_sub(resident_alone) as f64 / MIB);
    report.add(row);
    subject.server.stop()
}

/// The ARNs of executions that have ended, with almost as many events as there may be.
fn make_executions(client: &mut Client) -> anyhow::Result<Vec<String>> {
    let machine = client.create_machine("LongLoop", &loop_definition(), "STANDARD")?;
    let mut executions = Vec::new();
    for _ in 0..EXECUTIONS {
        let answer = client.call("StartExecution", &json!({ "stateMachineArn": machine, "input": r#"{"count":0}"# }))?;
        executions.push(text_of(&answer, "executionArn")?);
    }
    let began = Instant::now();
    for execution in &executions {
        loop {
            let status = text_of(&client.call("DescribeExecution", &json!({ "executionArn": execution }))?, "status")?;
            match status.as_str() {
                "SUCCEEDED" => break,
                "RUNNING" => anyhow::ensure!(began.elapsed() < MAKING_MAX, "a loop still runs after {MAKING_MAX:?}"),
                _ => anyhow::bail!("a loop ended badly: {status}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let newest = json!({ "executionArn": executions[0], "reverseOrder": true, "maxResults": 1 });
    let last = client.call("GetExecutionHistory", &newest)?["events"][0]["id"].as_u64();
    anyhow::ensure!(last >= Some(EVENTS_MIN), "a long history has only {last:?} events");
    Ok(executions)
}

fn loop_definition() -> Value {
    let choices = json!([{ "Variable": "$.count", "NumericLessThan": ROUNDS, "Next": "Count" }]);
    json!({ "StartAt": "Count", "States": {
        "Count": { "Type": "Pass", "Parameters": { "count.$": "States.MathAdd($.count, 1)" }, "Next": "Decide" },
        "Decide": { "Type": "Choice", "Choices": choices, "Default": "Done" },
        "Done": { "Type": "Succeed" },
    } })
}
