//! Express executions: at most once and at least once, five minutes, no more than there is room for; and what is logged.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use skald_integrations::{Call, Outcome, Perform};
use skald_query::Payload;
use skald_store::memory::MemoryStore;
use skald_store::{Direction, Store, Table};

use super::*;
use crate::catalog::{Configuration, CreateMachine, MachineType};
use crate::engine::Engine;
use crate::error::StartSyncExecutionError;
use crate::execution::{Described, StartExecution};
use crate::execution_log::ExecutionLog;
use crate::options::Options;

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:M";
const PASS: &str = r#"{ "StartAt": "A", "States": { "A": { "Type": "Pass", "Result": 7, "End": true } } }"#;
const FAIL: &str = r#"{ "StartAt": "F", "States": { "F": { "Type": "Fail", "Error": "E", "Cause": "C" } } }"#;
const TASK: &str = r#"{ "StartAt": "T", "States": { "T": { "Type": "Task", "End": true,
    "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f" } } }"#;
const PATIENT_TASK: &str = r#"{ "StartAt": "T", "States": { "T": { "Type": "Task", "End": true, "TimeoutSeconds": 2,
    "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f",
    "Retry": [{ "ErrorEquals": ["States.Timeout"], "MaxAttempts": 1, "IntervalSeconds": 10 }] } } }"#;
const LOOP: &str = r#"{ "StartAt": "A", "States": { "A": { "Type": "Pass", "Next": "B" },
    "B": { "Type": "Choice", "Choices": [{ "Variable": "$.stop", "IsPresent": true, "Next": "C" }], "Default": "A" },
    "C": { "Type": "Succeed" } } }"#;

/// A function that answers once it is told to, and counts its calls.
struct Function {
    calls: AtomicUsize,
    may_answer: tokio::sync::watch::Sender<bool>,
}

impl Function {
    fn answering(at_once: bool) -> Arc<Self> {
        Arc::new(Self { calls: AtomicUsize::new(0), may_answer: tokio::sync::watch::channel(at_once).0 })
    }

    async fn until_called(&self, times: usize) {
        while self.calls.load(Ordering::SeqCst) < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[async_trait]
impl Perform for Function {
    async fn perform(&self, call: Arc<Call>) -> Outcome {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let _ = self.may_answer.subscribe().wait_for(|may| *may).await;
        Outcome::Succeeded { output: call.parameters.clone() }
    }

    async fn shut_down(&self) {}
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl ExecutionLog for Lines {
    fn write(&self, log_group_arn: &str, line: &str) {
        assert_eq!(log_group_arn, "arn:group:*");
        self.0.lock().expect("no panic while writing").push(line.to_owned());
    }
}

struct Rig {
    engine: Engine,
    store: Arc<MemoryStore>,
    function: Arc<Function>,
    log: Arc<Lines>,
}

fn scope() -> Scope {
    Scope { partition: "aws".to_owned(), account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
}

async fn open(store: Arc<MemoryStore>, function: Arc<Function>) -> Rig {
    let log = Arc::new(Lines::default());
    let options = Options {
        owners: 1,
        clock: Arc::new(Wall(AtomicI64::new(1_700_000_000_000))),
        seed: 1,
        token_secret: [1; 32],
        execution_log: log.clone(),
        ..Options::default()
    };
    let engine = Engine::open(store.clone(), function.clone(), options).await.expect("the store is whole");
    Rig { engine, store, function, log }
}

async fn rig(answers_at_once: bool) -> Rig {
    open(Arc::new(MemoryStore::new()), Function::answering(answers_at_once)).await
}

impl Rig {
    async fn create(&self, machine_type: MachineType, definition: &str, logging: &str) {
        let configuration = Configuration { logging: logging.to_owned(), tracing: "{}".into(), encryption: "{}".into(), tags: "[]".into() };
        let role_arn = "arn:aws:iam::123456789012:role/r".to_owned();
        let machine = CreateMachine { name: "M".to_owned(), definition: definition.to_owned(), role_arn, machine_type, configuration };
        self.engine.create_machine(&scope(), machine).await.expect("the definition is right");
    }

    async fn run(&self, definition: &str) -> Described {
        self.create(MachineType::Express, definition, "{}").await;
        self.engine.start_sync_execution(&scope(), start("N")).await.expect("there is room")
    }

    /// Rows of executions that have begun and not ended.
    async fn unfinished(&self) -> usize {
        self.store.scan(Table::Express, &[], &[0xFF; 17], Direction::Forward, 100).await.expect("a memory store").len()
    }

    async fn until_none_is_unfinished(&self) {
        while self.unfinished().await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn running(&self) -> u64 {
        self.engine.metrics().express_running.load(Ordering::SeqCst)
    }
}

fn start(name: &str) -> StartExecution {
    StartExecution {
        machine_arn: MACHINE.to_owned(),
        name: Some(name.to_owned()),
        input: Payload::parse(r#"{"order": 17}"#).expect("JSON"),
        trace_header: None,
        starter_key: None,
        parent: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_synchronous_one_answers_its_end_and_leaves_nothing() {
    let rig = rig(true).await;
    let described = rig.run(PASS).await;
    assert_eq!((described.listed.status.as_str(), described.output), ("SUCCEEDED", Some(Payload::trusted("7"))));
    let prefix = "arn:aws:states:us-east-1:123456789012:express:M:N:";
    assert!(described.listed.execution_arn.starts_with(prefix), "{}", described.listed.execution_arn);
    assert_eq!(described.listed.execution_arn.len(), prefix.len() + 36);
    assert_eq!((rig.running(), rig.unfinished().await), (0, 0));
    let again = rig.engine.start_sync_execution(&scope(), start("N")).await.expect("names are not unique");
    assert_ne!(again.listed.execution_arn, described.listed.execution_arn);
}

#[tokio::test(start_paused = true)]
async fn failures_calls_and_waits_end_as_they_do_elsewhere() {
    let failed = rig(true).await.run(FAIL).await;
    assert_eq!((failed.listed.status.as_str(), failed.error.as_deref(), failed.cause.as_deref()), ("FAILED", Some("E"), Some("C")));
    let called = rig(true).await.run(TASK).await;
    assert_eq!((called.listed.status.as_str(), called.output), ("SUCCEEDED", Some(Payload::trusted(r#"{"order": 17}"#))));
    let waited = rig(true).await.run(r#"{ "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 200, "End": true } } }"#).await;
    assert_eq!(waited.listed.stopped_at.expect("it ended").millis - waited.listed.started_at.millis, 200_000);
    let too_long = rig(true).await.run(r#"{ "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 301, "End": true } } }"#).await;
    assert_eq!(too_long.error.as_deref(), Some("States.Runtime"));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_times_out_is_retried_and_its_call_given_up() {
    let rig = rig(false).await;
    let described = rig.run(PATIENT_TASK).await;
    assert_eq!((described.listed.status.as_str(), described.error.as_deref()), ("FAILED", Some("States.Timeout")));
    assert_eq!(described.listed.stopped_at.expect("it ended").millis - described.listed.started_at.millis, 14_000);
    assert_eq!(rig.function.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn after_five_minutes_it_is_over() {
    let rig = rig(false).await;
    let described = rig.run(TASK).await;
    assert_eq!((described.listed.status.as_str(), described.error.as_deref()), ("TIMED_OUT", Some("States.Timeout")));
    assert_eq!(described.listed.stopped_at.expect("it ended").millis - described.listed.started_at.millis, 300_000);
    assert_eq!(rig.running(), 0);
}

#[tokio::test]
async fn an_endless_loop_leaves_others_their_turn_and_goes_on_past_the_events_of_a_history() {
    let rig = rig(true).await;
    rig.create(MachineType::Express, LOOP, "{}").await;
    let engine = rig.engine.clone();
    let looping = tokio::spawn(async move { engine.start_sync_execution(&scope(), start("loops")).await });
    // One thread has all of them: this one goes on only when the loop lets it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!looping.is_finished(), "it does not end by itself");
    rig.engine.stop(Duration::ZERO).await;
    let stopped = looping.await.expect("no panic");
    assert!(matches!(stopped, Err(StartSyncExecutionError::InternalFailure(_))), "{stopped:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_gone_ends_nothing_and_leaks_nothing() {
    let rig = rig(false).await;
    rig.create(MachineType::Express, TASK, "{}").await;
    let engine = rig.engine.clone();
    let asking = tokio::spawn(async move { engine.start_sync_execution(&scope(), start("N")).await });
    rig.function.until_called(1).await;
    asking.abort();
    let _ = asking.await;
    assert_eq!(rig.running(), 1, "it goes on");
    rig.function.may_answer.send_replace(true);
    while rig.running() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(rig.function.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_asynchronous_one_has_a_row_while_it_runs() {
    let rig = rig(false).await;
    rig.create(MachineType::Express, TASK, "{}").await;
    let started = rig.engine.start_execution(&scope(), start("N")).await.expect("there is room");
    assert!(started.execution_arn.contains(":express:M:N:"));
    assert_eq!(rig.unfinished().await, 1, "durable before the answer");
    rig.function.may_answer.send_replace(true);
    rig.until_none_is_unfinished().await;
}

#[tokio::test]
async fn what_has_not_ended_runs_again_from_the_start() {
    let first = rig(false).await;
    let logging = r#"{"level":"ALL","destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"arn:group:*"}}]}"#;
    first.create(MachineType::Express, TASK, logging).await;
    let started = first.engine.start_execution(&scope(), start("N")).await.expect("there is room");
    first.function.until_called(1).await;
    // A crash: another engine opens what is durable.
    let crashed = Arc::new(first.store.fork());
    let second = open(crashed, Function::answering(true)).await;
    second.until_none_is_unfinished().await;
    assert_eq!(second.function.calls.load(Ordering::SeqCst), 1);
    second.engine.stop(Duration::from_secs(1)).await;
    let lines = second.log.0.lock().expect("no panic").join("\n");
    assert!(lines.contains(&started.execution_arn) && lines.contains("ExecutionSucceeded"), "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_asynchronous_ones_to_the_next_engine() {
    let first = rig(false).await;
    first.create(MachineType::Express, TASK, "{}").await;
    first.engine.start_execution(&scope(), start("N")).await.expect("there is room");
    first.function.until_called(1).await;
    first.engine.stop(Duration::from_millis(10)).await;
    assert_eq!((first.running(), first.unfinished().await), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn starts_beyond_the_room_are_throttled() {
    let rig = rig(false).await;
    rig.create(MachineType::Express, TASK, "{}").await;
    let large = || StartExecution { input: Payload::trusted(format!("\"{}\"", "x".repeat(262_000))), ..start("N") };
    let mut begun = 0;
    while rig.engine.start_execution(&scope(), large()).await.is_ok() {
        begun += 1;
    }
    assert!((100..400).contains(&begun), "{begun}");
    let sync = rig.engine.start_sync_execution(&scope(), large()).await;
    assert!(matches!(sync, Err(StartSyncExecutionError::ThrottlingException)));
    rig.function.may_answer.send_replace(true);
    rig.until_none_is_unfinished().await;
    assert_eq!(rig.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_deleted_when_its_last_execution_has_ended() {
    let rig = rig(false).await;
    rig.create(MachineType::Express, TASK, "{}").await;
    rig.engine.start_execution(&scope(), start("N")).await.expect("there is room");
    rig.engine.delete_machine(&scope(), MACHINE).await.expect("it can be deleted");
    assert!(matches!(rig.engine.start_sync_execution(&scope(), start("N")).await, Err(StartSyncExecutionError::StateMachineDeleting(_))));
    rig.function.may_answer.send_replace(true);
    rig.until_none_is_unfinished().await;
    while rig.engine.describe_machine(&scope(), MACHINE).await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_machine_is_logged_as_it_asks_for() {
    let destinations = r#""destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"arn:group:*"}}]"#;
    let cases = [
        ("ALL", vec!["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]),
        ("ERROR", vec!["FailStateEntered", "ExecutionFailed"]),
        ("FATAL", vec!["ExecutionFailed"]),
        ("OFF", vec![]),
    ];
    for machine_type in [MachineType::Express, MachineType::Standard] {
        for (level, wanted) in &cases {
            let rig = rig(true).await;
            rig.create(machine_type, FAIL, &format!(r#"{{"level":"{level}","includeExecutionData":true,{destinations}}}"#)).await;
            rig.engine.start_execution(&scope(), start("N")).await.expect("the name is free");
            while rig.engine.metrics().ended().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            rig.engine.stop(Duration::from_secs(1)).await;
            let lines: Vec<serde_json::Value> =
                rig.log.0.lock().expect("no panic").iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().expect("a type")).collect();
            assert_eq!(types, *wanted, "{machine_type:?} {level}");
        }
    }
}

#[test]
fn a_log_that_is_not_written_drops_and_counts() {
    /// Never comes to its end.
    struct Stuck;
    impl ExecutionLog for Stuck {
        fn write(&self, _: &str, _: &str) {
            std::thread::park();
            unreachable!("nobody wakes it");
        }
    }
    use skald_interpreter::{Command, Context, Dice, Execution, World};
    struct Nothing;
    impl World for Nothing {
        fn mint_token(&self, _: u64, _: u64) -> String {
            String::new()
        }
        fn activity_exists(&self, _: &str) -> bool {
            false
        }
    }
    let options = skald_asl::parse::Options { machine_type: skald_asl::parse::MachineType::Express };
    let definition = skald_asl::parse::parse(PASS, &options).expect("it is right").definition;
    let mut execution = Execution::unborn(Arc::new(definition));
    let mut context = Context {
        now: Timestamp::from_millis(1),
        dice: Dice::seeded(1),
        world: &Nothing,
        budget: skald_query::Budget::of_steps(1_000),
        cancel: None,
        machine_deleted: false,
    };
    let start = Command::Start { origin: Arc::default(), input: Payload::empty_object() };
    let records = execution.advance(start, &mut context);
    let events = records.len() as u64 - 1;
    let logging = Arc::new(crate::execution_log::Logging::of(r#"{"level":"ALL"}"#).expect("it is on"));
    let (log, sink): (_, Arc<dyn ExecutionLog>) = (crate::execution_log::Log::default(), Arc::new(Stuck));
    let identity = execution.identity().expect("it has begun");
    let dropped: u64 = (0..20_000).map(|_| log.take(&sink, &logging, identity, records.clone())).sum();
    assert!(dropped > 10_000 * events && dropped.is_multiple_of(events), "{dropped}");
}
