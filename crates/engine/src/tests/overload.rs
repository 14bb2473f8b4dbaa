//! Overload: starts are throttled, what runs goes on, and all recovers by itself.

use skald_query::Payload;
use skald_store::memory::MemoryStore;

use super::rig::{Nothing, create_machine, open_with, options, scope};
use super::*;
use crate::engine::Engine;
use crate::error::StartExecutionError;
use crate::execution::StartExecution;
use crate::options::Options;

const HOLDS: &str = r#"{ "StartAt": "A", "States": { "A": { "Type": "Wait", "Seconds": 600, "End": true } } }"#;

async fn start(engine: &Engine, machine_arn: &str, input_bytes: usize) -> Result<(), StartExecutionError> {
    let request = StartExecution {
        machine_arn: machine_arn.to_owned(),
        name: None,
        input: Payload::parse(format!("\"{}\"", "x".repeat(input_bytes))).expect("JSON"),
        trace_header: None,
        starter_key: None,
        parent: None,
    };
    engine.start_execution(&scope(), request).await.map(|_| ())
}

fn is_throttled(result: &Result<(), StartExecutionError>) -> bool {
    matches!(result, Err(StartExecutionError::ThrottlingException))
}

#[tokio::test(start_paused = true)]
async fn memory_bounds_what_is_let_in_until_idle_executions_have_left_it() {
    let options = Options { live_bytes_max: 1 << 20, park_after: Duration::from_secs(3_600), ..options() };
    let engine = open_with(Arc::new(MemoryStore::new()), Arc::new(Nothing), options).await;
    let machine = create_machine(&engine, HOLDS).await;
    let mut let_in = 0;
    while !is_throttled(&start(&engine, &machine, 100_000).await) {
        let_in += 1;
    }
    assert!((5..=11).contains(&let_in), "{let_in} of 100 KB each in 1 MiB");
    assert_eq!(engine.metrics().starts_throttled.load(Ordering::Relaxed), 1);
    // Those that wait leave memory early when it is short.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!is_throttled(&start(&engine, &machine, 100_000).await), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_machine_starts_at_its_pace_and_another_one_at_its_own() {
    let engine = open_with(Arc::new(MemoryStore::new()), Arc::new(Nothing), Options { starts_per_second_max: Some(5), ..options() }).await;
    let machine = create_machine(&engine, HOLDS).await;
    for at in 0..8 {
        assert_eq!(is_throttled(&start(&engine, &machine, 10).await), at >= 5, "start {at}");
    }
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert!(!is_throttled(&start(&engine, &machine, 10).await));
}
