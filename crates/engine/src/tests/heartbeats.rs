//! Heartbeats: what counts is when a worker was heard of, not when its execution had time to listen.

use std::ops::ControlFlow;
use std::sync::Mutex;

use async_trait::async_trait;
use skald_integrations::{Call, Outcome, Perform};
use skald_interpreter::{Event, EventKind};
use skald_query::Payload;
use skald_store::Store;
use tokio::sync::Notify;

use super::rig::{Watched, open, run, scope};
use super::*;
use crate::engine::Engine;
use crate::error::SendTaskError;
use crate::execution::{HistoryRequest, NewestFirst};
use crate::options::Compute;

/// One worker beats; the other one's answer keeps the execution busy for a flush.
const BESIDE_EACH_OTHER: &str = r#"{ "StartAt": "Both", "States": { "Both": { "Type": "Parallel", "End": true, "Branches": [
    { "StartAt": "Ask", "States": { "Ask": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "HeartbeatSeconds": 10, "End": true,
        "Parameters": { "FunctionName": "ask", "Payload": { "token.$": "$$.Task.Token" } } } } },
    { "StartAt": "Other", "States": {
        "Other": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:other", "Next": "Hold" },
        "Hold": { "Type": "Wait", "Seconds": 3600, "End": true } } } ] } } }"#;
const FLUSH: Duration = Duration::from_millis(100);

/// Keeps the token it is called with, and answers the other call when it is told to.
#[derive(Default)]
struct Workers {
    token: Mutex<Option<String>>,
    answer: Notify,
}

#[async_trait]
impl Perform for Workers {
    async fn perform(&self, call: Call) -> Outcome {
        match call.parameters.value().pointer("/Payload/token").and_then(|token| token.as_str()) {
            Some(token) => *self.token.lock().expect("no panic") = Some(token.to_owned()),
            None => self.answer.notified().await,
        }
        Outcome::Succeeded { output: Payload::empty_object() }
    }

    async fn shut_down(&self) {}
}

/// When an event of a kind happened, in milliseconds since the beginning.
async fn time_of(engine: &Engine, arn: &str, kind: fn(&EventKind) -> bool) -> Option<i64> {
    let request = HistoryRequest { execution_arn: arn.to_owned(), newest_first: NewestFirst::No, cursor: None };
    let mut at = None;
    let look = |event: &Event| match kind(&event.kind) {
        true => {
            at = Some(event.at.millis - super::rig::BEGINNING_MS);
            ControlFlow::Break(())
        }
        false => ControlFlow::Continue(()),
    };
    engine.history(&scope(), request, look).await.expect("it was started");
    at
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_counts_from_when_it_came_however_busy_its_execution_is() {
    let workers = Arc::new(Workers::default());
    let store = Watched::flushing_for(FLUSH);
    let beginning = tokio::time::Instant::now();
    let engine = open(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&workers) as Arc<dyn Perform>, Compute::Owner).await;
    let arn = run(&engine, BESIDE_EACH_OTHER).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let token = workers.token.lock().expect("no panic").clone().expect("the worker was called");
    let beat = async || engine.send_task_heartbeat(&scope(), &token).await;
    assert_eq!(beat().await.ok(), Some(()));
    let began = tokio::time::Instant::now();

    // The flush of the other answer lasts from before the heartbeat is due to after it; a beat comes meanwhile.
    tokio::time::sleep_until(began + Duration::from_millis(9_950)).await;
    workers.answer.notify_one();
    tokio::time::sleep_until(began + Duration::from_millis(9_970)).await;
    let heard = tokio::time::Instant::now();
    assert_eq!(beat().await.ok(), Some(()));
    assert_eq!(began.elapsed(), Duration::from_millis(9_950) + FLUSH, "its execution was busy");
    tokio::time::sleep_until(heard + Duration::from_millis(9_999)).await;
    let timed_out = |kind: &EventKind| matches!(kind, EventKind::TaskTimedOut { .. });
    assert_eq!(time_of(&engine, &arn, timed_out).await, None, "it was heard of in time");

    // And not from when the flush had ended.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after_ms = i64::try_from((heard - beginning).as_millis()).expect("seconds") + 10_000;
    assert_eq!(time_of(&engine, &arn, timed_out).await, Some(after_ms));
    assert!(matches!(beat().await, Err(SendTaskError::TaskTimedOut)));
}
