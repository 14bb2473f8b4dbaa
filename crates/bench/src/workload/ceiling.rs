//! The ceiling: the same client, and a server that does nothing but answer.

use std::time::Instant;

use serde_json::json;

use super::{Ground, ORDER, WARM_UP, meter, run_workflows, tally};
use crate::http;
use crate::lane::{Repeat, Shown, Started};
use crate::load;
use crate::meter::Meter;
use crate::report::{Report, Row};
use crate::server::Server;

/// A start and a look at the end, as for a workflow that ends at once.
pub const WORKFLOWS: &str = "do-nothing server: start, describe";

/// One request only.
pub const REQUESTS: &str = "do-nothing server: one request";

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let server = Server::start_own("do-nothing")?;
    let started = Started {
        host: server.address.clone(),
        machine: "arn:aws:states:us-east-1:123456789012:stateMachine:Chain".to_owned(),
        input: ORDER.to_owned(),
        shown: Shown::Everything,
    };
    let meter = Meter { metrics: None, ..meter(&server, &[]) };
    for in_flight in [1, 64] {
        let mut row = Row::new(WORKFLOWS, in_flight);
        run_workflows(&mut row, &meter, &started, ground.duration, Vec::new)?;
        report.add(row);
    }
    for in_flight in [1, 64] {
        let body = json!({ "stateMachineArn": started.machine, "input": ORDER }).to_string();
        let mut request = Vec::new();
        http::write_call(&mut request, &server.address, "StartExecution", &body);
        let mut row = Row::new(REQUESTS, in_flight);
        for (duration, is_measured) in [(WARM_UP, false), (ground.duration, true)] {
            let (tally, before) = (tally(), meter.read()?);
            let lanes = Repeat::lanes(vec![request.clone()], "executionArn", in_flight, Instant::now() + duration, &tally);
            let elapsed = load::run(&server.address, lanes, Vec::new())?;
            if is_measured {
                let latencies = tally.take();
                meter.account(&mut row, &before, latencies.count() as u64)?;
                row.set("per_second", latencies.count() as f64 / elapsed.as_secs_f64());
                row.set_latencies(&latencies);
            }
        }
        report.add(row);
    }
    Ok(())
}
