//! A decision that panics stops its execution, not its callers and not its neighbours.
//!
//! No input leads to a panic: these tests break an invariant behind the engine's back.

use skald_asl::definition::StateId;
use skald_asl::parse;
use skald_interpreter::{Event, EventKind, FrameId, Record, journal};
use skald_query::Payload;
use skald_store::memory::MemoryStore;

use skald_store::{Batch, Chunk, Entry, Store, Table, Urgency};
use tokio::sync::{SemaphorePermit, oneshot};

use super::rig::{Nothing, create_machine, open, run, scope, start_of};
use super::*;
use crate::catalog::{Machined, Revision};
use crate::engine::Engine;
use crate::error::{DescribeMachineError, StartExecutionError, StopExecutionError};
use crate::execution::Started;
use crate::options::Compute;
use crate::owner::{Request, Start};
use crate::shared::hash_of;

/// Decided on the compute pool.
const WAITS: &str = r#"{ "QueryLanguage": "JSONata", "StartAt": "Long", "States": {
    "Long": { "Type": "Wait", "Seconds": 3600, "Next": "Short" }, "Short": { "Type": "Wait", "Seconds": 1, "End": true } } }"#;

/// Longer than anything here takes, in virtual time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes the whole compute pool: decisions wait until it is given back.
async fn take_pool(engine: &Engine) -> SemaphorePermit<'_> {
    let places = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).expect("a machine has fewer cores");
    engine.shared.compute.acquire_many(places).await.expect("never closed")
}

/// A start of `run` whose machine begins with a state that it does not have.
fn start_of_nothing(engine: &Engine) -> (Request, oneshot::Receiver<Result<Started, StartExecutionError>>) {
    let machine = engine.shared.book.machine(&scope(), "M").expect("it was created");
    let mut definition =
        parse::parse(WAITS, &parse::Options { machine_type: parse::MachineType::Standard }).expect("it is right").definition;
    definition.start_at = StateId(u32::MAX);
    let revision = Revision { record: machine.revision.record.clone(), definition: Arc::new(definition), logging: None };
    let machine = Machined {
        record: machine.record.clone(),
        revision: Arc::new(revision),
        fate: Arc::clone(&machine.fate),
        prefix: machine.prefix.clone(),
    };
    let (reply, answer) = oneshot::channel();
    let input = Payload::empty_object();
    let start = Start {
        machine: Arc::new(machine),
        name: "run".to_owned(),
        input_hash: hash_of(&[input.text().as_bytes()]),
        input,
        trace_header: None,
        parent: None,
        starter_hash: [0; 32],
        reply,
    };
    (Request::Start(Box::new(start)), answer)
}

#[tokio::test(start_paused = true)]
async fn a_start_that_panics_is_refused_and_leaves_its_name_free() {
    let engine = open(Arc::new(MemoryStore::new()), Arc::new(Nothing), Compute::Pool).await;
    let machine_arn = create_machine(&engine, WAITS).await;
    let inbox = engine.shared.inbox(keys::partition_of(&machine_arn, "run"));
    let pool = take_pool(&engine).await;
    // The second one waits for what becomes of the first.
    let answers = [start_of_nothing(&engine), start_of_nothing(&engine)].map(|(start, answer)| {
        assert!(inbox.requests.try_send(start).is_ok(), "the inbox is empty");
        answer
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(pool);
    for answer in answers {
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("it is answered").expect("the owner lives");
        assert!(matches!(answer, Err(StartExecutionError::InternalFailure(_))), "{answer:?}");
    }

    let started = engine.start_execution(&scope(), start_of("run")).await.expect("the name is free");
    engine.stop_execution(&scope(), &started.execution_arn, None, None).await.expect("it runs");
    engine.delete_machine(&scope(), &machine_arn).await.expect("it is there");
    let described = engine.describe_machine(&scope(), &machine_arn).await;
    assert!(matches!(described, Err(DescribeMachineError::StateMachineDoesNotExist(_))), "no start holds it up");
}

/// Adds an iteration whose Map does not run to the journal of the execution `run`: its end will find no state to join.
async fn add_stray_iteration(engine: &Engine, store: &MemoryStore) {
    let machine = engine.shared.book.machine(&scope(), "M").expect("it was created");
    let name = store.get(Table::Names, &keys::name(&machine.prefix, "run")).await.expect("a memory store").expect("it was started");
    let entity = NameRecord::decode(&name).expect("a name's record").entity;
    let kind = EventKind::MapIterationStarted {
        name: "Long".into(),
        index: 0,
        iteration: FrameId(98),
        input: Payload::empty_object(),
        start_at: "Short".into(),
    };
    let event = Event { id: 3, previous: 2, at: engine.shared.now(), frame: FrameId(99), kind };
    let bytes = journal::encode(&[Record::Event(event)]).into();
    let expected = store.position(entity).await.expect("a memory store");
    let entry = Entry { entity, expected, chunk: Some(Chunk { count: 1, bytes }), head: None };
    let partition = entity.partition();
    let epoch = store.claim(partition).await.expect("a memory store");
    let batch =
        Batch { partition, epoch, at: store.latest_time(), entries: vec![entry], changes: Vec::new(), urgency: Urgency::RunningWork };
    store.append(batch).await.expect("nobody else writes");
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_panics_answers_its_callers_and_leaves_its_neighbours_alone() {
    let store = MemoryStore::new();
    let engine = open(Arc::new(store.clone()), Arc::new(Nothing), Compute::Pool).await;
    let arn = run(&engine, WAITS).await;
    let neighbour = engine.start_execution(&scope(), start_of("neighbour")).await.expect("the name is free").execution_arn;
    engine.stop(Duration::ZERO).await;
    let store = store.fork();
    add_stray_iteration(&engine, &store).await;

    let engine = open(Arc::new(store), Arc::new(Nothing), Compute::Pool).await;
    let pool = take_pool(&engine).await;
    // The iteration's wait is over, and its end about to be decided.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stopping = tokio::spawn({
        let (engine, arn) = (engine.clone(), arn.clone());
        async move { engine.stop_execution(&scope(), &arn, None, None).await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(pool);
    let stopped = tokio::time::timeout(PATIENCE, stopping).await.expect("it is answered").expect("no panic");
    assert!(matches!(stopped, Err(StopExecutionError::InternalFailure(_))), "{stopped:?}");

    // It rests: it can be looked at, and nothing else.
    let described = engine.describe_execution(&scope(), &arn).await.expect("it was started");
    assert_eq!(described.listed.status, ExecutionStatus::Running);
    let again = engine.stop_execution(&scope(), &arn, None, None).await;
    assert!(matches!(again, Err(StopExecutionError::InternalFailure(_))), "{again:?}");
    let same_name = engine.start_execution(&scope(), start_of("run")).await;
    assert_eq!(same_name.ok().map(|started| started.execution_arn), Some(arn));
    assert!(engine.stop_execution(&scope(), &neighbour, None, None).await.is_ok());
}
