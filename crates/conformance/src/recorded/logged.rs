//! The execution log of one case: what was logged of which execution.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use skald_engine::execution_log::ExecutionLog;
use skald_query::Value;

use super::list;
use super::tasks::LOOK_PAUSE;
use crate::compare::{Beyond, Bindings, compare};

/// How long the log may lag behind.
const PATIENCE: Duration = Duration::from_secs(5);

/// All records so far, without their times.
#[derive(Default)]
pub(super) struct Collected {
    records: Mutex<Vec<Value>>,
}

impl ExecutionLog for Collected {
    fn write(&self, _log_group_arn: &str, line: &str) {
        let mut record: Value = serde_json::from_str(line).expect("a record is JSON");
        let time = record.as_object_mut().and_then(|members| members.shift_remove("event_timestamp"));
        assert!(time.is_some_and(|time| time.as_str().is_some_and(|text| text.parse::<i64>().is_ok())), "{line}: no time");
        self.records.lock().expect("no panic while collecting").push(record);
    }
}

impl Collected {
    /// The records of an execution.
    pub(super) fn of(&self, execution_arn: &str) -> Vec<Value> {
        let records = self.records.lock().expect("no panic while collecting");
        records.iter().filter(|record| record["execution_arn"] == execution_arn).cloned().collect()
    }

    /// Compares what was logged of ended executions with the recording.
    ///
    /// # Errors
    /// Says the first difference.
    pub(super) async fn check(&self, recorded: &Value, execution_arns: &[String], bindings: &mut Bindings) -> Result<()> {
        let began = Instant::now();
        loop {
            let came: Vec<Value> = execution_arns.iter().flat_map(|arn| self.of(arn)).collect();
            if came.len() >= list(recorded).len() || began.elapsed() > PATIENCE {
                return compare(recorded, &json!(came), Beyond::Refused, bindings, "log").context("what was logged");
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}
