//! A chain of ten Pass states: no task, no wait, so that what is measured is the engine.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::latency::Latencies;
use crate::server::Server;

const PASS_STATES: usize = 10;
const INPUT: &str = r#"{"orderId":"o-1","customer":"c-42","items":[{"product":"cup","quantity":4}],"total":26.0}"#;

/// One in so many workflows is watched to its end. Watching costs the server time that is not the workflow's.
const WATCHED_ONE_IN: u64 = 32;

/// How long before the measurement the same load runs unmeasured.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Figures {
    in_flight: usize,
    workflows: u64,
    elapsed: Duration,
    started: Latencies,
    ended: Latencies,
    server_cpu: Duration,
    records: u64,
    batches: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |total: f64| total / self.workflows.max(1) as f64;
        writeln!(f, "chain of {PASS_STATES} Pass states, {} in flight, {:.1} s", self.in_flight, self.elapsed.as_secs_f64())?;
        writeln!(f, "  workflows/s        {:.0}", self.workflows as f64 / self.elapsed.as_secs_f64())?;
        writeln!(f, "  start answered     {}", self.started)?;
        writeln!(f, "  start to end       {}", self.ended)?;
        writeln!(f, "  server CPU         {:.3} ms per workflow", each(self.server_cpu.as_secs_f64() * 1e3))?;
        writeln!(f, "  records, batches   {:.1}, {:.3} per workflow", each(self.records as f64), each(self.batches as f64))
    }
}

/// Keeps `in_flight` starts going for `duration`, then waits until all have ended.
pub async fn measure(server: &Server, in_flight: usize, duration: Duration) -> anyhow::Result<Figures> {
    let machine = create(&mut server.client().await?, "Chain").await?;
    load(server, &machine, in_flight, WARM_UP, WATCHED_ONE_IN).await?;
    let before = server.usage().await?;
    let (workflows, elapsed, started, ended) = load(server, &machine, in_flight, duration, WATCHED_ONE_IN).await?;
    let after = server.usage().await?;
    Ok(Figures {
        in_flight,
        workflows,
        elapsed,
        started,
        ended,
        server_cpu: after.cpu - before.cpu,
        records: after.records - before.records,
        batches: after.batches - before.batches,
    })
}

/// Start-to-end times alone, each workflow watched.
pub async fn latency(server: &Server, in_flight: usize, duration: Duration) -> anyhow::Result<Latencies> {
    let machine = create(&mut server.client().await?, "Chain").await?;
    let (_, _, _, ended) = load(server, &machine, in_flight, duration, 1).await?;
    Ok(ended)
}

pub async fn create(client: &mut Client, name: &str) -> anyhow::Result<String> {
    let mut states = serde_json::Map::new();
    for number in 1..PASS_STATES {
        states.insert(format!("S{number}"), json!({ "Type": "Pass", "Next": format!("S{}", number + 1) }));
    }
    states.insert(format!("S{PASS_STATES}"), json!({ "Type": "Pass", "End": true }));
    create_machine(client, name, &json!({ "StartAt": "S1", "States": states })).await
}

pub async fn create_machine(client: &mut Client, name: &str, definition: &Value) -> anyhow::Result<String> {
    let role = "arn:aws:iam::123456789012:role/bench";
    let members = json!({ "name": name, "definition": definition.to_string(), "roleArn": role });
    text_of(&client.call("CreateStateMachine", &members).await?, "stateMachineArn")
}

pub fn text_of(answer: &Value, member: &str) -> anyhow::Result<String> {
    answer[member].as_str().map(str::to_owned).ok_or_else(|| anyhow::anyhow!("no {member} in {answer}"))
}

async fn load(
    server: &Server,
    machine: &str,
    in_flight: usize,
    duration: Duration,
    watched_one_in: u64,
) -> anyhow::Result<(u64, Duration, Latencies, Latencies)> {
    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let client = server.client().await?;
        workers.spawn(work(client, machine.to_owned(), Arc::clone(&next), began + duration, watched_one_in));
    }
    let (mut started, mut ended) = (Latencies::default(), Latencies::default());
    while let Some(worker) = workers.join_next().await {
        let (more_started, more_ended) = worker??;
        started.extend(more_started);
        ended.extend(more_ended);
    }
    all_ended(&mut server.client().await?, machine).await?;
    Ok((started.count() as u64, began.elapsed(), started, ended))
}

async fn work(
    mut client: Client,
    machine: String,
    next: Arc<AtomicU64>,
    until: Instant,
    watched_one_in: u64,
) -> anyhow::Result<(Latencies, Latencies)> {
    let (mut started, mut ended) = (Latencies::default(), Latencies::default());
    let members = json!({ "stateMachineArn": machine, "input": INPUT });
    while Instant::now() < until {
        let watched = next.fetch_add(1, Ordering::Relaxed).is_multiple_of(watched_one_in);
        let began = Instant::now();
        let answer = client.call("StartExecution", &members).await?;
        started.add(began.elapsed());
        if watched {
            let execution = json!({ "executionArn": text_of(&answer, "executionArn")? });
            while client.call("DescribeExecution", &execution).await?["status"] == "RUNNING" {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            ended.add(began.elapsed());
        }
    }
    Ok((started, ended))
}

async fn all_ended(client: &mut Client, machine: &str) -> anyhow::Result<()> {
    let members = json!({ "stateMachineArn": machine, "statusFilter": "RUNNING", "maxResults": 1 });
    loop {
        let answer = client.call("ListExecutions", &members).await?;
        if answer["executions"].as_array().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
