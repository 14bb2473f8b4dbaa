//! Heartbeats: what counts is when a worker was heard of, not when its execution had time to listen.

use std::ops::ControlFlow;
use std::sync::Mutex;

use async_trait::async_trait;
use skald_integrations::{Call, Outcome, Perform};
use skald_interpreter::{Event, EventKind};
use skald_query::Payload;
use skald_store::Store;
use tokio::sync::Notify;

use super::rig::{BEGINNING_MS, Watched, open, open_with, options, run, scope};
use super::*;
use crate::engine::Engine;
use crate::error::SendTaskError;
use crate::execution::{HistoryRequest, NewestFirst};
use crate::options::{Compute, Options};

/// One worker beats; the other one's answer keeps the execution busy for a flush.
const BESIDE_EACH_OTHER: &str = r#"{ "StartAt": "Both", "States": { "Both": { "Type": "Parallel", "End": true, "Branches": [
    { "StartAt": "Ask", "States": { "Ask": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "HeartbeatSeconds": 10, "End": true,
        "Parameters": { "FunctionName": "ask", "Payload": { "token.$": "$$.Task.Token" } } } } },
    { "StartAt": "Other", "States": {
        "Other": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:other", "Next": "Hold" },
        "Hold": { "Type": "Wait", "Seconds": 3600, "End": true } } } ] } } }"#;
/// A worker that has a week, if only it is heard of once an hour.
const PATIENT: &str = r#"{ "StartAt": "Ask", "States": { "Ask": {
    "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "End": true,
    "HeartbeatSeconds": 3600, "TimeoutSeconds": 604800,
    "Parameters": { "FunctionName": "ask", "Payload": { "token.$": "$$.Task.Token" } } } } }"#;
const FLUSH: Duration = Duration::from_millis(100);

/// Keeps the token it is called with, and answers the other call when it is told to.
#[derive(Default)]
struct Workers {
    token: Mutex<Option<String>>,
    answer: Notify,
}

#[async_trait]
impl Perform for Workers {
    async fn perform(&self, call: Arc<Call>) -> Outcome {
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

#[tokio::test(start_paused = true)]
async fn workers_of_parked_executions_are_heard_and_wake_nobody() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let (workers, store) = (Arc::new(Workers::default()), Watched::finding(|head| head));
    let beginning = tokio::time::Instant::now();
    let engine = open(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&workers) as Arc<dyn Perform>, Compute::Owner).await;
    let arn = run(&engine, PATIENT).await;
    tokio::time::sleep(HOUR / 2).await;
    let token = workers.token.lock().expect("no panic").clone().expect("the worker was called");
    let appends = engine.metrics().appends.load(Ordering::Relaxed);
    let rests = || {
        let metrics = engine.metrics();
        let (live, appended) = (metrics.live_executions.load(Ordering::Relaxed), metrics.appends.load(Ordering::Relaxed));
        assert_eq!((live, appended), (0, appends), "it left memory, and nothing was written since");
    };
    for _ in 0..5 {
        rests();
        engine.send_task_heartbeat(&scope(), &token).await.expect("the task is open");
        tokio::time::sleep(HOUR / 10 * 9).await;
    }
    rests();
    let heard = tokio::time::Instant::now();
    engine.send_task_heartbeat(&scope(), &token).await.expect("the task is open");
    tokio::time::sleep(2 * HOUR).await;
    let timed_out = |kind: &EventKind| matches!(kind, EventKind::TaskTimedOut { .. });
    let after_ms = i64::try_from((heard - beginning + HOUR).as_millis()).expect("hours");
    assert_eq!(time_of(&engine, &arn, timed_out).await, Some(after_ms));
    assert!(matches!(engine.send_task_heartbeat(&scope(), &token).await, Err(SendTaskError::TaskTimedOut)));
}

#[tokio::test(start_paused = true)]
async fn whoever_opens_the_store_gives_workers_their_time_anew() {
    let (workers, store) = (Arc::new(Workers::default()), Watched::finding(|head| head));
    let first = open(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&workers) as Arc<dyn Perform>, Compute::Owner).await;
    let arn = run(&first, PATIENT).await;
    tokio::time::sleep(Duration::from_secs(3_000)).await;
    let token = workers.token.lock().expect("no panic").clone().expect("the worker was called");
    first.send_task_heartbeat(&scope(), &token).await.expect("the task is open");
    // A crash: what was heard is in nobody's memory.
    let left = Arc::new(store.store.fork());
    let options = Options { clock: Arc::new(Wall(AtomicI64::new(BEGINNING_MS + 3_000_000))), ..options() };
    let second = open_with(left, Arc::clone(&workers) as Arc<dyn Perform>, options).await;
    tokio::time::sleep(Duration::from_secs(4_000)).await;
    let timed_out = |kind: &EventKind| matches!(kind, EventKind::TaskTimedOut { .. });
    assert_eq!(time_of(&second, &arn, timed_out).await, None, "its hour began anew when the store said that it was due");
    second.send_task_heartbeat(&scope(), &token).await.expect("the task is open");
    tokio::time::sleep(Duration::from_secs(3_601)).await;
    assert!(time_of(&second, &arn, timed_out).await.is_some(), "and ended");
}
