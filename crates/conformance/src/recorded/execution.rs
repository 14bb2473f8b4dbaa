//! `execution` and `output` cases: a machine is created and run to its end.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Map, json};
use skald_query::Value;

use super::host::{Host, SECONDARY_ACCOUNT, SECONDARY_KEY};
use super::stubs::Script;
use super::tasks::{self, LOOK_PAUSE};
use super::{definition_text, express, history, list, refusal, text_of};
use crate::client::Client;
use crate::compare::{Beyond, Bindings, compare};
use crate::verdict::{Reason, Verdict};

/// How long an execution may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of machines whose role is not told.
const ROLE_ARN: &str = "arn:aws:iam::111111111111:role/sfn-test-role";

pub(super) async fn run(case: &Value) -> Result<Verdict> {
    if let Some(reason) = not_run(case) {
        return Ok(Verdict::NotRun(reason));
    }
    if expects_status_events(case) {
        bail!("events about changes of status cannot be received here yet");
    }
    let host = Host::start(Script::of(case)?).await?;
    let outcome = judge(case, &host).await;
    host.stop().await;
    outcome.map(|()| Verdict::Passed)
}

fn not_run(case: &Value) -> Option<Reason> {
    let expected = &case["expected"];
    let is_listed = list(&case["features"]).iter().any(|feature| feature == "distributed-map");
    let is_distributed = is_listed || list(&expected["events"]).iter().any(|event| text_of(&event["type"]).starts_with("MapRun"));
    let is_stopped = list(&case["during"]).iter().any(|step| step["op"] == "StopExecution");
    let is_unscripted = case["replay"] == "interactive" && list(&case["stubs"]).is_empty() && !is_stopped;
    match () {
        () if case["replay"] == "s3" => Some(Reason::S3Content),
        () if is_distributed => Some(Reason::DistributedMap),
        () if is_unscripted => Some(Reason::Interactive),
        () => None,
    }
}

/// Events of EventBridge that no task of the machine has put there.
fn expects_status_events(case: &Value) -> bool {
    case["expected"].get("eventbridge_events").is_some() && !list(&case["requires"]).iter().any(|service| service == "events")
}

async fn judge(case: &Value, host: &Host) -> Result<()> {
    let expected = &case["expected"];
    let mut client = host.client().await?;
    create_machines(case, host).await?;
    create_activities(case, &mut client).await?;
    let machine_arn = create(case, &mut client).await?;
    let mut start = json!({ "stateMachineArn": machine_arn });
    for (name, member) in [("input_text", "input"), ("execution_name", "name")] {
        if let Some(text) = case[name].as_str() {
            start[member] = json!(text);
        }
    }
    if case["type"] == "EXPRESS" {
        return express::judge(case, host, &mut client, &start).await;
    }
    // Further runs of the machine leave their events in the log, too.
    let runs = expected["logged_events_of_executions"].as_u64().unwrap_or(1);
    let mut arns = Vec::new();
    for _ in 0..runs {
        let started = client.done("StartExecution", &start).await?;
        arns.push(text_of(&started["executionArn"]).to_owned());
        if arns.len() as u64 != runs {
            ended(&mut client, &arns[arns.len() - 1]).await?;
        }
    }
    let arn = arns.last().context("it was started at least once")?.as_str();
    host.tasks.start_workers(arn);
    stop_as_recorded(case, &mut client, arn).await?;
    let described = tokio::select! {
        described = tokio::time::timeout(PATIENCE, ended(&mut client, arn)) => match described {
            Ok(described) => described?,
            Err(_) => bail!("it did not end within {} s: {}", PATIENCE.as_secs(), last_event(host, arn).await?),
        },
        reason = host.tasks.stuck() => bail!("{reason}"),
    };
    let mut bindings = Bindings::default();
    let events = all_events(&mut client, arn).await?;
    let end = json!({ "status": described["status"], "error": described["error"], "cause": described["cause"] });
    for member in ["status", "output", "error", "cause"] {
        // An execution that was read while it ran has no end.
        if let Some(recorded) = expected.get(member).filter(|_| case.get("incomplete").is_none()) {
            let came = described.get(member).unwrap_or(&Value::Null);
            compare(recorded, came, Beyond::Refused, &mut bindings, member).with_context(|| format!("ended as {end}"))?;
        }
    }
    if expected.get("events").is_some() {
        history::check(case, &events, &mut bindings)?;
    }
    if let Some(recorded) = expected.get("logged_events") {
        host.log.check(recorded, &arns, &mut bindings).await?;
    }
    if let Some(recorded) = expected.get("describe_execution") {
        compare(recorded, &described, Beyond::Allowed, &mut bindings, "DescribeExecution")?;
    }
    Ok(())
}

/// Machines that take part; those that the test started itself did what the stubs do.
async fn create_machines(case: &Value, host: &Host) -> Result<()> {
    let text = case.to_string();
    for helper in list(&case["helper_machines"]).iter().filter(|helper| helper["started_by_test"] != true) {
        let mut client = host.client().await?;
        let name = text_of(&helper["name"]);
        if text.contains(&format!(":{SECONDARY_ACCOUNT}:stateMachine:{name}")) {
            client.sign_as(SECONDARY_KEY);
        }
        let request = json!({ "name": name, "definition": helper["definition"].to_string(), "roleArn": role_arn(case) });
        let answer = client.call("CreateStateMachine", &request).await?;
        if !answer.is_success() {
            bail!("the machine {name} was refused: {}", refusal(&answer));
        }
    }
    Ok(())
}

/// Activities that were there when the execution reached them: one that was deleted before is never scheduled.
async fn create_activities(case: &Value, client: &mut Client) -> Result<()> {
    if list(&case["expected"]["events"]).iter().any(|event| event["type"] == "ActivityScheduled") {
        for name in crate::case::activities_of(&case["definition"]) {
            client.done("CreateActivity", &json!({ "name": name })).await?;
        }
    }
    Ok(())
}

/// Stops the execution where the test did: when it had as many events as were recorded before.
async fn stop_as_recorded(case: &Value, client: &mut Client, arn: &str) -> Result<()> {
    let Some(stop) = list(&case["during"]).iter().find(|step| step["op"] == "StopExecution") else { return Ok(()) };
    let events = list(&case["expected"]["events"]);
    let aborted = events.iter().find(|event| event["type"] == "ExecutionAborted");
    let before = aborted.and_then(|event| event["id"].as_u64()).map_or(0, |id| id.saturating_sub(1));
    tasks::wait_for_events(client, arn, before).await?;
    let mut request = stop["params"].clone();
    request["executionArn"] = json!(arn);
    client.done("StopExecution", &request).await.map(|_| ())
}

async fn create(case: &Value, client: &mut Client) -> Result<String> {
    let mut request =
        json!({ "name": case["state_machine_name"], "definition": definition_text(case), "roleArn": role_arn(case), "type": case["type"] });
    if let Some(logging) = case.get("logging") {
        request["loggingConfiguration"] = logging.clone();
    }
    let answer = client.call("CreateStateMachine", &request).await?;
    if !answer.is_success() {
        bail!("the definition was refused: {}", refusal(&answer));
    }
    Ok(text_of(&answer.body["stateMachineArn"]).to_owned())
}

/// The role that was sent, else the one that its history shows.
fn role_arn(case: &Value) -> &str {
    let shown = case["expected"]["events"][0]["executionStartedEventDetails"]["roleArn"].as_str();
    let shown = shown.filter(|arn| !arn.contains("{{"));
    case["role_arn"].as_str().or(shown).unwrap_or(ROLE_ARN)
}

/// What `DescribeExecution` answers once the execution has ended.
pub(super) async fn ended(client: &mut Client, arn: &str) -> Result<Value> {
    loop {
        let described = client.done("DescribeExecution", &json!({ "executionArn": arn })).await?;
        if described["status"] != "RUNNING" {
            return Ok(described);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// The whole history, without times.
async fn all_events(client: &mut Client, arn: &str) -> Result<Vec<Value>> {
    let mut request = json!({ "executionArn": arn, "maxResults": 1_000 });
    let mut events = Vec::new();
    loop {
        let page = client.done("GetExecutionHistory", &request).await?;
        events.extend(list(&page["events"]).iter().cloned().map(|mut event| {
            if let Some(members) = event.as_object_mut() {
                members.shift_remove("timestamp");
            }
            event
        }));
        match page.get("nextToken") {
            Some(token) => request["nextToken"] = token.clone(),
            None => return Ok(events),
        }
    }
}

async fn last_event(host: &Host, arn: &str) -> Result<Value> {
    let events = all_events(&mut host.client().await?, arn).await?;
    Ok(events.last().cloned().unwrap_or_else(|| Value::Object(Map::new())))
}
