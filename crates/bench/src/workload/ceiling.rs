//! The ceiling: the same client, and a server that does nothing but answer.

use std::time::Duration;

use serde_json::json;

use super::{Ground, ORDER, meter, repeat_requests, run_workflows};
use crate::http;
use crate::lane::{Shown, Started};
use crate::meter::Meter;
use crate::report::{Report, Row};
use crate::server::Server;

/// A start and a look at the end, as for a workflow that ends at once.
pub const WORKFLOWS: &str = "do-nothing server: start, describe";

/// One request only.
pub const REQUESTS: &str = "do-nothing server: one request";

/// Longer tells no more of what does nothing.
const DURATION_MAX: Duration = Duration::from_secs(4);

pub fn measure(report: &mut Report, ground: &Ground, in_flights: &[usize]) -> anyhow::Result<()> {
    let server = Server::start_own("do-nothing")?;
    let started = Started {
        host: server.address.clone(),
        machine: "arn:aws:states:us-east-1:123456789012:stateMachine:Chain".to_owned(),
        input: ORDER.to_owned(),
        shown: Shown::Everything,
    };
    let duration = ground.duration.min(DURATION_MAX);
    let meter = Meter { metrics: None, ..meter(&server) };
    for in_flight in in_flights.iter().copied() {
        let mut row = Row::new(WORKFLOWS, in_flight);
        run_workflows(&mut row, &meter, &started, duration, Vec::new)?;
        report.add(row);
    }
    for in_flight in in_flights.iter().copied() {
        let body = json!({ "stateMachineArn": started.machine, "input": ORDER }).to_string();
        let mut request = Vec::new();
        http::write_call(&mut request, &server.address, "StartExecution", &body);
        let mut row = Row::new(REQUESTS, in_flight);
        repeat_requests(&mut row, &meter, &server.address, &[request], "executionArn", duration)?;
        report.add(row);
    }
    Ok(())
}
