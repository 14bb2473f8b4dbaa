//! Ended executions go when they were kept long enough, with everything that leads to them; open ones stay.

use skald_integrations::{Call, Outcome, Perform};
use skald_query::Payload;
use skald_store::memory::MemoryStore;
use skald_store::{Direction, Store, Table};

use super::*;
use crate::catalog::{Configuration, CreateMachine, MachineType};
use crate::engine::Engine;
use crate::error::{DescribeExecutionError, StartExecutionError};
use crate::execution::StartExecution;
use crate::options::Options;
use crate::page::PageRequest;
use crate::retention::{DAY, of_tags};

struct Nothing;

#[async_trait::async_trait]
impl Perform for Nothing {
    async fn perform(&self, _: Arc<Call>) -> Outcome {
        Outcome::GaveUp
    }

    async fn shut_down(&self) {}
}

fn scope() -> Scope {
    Scope { partition: "aws".to_owned(), account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
}

async fn open(store: &MemoryStore) -> Engine {
    let clock = Arc::new(Wall(AtomicI64::new(1_700_000_000_000)));
    // Months pass: nobody needs to look up every second.
    let nap_max = Duration::from_secs(3600);
    let compute = crate::options::Compute::Owner;
    let options = Options { owners: 1, clock, seed: 1, token_secret: [1; 32], nap_max, compute, ..Options::default() };
    Engine::open(Arc::new(store.clone()), Arc::new(Nothing), options).await.expect("the store opens")
}

async fn machine(engine: &Engine, name: &str, definition: &str, tags: &str) -> String {
    let machine = CreateMachine {
        name: name.to_owned(),
        definition: definition.to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
        machine_type: MachineType::Standard,
        configuration: Configuration { logging: "{}".into(), tracing: "{}".into(), encryption: "{}".into(), tags: tags.into() },
    };
    engine.create_machine(&scope(), machine).await.expect("the definition is right").arn
}

async fn start(engine: &Engine, machine_arn: &str, name: &str, input: &str) -> Result<String, StartExecutionError> {
    let start = StartExecution {
        machine_arn: machine_arn.to_owned(),
        name: Some(name.to_owned()),
        input: Payload::parse(input).expect("JSON"),
        trace_header: None,
        starter_key: None,
        parent: None,
    };
    engine.start_execution(&scope(), start).await.map(|started| started.execution_arn)
}

async fn listed(engine: &Engine, machine: &str) -> usize {
    let page = PageRequest { limit: 1000, cursor: None };
    engine.list_executions(&scope(), machine, None, page).await.expect("the machine is there").items.len()
}

const PASS: &str = r#"{ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } }"#;
const LONG: &str = r#"{ "StartAt": "A", "States": { "A": { "Type": "Wait", "Seconds": 10368000, "End": true } } }"#;

#[tokio::test(start_paused = true)]
async fn what_was_kept_long_enough_goes_and_its_name_may_be_used_again() {
    let store = MemoryStore::new();
    let engine = open(&store).await;
    let default = machine(&engine, "Default", PASS, "[]").await;
    let brief = machine(&engine, "Brief", PASS, r#"[{"key":"skald:retention-days","value":"2"}]"#).await;
    let waits = machine(&engine, "Waits", LONG, "[]").await;
    let mut arns = Vec::new();
    for number in 0..600 {
        arns.push(start(&engine, &default, &format!("d{number}"), "{}").await.expect("started"));
        start(&engine, &brief, &format!("b{number}"), "{}").await.expect("started");
    }
    let open_one = start(&engine, &waits, "open", "{}").await.expect("started");
    tokio::time::sleep(DAY * 2 - Duration::from_secs(600)).await;
    assert_eq!((listed(&engine, &default).await, listed(&engine, &brief).await), (600, 600));
    let taken = start(&engine, &brief, "b1", r#"{"other":1}"#).await;
    assert!(matches!(taken, Err(StartExecutionError::ExecutionAlreadyExists(_))), "{taken:?}");
    tokio::time::sleep(Duration::from_secs(1200)).await;
    assert_eq!((listed(&engine, &default).await, listed(&engine, &brief).await), (600, 0), "as its tag says");
    let again = start(&engine, &brief, "b1", r#"{"other":1}"#).await.expect("the name is free");
    let described = engine.describe_execution(&scope(), &again).await.expect("it is there");
    assert_eq!(described.input.text(), r#"{"other":1}"#, "the name leads to the newer one");
    let gone = engine.describe_execution(&scope(), &again.replace(":b1", ":b2")).await;
    assert!(matches!(gone, Err(DescribeExecutionError::ExecutionDoesNotExist(_))), "{gone:?}");

    // Over a restart, too.
    engine.stop(Duration::from_secs(1)).await;
    let engine = open(&store).await;
    tokio::time::sleep(DAY * 90).await;
    assert_eq!(listed(&engine, &default).await, 0);
    let gone = engine.describe_execution(&scope(), &arns[7]).await;
    assert!(matches!(gone, Err(DescribeExecutionError::ExecutionDoesNotExist(_))), "{gone:?}");
    let still = engine.describe_execution(&scope(), &open_one).await.expect("an open one stays");
    assert_eq!(still.listed.status, ExecutionStatus::Running);
    for (table, rows) in [(Table::Names, 1), (Table::Lists, 2), (Table::Retention, 0), (Table::Awake, 0)] {
        let found = store.scan(table, b"", &[0xFF; 40], Direction::Forward, usize::MAX).await.expect("readable");
        assert_eq!(found.len(), rows, "{table:?}");
    }
    // 120 days of waiting, then 90 more: it goes as the others did.
    tokio::time::sleep(DAY * 130).await;
    let found = store.scan(Table::Names, b"", &[0xFF; 40], Direction::Forward, usize::MAX).await.expect("readable");
    assert_eq!(found, [], "nothing is left");
}

#[test]
fn a_tag_says_how_many_days() {
    let tag = |value: &str| of_tags(&format!(r#"[{{"key":"a","value":"b"}},{{"key":"skald:retention-days","value":"{value}"}}]"#));
    assert_eq!(tag("7"), Some(DAY * 7));
    for value in ["0", "-1", "a week", "1.5", ""] {
        assert_eq!(tag(value), None, "{value}");
    }
    for tags in ["", "[]", "{}", r#"[{"key":"skald:retention-days"}]"#] {
        assert_eq!(of_tags(tags), None, "{tags}");
    }
}
