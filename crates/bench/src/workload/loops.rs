//! Endless loops of Choice and Pass, each started again when it dies: what they do to the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{Ground, ORDER, chain_definition, meter, run_workflows};
use crate::client::Client;
use crate::lane::{Shown, Started};
use crate::report::{Report, Row};

const LOOPS: usize = 100;

/// Chains in flight whose latency is compared.
const OTHERS: usize = 4;

/// SOURCE: the bar this measures: twice the p99 without loops, plus 20 ms.
const TIMES_MAX: u32 = 2;
const PLUS: Duration = Duration::from_millis(20);

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let subject = ground.start()?;
    let server = &subject.server;
    let mut client = server.client()?;
    let machine = client.create_machine("Chain", &chain_definition(), "STANDARD")?;
    let started = Started { host: server.address.clone(), machine, input: ORDER.to_owned(), shown: Shown::Everything };
    let chains = |name: &str| {
        let mut row = Row::new(name, OTHERS);
        let latencies = run_workflows(&mut row, &meter(server), &started, ground.duration, Vec::new)?;
        anyhow::Ok((row, latencies.percentile(0.99)))
    };
    let (row, alone) = chains("chain, alone")?;
    report.add(row);

    let endless = client.create_machine("EndlessLoop", &endless_definition(), "STANDARD")?;
    let is_over = Arc::new(AtomicBool::new(false));
    let keeper = std::thread::spawn({
        let (is_over, mut client) = (Arc::clone(&is_over), server.client()?);
        move || keep_running(&mut client, &endless, &is_over)
    });
    let beside = chains("chain, 100 endless loops beside");
    is_over.store(true, Ordering::Relaxed);
    keeper.join().map_err(|_| anyhow::anyhow!("the thread that keeps the loops running panicked"))??;
    let (row, beside) = beside?;
    report.add(row);
    let limit = alone * TIMES_MAX + PLUS;
    let verdict = if beside <= limit { "met" } else { "MISSED" };
    report.remark(format!(
        "endless loops: p99 of the others {beside:.2?}, limit (twice what it is alone, plus 20 ms) {limit:.2?}: {verdict}"
    ));
    // The loops would only be waited for.
    subject.server.kill();
    Ok(())
}

fn endless_definition() -> serde_json::Value {
    let choices = json!([{ "Variable": "$.on", "BooleanEquals": true, "Next": "Again" }]);
    json!({ "StartAt": "Decide", "States": {
        "Decide": { "Type": "Choice", "Choices": choices, "Default": "Done" },
        "Again": { "Type": "Pass", "Next": "Decide" },
        "Done": { "Type": "Succeed" },
    } })
}

/// Starts as many as are missing. They die at event 25,000.
fn keep_running(client: &mut Client, machine: &str, is_over: &AtomicBool) -> anyhow::Result<()> {
    let listing = json!({ "stateMachineArn": machine, "statusFilter": "RUNNING", "maxResults": 1000 });
    let start = json!({ "stateMachineArn": machine, "input": r#"{"on":true}"# });
    while !is_over.load(Ordering::Relaxed) {
        let answer = client.call("ListExecutions", &listing)?;
        let running = answer["executions"].as_array().map_or(0, Vec::len);
        for _ in running..LOOPS {
            client.call("StartExecution", &start)?;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
