//! Reads beside writes: histories and lists, asked for while chains run.

use std::time::Instant;

use serde_json::json;

use super::{Ground, ORDER, WARM_UP, chain_definition, meter};
use crate::client::text_of;
use crate::http;
use crate::lane::{Repeat, Shown, Started, Tally, Workflow};
use crate::load;
use crate::meter::Done;
use crate::report::{Report, Row};

/// Chains that run beside.
const CHAINS: usize = 16;
const READERS: usize = 8;

/// Executions whose histories are read.
const EXECUTIONS: usize = 64;

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let subject = ground.start()?;
    let server = &subject.server;
    let mut client = server.client()?;
    let machine = client.create_machine("Chain", &chain_definition(), "STANDARD")?;
    let mut histories = Vec::new();
    for _ in 0..EXECUTIONS {
        let answer = client.call("StartExecution", &json!({ "stateMachineArn": machine, "input": ORDER }))?;
        let members = json!({ "executionArn": text_of(&answer, "executionArn")? });
        let mut request = Vec::new();
        http::write_call(&mut request, &server.address, "GetExecutionHistory", &members.to_string());
        histories.push(request);
    }
    let mut list = Vec::new();
    http::write_call(&mut list, &server.address, "ListExecutions", &json!({ "stateMachineArn": machine }).to_string());

    let started = Started { host: server.address.clone(), machine, input: ORDER.to_owned(), shown: Shown::Everything };
    let meter = meter(server);
    let kinds = [("GetExecutionHistory, 22 events", histories, "events"), ("ListExecutions, 100 a page", vec![list], "executions")];
    for (name, requests, expected) in kinds {
        let mut row = Row::new(format!("{name}, 16 chains beside"), READERS);
        for (duration, is_measured) in [(WARM_UP, false), (ground.duration, true)] {
            let (reads, chains, before) = (Tally::default(), Tally::default(), meter.read()?);
            let until = Instant::now() + duration;
            let readers = Repeat::lanes(requests.clone(), expected, READERS, until, &reads);
            let background = Workflow::lanes(&started, CHAINS, until, &chains);
            let ran = load::run(&server.address, readers, background)?;
            if is_measured {
                let (reads, chains) = (reads.take(), chains.take());
                let operations = reads.count() as u64 + chains.count() as u64;
                meter.account(&mut row, &before, Done { operations, received_bytes: ran.received_bytes })?;
                row.set("per_second", reads.count() as f64 / ran.elapsed.as_secs_f64());
                row.set_latencies(&reads);
                row.set("chains_per_second", chains.count() as f64 / ran.elapsed.as_secs_f64());
                row.set("chains_p99_ms", chains.percentile(0.99).as_secs_f64() * 1e3);
            }
        }
        report.add(row);
    }
    subject.server.stop()
}
