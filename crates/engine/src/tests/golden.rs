//! Golden stores: a release commits one with executions in every kind of state, and every later one finishes them.
//!
//! `golden/N` holds a store and, in `tokens`, the task tokens that were handed out. Before a release, make the next one:
//! `SKALD_GOLDEN_STORE=<folder> cargo test -p skald-engine golden`, with `crates/engine/src/tests/golden/<N + 1>` as the
//! folder's absolute path, and commit it. One that was released is never made again.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use skald_asl::states::Resource;
use skald_integrations::{Call, Outcome, Perform};
use skald_interpreter::Event;
use skald_query::Payload;
use skald_store::embedded::{self, EmbeddedStore};

use super::*;
use crate::catalog::{Configuration, CreateMachine, MachineType};
use crate::engine::Engine;
use crate::execution::{HistoryRequest, NewestFirst, StartExecution};
use crate::options::Options;

/// When golden stores were made, by their clock.
const MADE_AT: i64 = 1_700_000_000_000;
const HOUR_MS: i64 = 3_600_000;
const NAME: &str = "golden";

/// A state machine, and how its one execution ends after all.
struct Scenario {
    machine: &'static str,
    definition: String,
    ends: ExecutionStatus,
    output: Option<&'static str>,
}

fn scenario(machine: &'static str, states: &str, ends: ExecutionStatus, output: Option<&'static str>) -> Scenario {
    Scenario { machine, definition: format!(r#"{{ "StartAt": "A", "States": {{ {states} }} }}"#), ends, output }
}

/// One for every kind of state that an execution can be found in.
fn scenarios() -> Vec<Scenario> {
    use ExecutionStatus::{Aborted, Failed, Succeeded};
    let lambda = |name: &str| format!(r#""Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:{name}""#);
    let activity = |name: &str| format!(r#""Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:{name}""#);
    let job = r#""Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Parameters": { "JobName": "j" }"#;
    let token = r#""Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": { "QueueUrl": "q", "MessageBody": { "token.$": "$$.Task.Token" } }"#;
    vec![
        scenario(
            "Waits",
            r#""A": { "Type": "Wait", "Seconds": 600, "Next": "B" }, "B": { "Type": "Wait", "Seconds": 1, "End": true }"#,
            Succeeded,
            Some("{}"),
        ),
        scenario("Token", &format!(r#""A": {{ {token}, "End": true }}"#), Succeeded, Some(r#"{"by":"token"}"#)),
        scenario("Offered", &format!(r#""A": {{ {}, "End": true }}"#, activity("offered")), Succeeded, Some(r#"{"by":"worker"}"#)),
        scenario("Polled", &format!(r#""A": {{ {}, "End": true }}"#, activity("polled")), Succeeded, Some(r#"{"by":"token"}"#)),
        scenario(
            "Heartbeat",
            &format!(r#""A": {{ {}, "HeartbeatSeconds": 90000, "End": true }}"#, activity("beats")),
            Succeeded,
            Some(r#"{"by":"token"}"#),
        ),
        scenario(
            "Retries",
            &format!(
                r#""A": {{ {}, "Retry": [ {{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 600 }} ], "End": true }}"#,
                lambda("fails")
            ),
            Succeeded,
            Some(r#"{"by":"call"}"#),
        ),
        scenario("Calls", &format!(r#""A": {{ {}, "End": true }}"#, lambda("hangs")), Succeeded, Some(r#"{"by":"call"}"#)),
        scenario(
            "Map",
            &format!(
                r#""A": {{ "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 3, "End": true, "ItemProcessor": {{ "StartAt": "I", "States": {{
                    "I": {{ "Type": "Choice", "Choices": [ {{ "Variable": "$", "NumericLessThan": 3, "Next": "Quick" }} ], "Default": "Slow" }},
                    "Quick": {{ "Type": "Pass", "End": true }}, "Slow": {{ {}, "End": true }} }} }} }}"#,
                lambda("hangs")
            ),
            Succeeded,
            Some(r#"[1,2,{"by":"call"},{"by":"call"},{"by":"call"},{"by":"call"}]"#),
        ),
        scenario(
            "Parallel",
            r#""A": { "Type": "Parallel", "End": true, "Branches": [
                { "StartAt": "P", "States": { "P": { "Type": "Pass", "Result": "done", "End": true } } },
                { "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 600, "End": true } } } ] }"#,
            Succeeded,
            Some(r#"["done",{}]"#),
        ),
        scenario("Follows", &format!(r#""A": {{ {job}, "End": true }}"#), Succeeded, Some(r#"{"by":"job"}"#)),
        scenario("Owes", &format!(r#""A": {{ {job}, "End": true }}"#), Aborted, None),
        scenario("Ended", r#""A": { "Type": "Pass", "Result": 17, "End": true }"#, Succeeded, Some("17")),
        scenario("Failed", r#""A": { "Type": "Fail", "Error": "E", "Cause": "C" }"#, Failed, None),
        scenario("Doomed", r#""A": { "Type": "Wait", "Seconds": 600, "Next": "B" }, "B": { "Type": "Pass", "End": true }"#, Failed, None),
        scenario("Deleted", r#""A": { "Type": "Pass", "End": true }"#, Succeeded, Some("{}")),
    ]
}

const ACTIVITIES: [&str; 3] = ["offered", "polled", "beats"];

/// When a store is made, calls are begun; when it is finished, they end.
struct World {
    finishes: bool,
    tokens: std::sync::Mutex<BTreeMap<String, String>>,
    cancelled: AtomicI64,
}

fn payload(text: &str) -> Payload {
    Payload::parse(text).expect("JSON")
}

#[async_trait::async_trait]
impl Perform for World {
    async fn perform(&self, call: Arc<Call>) -> Outcome {
        let text = call.parameters.text().to_owned();
        let succeeded = |text: &str| Outcome::Succeeded { output: payload(text) };
        if let Resource::Service { .. } = &call.resource {
            if let Some((_, token)) = text.split_once(r#""token":""#) {
                let token = token.split('"').next().unwrap_or_default().to_owned();
                self.tokens.lock().expect("no panic").insert("Token".to_owned(), token);
            }
            return succeeded(r#"{"JobRunId":"r"}"#);
        }
        match self.finishes {
            true => succeeded(r#"{"by":"call"}"#),
            false if call.execution_arn.contains(":Retries:") => Outcome::Failed { error: "Busy".to_owned(), cause: "later".to_owned() },
            false => std::future::pending().await,
        }
    }

    async fn follow(&self, _: Arc<Call>, _: Payload) -> Outcome {
        match self.finishes {
            true => Outcome::Succeeded { output: payload(r#"{"by":"job"}"#) },
            false => std::future::pending().await,
        }
    }

    async fn cancel(&self, _: Arc<Call>, _: Payload) -> Result<(), String> {
        if !self.finishes {
            std::future::pending::<()>().await;
        }
        self.cancelled.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn shut_down(&self) {}
}

fn scope() -> Scope {
    Scope { partition: "aws".to_owned(), account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
}

fn arn(kind: &str, rest: &str) -> String {
    format!("arn:aws:states:us-east-1:123456789012:{kind}:{rest}")
}

async fn open(store: &Arc<EmbeddedStore>, finishes: bool, at: i64) -> (Engine, Arc<World>) {
    let world = Arc::new(World { finishes, tokens: std::sync::Mutex::default(), cancelled: AtomicI64::new(0) });
    let options =
        Options { owners: 2, clock: Arc::new(Wall(AtomicI64::new(at))), park_after: Duration::from_millis(200), ..Options::default() };
    let engine = Engine::open(Arc::clone(store) as _, Arc::clone(&world) as _, options).await.expect("the store opens");
    (engine, world)
}

/// Makes a golden store in `folder`: a backup of a store whose engine is at work.
async fn make(folder: &Path) {
    let scratch = tempfile::tempdir().expect("a folder");
    // Small: it is committed, and has something of everything, in tables of the cold store and in the log.
    let options = embedded::Options { segment_bytes: 64 << 10, memtable_bytes_max: 24 << 10, ..embedded::Options::default() };
    let store = Arc::new(EmbeddedStore::open(scratch.path(), options).expect("the store opens"));
    let (engine, world) = open(&store, false, MADE_AT).await;
    for name in ACTIVITIES {
        engine.create_activity(&scope(), name, "{}".to_owned(), "[]".to_owned()).await.expect("made");
    }
    for Scenario { machine, definition, .. } in scenarios() {
        let create = CreateMachine {
            name: machine.to_owned(),
            definition,
            role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
            machine_type: MachineType::Standard,
            configuration: Configuration { logging: "{}".into(), tracing: "{}".into(), encryption: "{}".into(), tags: "[]".into() },
        };
        let machine_arn = engine.create_machine(&scope(), create).await.expect("the definition is right").arn;
        let input = payload(if machine == "Map" { r#"{"items":[1,2,3,4,5,6]}"# } else { "{}" });
        let start = StartExecution { machine_arn, name: Some(NAME.to_owned()), input, trace_header: None, starter_key: None, parent: None };
        engine.start_execution(&scope(), start).await.expect("started");
    }
    for (machine, activity) in [("Polled", "polled"), ("Heartbeat", "beats")] {
        let polled = engine.poll_activity(&scope(), &arn("activity", activity), Some("w".to_owned()), Duration::from_secs(20)).await;
        let task = polled.expect("it can be polled").expect("there is a task");
        task.delivery.written();
        world.tokens.lock().expect("no panic").insert(machine.to_owned(), task.token);
    }
    let beats = world.tokens.lock().expect("no panic")["Heartbeat"].clone();
    engine.send_task_heartbeat(&scope(), &beats).await.expect("it waits");
    // Long enough for what idles to be parked: heads with folded states, rows of timers and lists.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    engine.stop_execution(&scope(), &arn("execution", &format!("Owes:{NAME}")), None, None).await.expect("stopped");
    for machine in ["Doomed", "Deleted"] {
        engine.delete_machine(&scope(), &arn("stateMachine", machine)).await.expect("deleted");
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (copied, target) = (Arc::clone(&store), folder.join("store"));
    tokio::task::spawn_blocking(move || copied.backup(&target)).await.expect("no panic").expect("copied");
    let tokens: String = world.tokens.lock().expect("no panic").iter().map(|(name, token)| format!("{name} {token}\n")).collect();
    fs::write(folder.join("tokens"), tokens).expect("written");
}

/// Opens a copy of a golden store an hour later, and sees every execution to its end.
async fn finish(golden: &Path) {
    let scratch = tempfile::tempdir().expect("a folder");
    copy(&golden.join("store"), scratch.path());
    let store = Arc::new(EmbeddedStore::open(scratch.path(), embedded::Options::default()).expect("the store opens"));
    let (engine, world) = open(&store, true, MADE_AT + HOUR_MS).await;
    let tokens = fs::read_to_string(golden.join("tokens")).expect("readable");
    let tokens: BTreeMap<&str, &str> = tokens.lines().filter_map(|line| line.split_once(' ')).collect();
    for machine in ["Token", "Polled", "Heartbeat"] {
        if machine == "Heartbeat" {
            engine.send_task_heartbeat(&scope(), tokens[machine]).await.expect("it waits");
        }
        engine
            .send_task_success(&scope(), tokens[machine], payload(r#"{"by":"token"}"#))
            .await
            .unwrap_or_else(|error| panic!("{machine}: {error}"));
        let again = engine.send_task_success(&scope(), tokens[machine], payload("{}")).await;
        assert!(again.is_err(), "{machine}: a token is good once");
    }
    let polled = engine.poll_activity(&scope(), &arn("activity", "offered"), None, Duration::from_secs(20)).await;
    let task = polled.expect("it can be polled").expect("there is a task");
    task.delivery.written();
    engine.send_task_success(&scope(), &task.token, payload(r#"{"by":"worker"}"#)).await.expect("it waits");
    for Scenario { machine, ends, output, .. } in scenarios() {
        let execution_arn = arn("execution", &format!("{machine}:{NAME}"));
        let mut described = engine.describe_execution(&scope(), &execution_arn).await.unwrap_or_else(|error| panic!("{machine}: {error}"));
        for _ in 0..400 {
            if described.listed.status != ExecutionStatus::Running {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            described = engine.describe_execution(&scope(), &execution_arn).await.unwrap_or_else(|error| panic!("{machine}: {error}"));
        }
        assert_eq!(described.listed.status, ends, "{machine}: {described:?}");
        assert_eq!(described.output.as_ref().map(Payload::text), output, "{machine}");
        let request = HistoryRequest { execution_arn, newest_first: NewestFirst::No, cursor: None };
        let mut ids = Vec::new();
        let look = |event: &Event| {
            ids.push(event.id);
            ControlFlow::Continue(())
        };
        engine.history(&scope(), request, look).await.unwrap_or_else(|error| panic!("{machine}: {error}"));
        assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{machine}: ids are dense");
    }
    assert_eq!(world.cancelled.load(Ordering::Relaxed), 1, "what was owed");
    engine.stop(Duration::from_secs(5)).await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("readable") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("named"));
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(&path, target).expect("copied")),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_version_finishes_what_it_began() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = std::env::var_os("SKALD_GOLDEN_STORE").map_or_else(|| scratch.path().to_path_buf(), PathBuf::from);
    fs::create_dir_all(&folder).expect("made");
    make(&folder).await;
    finish(&folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_version_finishes_what_released_ones_began() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/golden");
    let mut found = 0;
    for entry in fs::read_dir(folder).expect("readable") {
        finish(&entry.expect("an entry").path()).await;
        found += 1;
    }
    assert!(found > 0);
}
