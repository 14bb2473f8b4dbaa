//! Express workflows, synchronous: the chain as one request, with nothing durable.

use std::time::Instant;

use serde_json::json;

use super::{Ground, ORDER, WARM_UP, ceiling, chain_definition, compare_with_ceiling, meter, tally};
use crate::bar::EXPRESS;
use crate::http;
use crate::lane::Repeat;
use crate::load;
use crate::report::{Report, Row};

pub fn measure(report: &mut Report, ground: &Ground, in_flights: &[usize]) -> anyhow::Result<()> {
    let subject = ground.start()?;
    let server = &subject.server;
    let mut client = server.client()?;
    let prepared = client.create_machine("Express", &chain_definition(), "EXPRESS").and_then(|machine| {
        let members = json!({ "stateMachineArn": machine, "input": ORDER });
        client.call("StartSyncExecution", &members)?;
        Ok(members)
    });
    let members = match prepared {
        Ok(members) => members,
        Err(error) => {
            report.remark(format!("{EXPRESS}: skipped, the server refuses it: {error}"));
            return subject.server.stop();
        }
    };
    let mut request = Vec::new();
    http::write_call(&mut request, &server.address, "StartSyncExecution", &members.to_string());
    let meter = meter(server, &[]);
    for in_flight in in_flights {
        let mut row = Row::new(EXPRESS, *in_flight);
        for (duration, is_measured) in [(WARM_UP, false), (ground.duration, true)] {
            let (tally, before) = (tally(), meter.read()?);
            let lanes = Repeat::lanes(vec![request.clone()], r#""status":"SUCCEEDED""#, *in_flight, Instant::now() + duration, &tally);
            let elapsed = load::run(&server.address, lanes, Vec::new())?;
            if is_measured {
                let latencies = tally.take();
                meter.account(&mut row, &before, latencies.count() as u64)?;
                row.set("per_second", latencies.count() as f64 / elapsed.as_secs_f64());
                row.set_latencies(&latencies);
            }
        }
        // One request, not two.
        compare_with_ceiling(report, &mut row, ceiling::REQUESTS);
        report.add(row);
    }
    subject.server.stop()
}
