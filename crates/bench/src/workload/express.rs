//! Express workflows, synchronous: the chain as one request, with nothing durable.

use serde_json::json;

use super::{Ground, ORDER, ceiling, chain_definition, compare_with_ceiling, meter, repeat_requests};
use crate::bar::EXPRESS;
use crate::http;
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
    let meter = meter(server);
    for in_flight in in_flights {
        let mut row = Row::new(EXPRESS, *in_flight);
        repeat_requests(&mut row, &meter, &server.address, std::slice::from_ref(&request), r#""status":"SUCCEEDED""#, ground.duration)?;
        // One request, not two.
        compare_with_ceiling(report, &mut row, ceiling::REQUESTS);
        report.add(row);
    }
    subject.server.stop()
}
