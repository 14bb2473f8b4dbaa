//! Jobs: a panic while one is followed is its task's failure, and one while it is cancelled a reason to try again.

use std::sync::atomic::AtomicU32;

use async_trait::async_trait;
use skald_integrations::{Call, Outcome, Perform};
use skald_query::Payload;
use skald_store::memory::MemoryStore;
use skald_store::{Direction, Store, Table};

use super::rig::{open, run, scope};
use super::*;
use crate::options::Compute;

const JOB: &str = r#"{ "StartAt": "Job", "States": { "Job": { "Type": "Task", "End": true,
    "Resource": "arn:aws:states:::glue:startJobRun.sync",
    "Parameters": { "JobName": "load" } } } }"#;

/// What becomes of a job that is followed.
enum Following {
    Panics,
    Lasts,
}

/// Starts jobs; the first two cancellations panic.
struct Jobs {
    following: Following,
    cancels: AtomicU32,
}

impl Jobs {
    fn new(following: Following) -> Arc<Self> {
        Arc::new(Self { following, cancels: AtomicU32::new(0) })
    }
}

#[async_trait]
impl Perform for Jobs {
    async fn perform(&self, _: Arc<Call>) -> Outcome {
        Outcome::Succeeded { output: Payload::empty_object() }
    }

    async fn follow(&self, _: Arc<Call>, _: Payload) -> Outcome {
        match self.following {
            Following::Panics => panic!("a job cannot be followed"),
            Following::Lasts => std::future::pending().await,
        }
    }

    async fn cancel(&self, _: Arc<Call>, _: Payload) -> Result<(), String> {
        match self.cancels.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => panic!("a job cannot be cancelled"),
            _ => Ok(()),
        }
    }

    async fn shut_down(&self) {}
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_job_is_cancelled_is_tried_again() {
    let (store, jobs) = (MemoryStore::new(), Jobs::new(Following::Lasts));
    let engine = open(Arc::new(store.clone()), Arc::clone(&jobs) as Arc<dyn Perform>, Compute::Owner).await;
    let arn = run(&engine, JOB).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    engine.stop_execution(&scope(), &arn, None, None).await.expect("it runs");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(jobs.cancels.load(Ordering::Relaxed), 3);
    let awake = store.scan(Table::Awake, &[], &[0xFF; 17], Direction::Forward, 1).await.expect("a memory store");
    assert!(awake.is_empty(), "nothing is owed any more");
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_job_is_followed_fails_its_task() {
    let engine = open(Arc::new(MemoryStore::new()), Jobs::new(Following::Panics), Compute::Owner).await;
    let arn = run(&engine, JOB).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let described = engine.describe_execution(&scope(), &arn).await.expect("it was started");
    assert_eq!(described.listed.status, ExecutionStatus::Failed);
    assert_eq!(described.error.as_deref(), Some("Skald.InternalFailure"));
}
