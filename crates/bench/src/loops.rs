//! Endless loops of Choice and Pass, each started again when it dies: what they do to the others.

use std::time::Duration;

use serde_json::json;

use crate::chain;
use crate::client::Client;
use crate::server::Server;

const LOOPS: usize = 100;

/// Chains in flight whose latency is compared.
const OTHERS: usize = 4;

/// SOURCE: the bar this measures: twice the p99 without loops, plus 20 ms.
const TIMES_MAX: u32 = 2;
const PLUS: Duration = Duration::from_millis(20);

pub async fn measure(server: &Server, duration: Duration) -> anyhow::Result<()> {
    chain::latency(server, OTHERS, Duration::from_secs(1)).await?;
    let alone = chain::latency(server, OTHERS, duration).await?;
    println!("{OTHERS} chains in flight, alone:           start to end {alone}");

    let mut client = server.client().await?;
    let machine = create(&mut client).await?;
    let keeper = tokio::spawn(keep_running(client, machine));
    let beside = tokio::select! {
        beside = chain::latency(server, OTHERS, duration) => beside?,
        ended = keeper => anyhow::bail!("the loops are not kept running any more: {ended:?}"),
    };
    println!("{OTHERS} chains in flight, {LOOPS} loops beside: start to end {beside}");

    let (alone, beside) = (alone.percentile(0.99), beside.percentile(0.99));
    let limit = alone * TIMES_MAX + PLUS;
    println!("p99 {beside:.2?}, limit {limit:.2?}: {}", if beside <= limit { "met" } else { "MISSED" });
    Ok(())
}

async fn create(client: &mut Client) -> anyhow::Result<String> {
    let choices = json!([{ "Variable": "$.on", "BooleanEquals": true, "Next": "Again" }]);
    let definition = json!({ "StartAt": "Decide", "States": {
        "Decide": { "Type": "Choice", "Choices": choices, "Default": "Done" },
        "Again": { "Type": "Pass", "Next": "Decide" },
        "Done": { "Type": "Succeed" },
    } });
    chain::create_machine(client, "EndlessLoop", &definition).await
}

/// Starts as many as are missing. They die at event 25,000.
async fn keep_running(mut client: Client, machine: String) -> anyhow::Result<()> {
    let listing = json!({ "stateMachineArn": machine, "statusFilter": "RUNNING", "maxResults": 1000 });
    let start = json!({ "stateMachineArn": machine, "input": r#"{"on":true}"# });
    loop {
        let answer = client.call("ListExecutions", &listing).await?;
        let running = answer["executions"].as_array().map_or(0, Vec::len);
        for _ in running..LOOPS {
            client.call("StartExecution", &start).await?;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
