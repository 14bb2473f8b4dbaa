//! Overload: starts are throttled, what runs goes on, and all recovers by itself.

use skald_query::Payload;
use skald_store::memory::MemoryStore;

use super::rig::{Nothing, Watched, create_machine, open_with, options, scope};
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

#[tokio::test(start_paused = true)]
async fn what_is_decided_in_one_round_goes_to_the_store_in_pieces() {
    let store = Watched::finding(|head| head);
    let options = Options { inbox_commands_max: 4_096, ..options() };
    let engine = open_with(store.clone(), Arc::new(Nothing), options).await;
    let machine = create_machine(&engine, HOLDS).await;
    let (count, input_bytes) = (64, 50_000);
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (engine, machine) = (engine.clone(), machine.clone());
        starts.spawn(async move { start(&engine, &machine, input_bytes).await });
    }
    assert!(starts.join_all().await.iter().all(Result::is_ok));
    let calls: Vec<usize> = std::mem::take(&mut store.appended_bytes.lock().expect("no panic while appending"));
    let largest = calls.iter().max().copied().unwrap_or_default();
    // Each is about its input; the last one of a piece may go over the limit.
    assert!((10 * input_bytes..(2 << 20) + 3 * input_bytes).contains(&largest), "{calls:?}");
}
