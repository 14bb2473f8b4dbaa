//! Express executions when the process dies before any append, or after any acknowledgement: asynchronous ones run at
//! least once, synchronous ones at most once.

use std::sync::Mutex;

use async_trait::async_trait;
use skald_integrations::{Call, Outcome, Perform};
use skald_store::memory::MemoryStore;
use skald_store::{Direction, Store, Table};

use super::rig::{Watched, create_machine_of, open, scope, start_of};
use super::*;
use crate::catalog::MachineType;
use crate::options::Compute;

const TWO_TASKS: &str = r#"{ "StartAt": "First", "States": {
    "First": { "Type": "Task", "Next": "Second", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f" },
    "Second": { "Type": "Task", "End": true, "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f" } } }"#;
const ASYNCHRONOUS: [&str; 3] = ["a", "b", "c"];
const SYNCHRONOUS: &str = "d";

/// What people outside know, and what was done for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    acknowledged: Vec<String>,
    /// Execution and state of each call.
    calls: Vec<(String, String)>,
}

impl Seen {
    fn calls_of(&self, execution: &str, state: &str) -> usize {
        self.calls.iter().filter(|(name, called)| name == execution && called == state).count()
    }
}

/// Answers after a while, and notes that it was called.
struct Function(Arc<Mutex<Seen>>);

#[async_trait]
impl Perform for Function {
    async fn perform(&self, call: Arc<Call>) -> Outcome {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let name = call.execution_arn.split(':').nth(7).unwrap_or_default().to_owned();
        self.0.lock().expect("no panic").calls.push((name, call.state_name.to_string()));
        Outcome::Succeeded { output: call.parameters.clone() }
    }

    async fn shut_down(&self) {}
}

async fn until_none_is_unfinished(store: &MemoryStore) {
    let emptied = async {
        while !store.scan(Table::Express, &[], &[0xFF; 17], Direction::Forward, 1).await.expect("a memory store").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), emptied).await.expect("what has begun comes to its end");
}

#[tokio::test(start_paused = true)]
async fn wherever_the_process_dies_asynchronous_ones_run_and_synchronous_ones_do_not_run_again() {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let crashes: Arc<Mutex<Vec<(MemoryStore, Seen)>>> = Arc::default();
    let crash_here = {
        let (seen, crashes) = (Arc::clone(&seen), Arc::clone(&crashes));
        move |store: &MemoryStore| crashes.lock().expect("no panic").push((store.fork(), seen.lock().expect("no panic").clone()))
    };
    let store = Watched::told_of_appends(Duration::from_millis(3), crash_here.clone());
    let engine = open(store.clone(), Arc::new(Function(Arc::clone(&seen))), Compute::Owner).await;
    create_machine_of(&engine, MachineType::Express, TWO_TASKS).await;
    let synchronous = tokio::spawn({
        let engine = engine.clone();
        async move { engine.start_sync_execution(&scope(), start_of(SYNCHRONOUS)).await }
    });
    for name in ASYNCHRONOUS {
        engine.start_execution(&scope(), start_of(name)).await.expect("there is room");
        seen.lock().expect("no panic").acknowledged.push(name.to_owned());
        crash_here(&store.store);
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    synchronous.await.expect("no panic").expect("there is room");
    until_none_is_unfinished(&store.store).await;

    // One append for the machine; one at the start and one at the end of each.
    let crashes = std::mem::take(&mut *crashes.lock().expect("no panic"));
    assert!(crashes.len() > 2 * ASYNCHRONOUS.len(), "{}", crashes.len());
    for (crash, (left, before)) in crashes.into_iter().enumerate() {
        let after = Arc::new(Mutex::new(before.clone()));
        let engine = open(Arc::new(left.clone()), Arc::new(Function(Arc::clone(&after))), Compute::Owner).await;
        until_none_is_unfinished(&left).await;
        engine.stop(Duration::from_secs(1)).await;
        let after = after.lock().expect("no panic").clone();
        for name in &before.acknowledged {
            assert!(after.calls_of(name, "Second") > 0, "crash {crash}: {name} never came to its end: {after:?}");
        }
        for state in ["First", "Second"] {
            let calls = (before.calls_of(SYNCHRONOUS, state), after.calls_of(SYNCHRONOUS, state));
            assert_eq!(calls.0, calls.1, "crash {crash}: a synchronous execution went on");
        }
    }
}
