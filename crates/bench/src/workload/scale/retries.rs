//! Very many executions whose task fails at the same moment, and is tried again with jitter, while chains run beside.

use std::time::Duration;

use serde_json::json;

use super::{Appointment, Others, start_all};
use crate::bar::RETRIES;
use crate::endpoint::{ATTEMPT_MEMBER, FAILED_ATTEMPTS};
use crate::meter::{Meter, Tells, ended};
use crate::report::{Report, Row};
use crate::server::{Server, Setup};
use crate::workload::{Ground, ORDER, meter};

const EXECUTIONS: u64 = 10_000;

/// After the last start.
const REST: Duration = Duration::from_secs(2);

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let folder = ground.folder()?;
    let endpoint = Server::start_own("endpoint")?;
    let server = Server::start(&Setup { lambda_endpoint: Some(endpoint.address.clone()), ..ground.setup(&folder) })?;
    server.settle()?;
    let mut client = server.client()?;
    let others = Others::prepare(&mut client, &server, ground.duration)?;
    let due = Appointment::after(&server, &others, EXECUTIONS, REST)?;
    let retry =
        json!({ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 9, "JitterStrategy": "FULL" });
    let definition = json!({ "StartAt": "Hold", "States": {
        "Hold": due.wait(Some("Ask"))?,
        "Ask": {
            "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:ask", "End": true,
            "Parameters": { format!("{ATTEMPT_MEMBER}.$"): "$$.State.RetryCount" }, "Retry": [retry],
        },
    } });
    let machine = client.create_machine("Again", &definition, "STANDARD")?;
    start_all(&server, &machine, ORDER, EXECUTIONS)?;
    due.await_it()?;
    let mut row = Row::new(RETRIES, super::OTHERS);
    let tells = Tells::Endpoint(endpoint.address.clone());
    let meter = Meter { beside: vec![endpoint.id()], tells, ..meter(&server) };
    let attempts = EXECUTIONS * (FAILED_ATTEMPTS + 1);
    others.run_until(&mut row, &meter, (ended(&machine, "SUCCEEDED"), EXECUTIONS), attempts)?;
    row.set("all_done_s", due.elapsed()?.as_secs_f64());
    report.add(row);
    server.stop()
}
