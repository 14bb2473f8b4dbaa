//! What a log is given, by level and by what it includes.

use std::sync::Arc;

use serde_json::{Value, json};
use skald_asl::Timestamp;
use skald_query::Payload;

use super::*;
use crate::event::{ErrorDetails, FrameId};

const ARN: &str = "arn:aws:states:us-east-1:123456789012:express:M:N:6a0b";

fn event(kind: EventKind) -> Event {
    Event { id: 5, previous: 4, at: Timestamp::from_millis(1_700_000_000_123), frame: FrameId::TOP, kind }
}

fn exited(output: &str) -> Event {
    let (name, output) = (Arc::from("P"), Payload::trusted(output));
    event(EventKind::StateExited { state_type: StateType::Pass, name, output, assigned: Vec::new(), next: None })
}

fn shown(event: &Event, include: Include) -> Value {
    Value::Object(record(event, ARN, include))
}

#[test]
fn a_record_is_as_aws_writes_it() {
    let wanted = json!({
        "id": "5", "type": "PassStateExited",
        "details": { "name": "P", "output": "{\"a\":1}", "outputDetails": { "truncated": false } },
        "previous_event_id": "4", "event_timestamp": "1700000000123", "execution_arn": ARN, "redrive_count": "0",
    });
    assert_eq!(shown(&exited("{\"a\":1}"), Include::Data), wanted);
    assert_eq!(shown(&exited("{\"a\":1}"), Include::NoData)["details"], json!({ "name": "P" }));
}

#[test]
fn what_is_no_data_stays_and_numbers_are_texts() {
    let failed = event(EventKind::ExecutionFailed(ErrorDetails { error: Some("E".into()), cause: Some("C".into()) }));
    assert_eq!(shown(&failed, Include::NoData)["details"], json!({ "error": "E", "cause": "C" }));
    let succeeded = event(EventKind::ExecutionSucceeded { output: Payload::trusted("1") });
    assert_eq!(shown(&succeeded, Include::NoData)["details"], json!({}));
    let mapped = event(EventKind::MapIterationSucceeded { name: Arc::from("M"), index: 3 });
    assert_eq!(shown(&mapped, Include::Data)["details"], json!({ "name": "M", "index": "3" }));
    assert_eq!(shown(&event(EventKind::ParallelStateSucceeded), Include::Data)["details"], json!({}));
}

#[test]
fn each_level_has_its_events() {
    let fail = EventKind::StateEntered { state_type: StateType::Fail, name: Arc::from("F"), input: Payload::empty_object(), due: None };
    let cases = [
        (EventKind::ExecutionTimedOut(ErrorDetails::default()), Level::Fatal),
        (EventKind::LambdaFunctionFailed(ErrorDetails::default()), Level::Error),
        (EventKind::MapStateAborted, Level::Error),
        (fail, Level::Error),
        (EventKind::ExecutionSucceeded { output: Payload::empty_object() }, Level::All),
        (exited("1").kind, Level::All),
    ];
    for (kind, wanted) in cases {
        assert_eq!(level(&kind), wanted, "{kind:?}");
    }
}

#[test]
fn a_large_record_is_cut_and_says_so() {
    for text in ["x".repeat(262_000), "\\\"ü".repeat(60_000)] {
        let record = record(&exited(&format!("\"{text}\"")), ARN, Include::Data);
        let bytes = printed_bytes(&record);
        assert!((100_000..=RECORD_BYTES_MAX).contains(&bytes), "{bytes}");
        assert_eq!(record["details"]["outputDetails"], json!({ "truncated": true }));
    }
}
