//! Express executions: their ends are in answers or in the log.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use skald_query::Value;

use super::host::Host;
use super::tasks::LOOK_PAUSE;
use super::text_of;
use crate::client::Client;
use crate::compare::{Beyond, Bindings, compare};

/// How long an execution may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the execution and compares its end with the recording.
pub(super) async fn judge(case: &Value, host: &Host, client: &mut Client, start: &Value) -> Result<()> {
    let expected = &case["expected"];
    let mut bindings = Bindings::default();
    let end = if case["start"] == "StartSyncExecution" {
        let answer = within_patience(host, client.done("StartSyncExecution", start)).await?;
        let recorded = without_duration(&expected["start_sync_execution"]);
        compare(&recorded, &answer, Beyond::Refused, &mut bindings, "StartSyncExecution")?;
        answer
    } else {
        let started = client.done("StartExecution", start).await?;
        let record = within_patience(host, logged_end(host, text_of(&started["executionArn"]))).await?;
        compare(&expected["logged_end_event"], &record, Beyond::Refused, &mut bindings, "log")?;
        let details = &record["details"];
        json!({ "status": status(text_of(&record["type"])), "output": details["output"], "error": details["error"], "cause": details["cause"] })
    };
    for member in ["status", "output", "error", "cause"] {
        if let Some(recorded) = expected.get(member) {
            compare(recorded, end.get(member).unwrap_or(&Value::Null), Beyond::Refused, &mut bindings, member)?;
        }
    }
    Ok(())
}

async fn within_patience<T>(host: &Host, ending: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        ended = tokio::time::timeout(PATIENCE, ending) => ended.context("it did not end")?,
        reason = host.tasks.stuck() => bail!("{reason}"),
    }
}

/// How long it took is the machine's business, not the recording's.
fn without_duration(recorded: &Value) -> Value {
    let mut recorded = recorded.clone();
    if let Some(duration) = recorded.pointer_mut("/billingDetails/billedDurationInMilliseconds") {
        *duration = json!("{{any:duration}}");
    }
    recorded
}

/// The record of the execution's end, once it is logged.
async fn logged_end(host: &Host, arn: &str) -> Result<Value> {
    loop {
        let end = host.log.of(arn).into_iter().find(|record| !status(text_of(&record["type"])).is_empty());
        match end {
            Some(record) => return Ok(record),
            None => tokio::time::sleep(LOOK_PAUSE).await,
        }
    }
}

/// The status that an event ends an execution with; empty for an event that ends none.
fn status(event_type: &str) -> &'static str {
    match event_type {
        "ExecutionSucceeded" => "SUCCEEDED",
        "ExecutionFailed" => "FAILED",
        "ExecutionTimedOut" => "TIMED_OUT",
        "ExecutionAborted" => "ABORTED",
        _ => "",
    }
}
