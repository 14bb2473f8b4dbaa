//! Bytes that must keep their meaning: every kind of record as version 1 writes it.
//!
//! `golden/v1.bin` is the chunk, `golden/v1.txt` says what is in it. Neither changes once a release has written the
//! version; a new version gets files of its own, and the old ones must still be read. What a failed test prints is what a
//! new version's files would hold.

use std::fmt::Write;
use std::sync::Arc;

use skald_query::Payload;

use super::super::layout::Tagged;
use super::*;
use crate::event::{Completion, ErrorDetails, ServiceResource, TaskPlan};
use crate::note::{Origin, Parent, ReportForm};

const BYTES: &[u8] = include_bytes!("../golden/v1.bin");
const LISTING: &str = include_str!("../golden/v1.txt");

#[test]
fn version_1_is_written_as_ever() {
    let bytes = encode(&records());
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    assert!(bytes == BYTES, "version 1 is written in another way:\n{hex}\n\n{}", listing(&bytes));
}

#[test]
fn version_1_is_read_as_ever() {
    let records = records();
    assert_eq!(decode(BYTES, count(&records)), Ok(records));
}

#[test]
fn the_listing_says_what_is_there() {
    let listing = listing(BYTES);
    assert!(listing == LISTING, "the listing should be:\n{listing}");
}

#[test]
fn every_kind_of_record_is_there() {
    let records = records();
    let tags: Vec<u8> = records.iter().map(tag_of).collect();
    for tag in EventKind::TAGS.iter().chain(Note::TAGS) {
        assert!(tags.contains(tag), "no record with the tag {tag}");
    }
}

fn tag_of(record: &Record) -> u8 {
    match record {
        Record::Event(event) => event.kind.tag(),
        Record::Note(note) => note.tag(),
    }
}

/// Offset, bytes in all, tag and content of each record.
fn listing(bytes: &[u8]) -> String {
    let records = records();
    let mut text = String::from("offset  bytes  tag  record\n");
    let mut offset = 1;
    for record in &records {
        let length = bytes.get(offset..offset + 4).map_or(0, |length| u32::from_le_bytes([length[0], length[1], length[2], length[3]]));
        let _ = writeln!(text, "{offset:>6}  {:>5}  {:>3}  {record:?}", length + 4, tag_of(record));
        offset += 4 + length as usize;
    }
    text
}

fn records() -> Vec<Record> {
    let mut records = vec![Record::Note(Note::Created(Arc::new(Origin {
        partition: "aws".to_owned(),
        region: "eu-central-1".to_owned(),
        account: "123456789012".to_owned(),
        machine_name: "orders".to_owned(),
        machine_incarnation: 3,
        revision: 300,
        execution_name: "order-1".to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/orders".to_owned(),
        trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        parent: Some(Parent { token: "AQAAAAEAKg".to_owned(), form: ReportForm::Json }),
        express_id: None,
    })))];
    for (kind, id) in kinds().into_iter().zip(1u64..) {
        let at = Timestamp::from_millis(1_700_000_000_123 + 15 * id.cast_signed());
        let previous = if id == 2 { 0 } else { id - 1 };
        let frame = FrameId(if id < 50 { 0 } else { 200 });
        records.push(Record::Event(Event { id, previous, at, frame, kind }));
    }
    let due = Timestamp::from_millis(1_700_000_086_400_000);
    records.push(Record::Note(Note::RetryScheduled { frame: FrameId(1), retrier: 2, due, after: 77 }));
    records.push(Record::Note(Note::Delivered { scheduled: 128 }));
    records.push(Record::Note(Note::Settled { scheduled: 25_000 }));
    records
}

fn kinds() -> Vec<EventKind> {
    let input = Payload::trusted("{ \"order\": 17.50 }");
    let output = Payload::trusted("[\"Straße\",1e3]");
    let (some, none) = (error(Some("Boom"), Some("it was loud")), error(None, None));
    let due = Some(Timestamp::from_millis(1_700_000_060_000));
    let state_types = [
        StateType::Pass,
        StateType::Task,
        StateType::Choice,
        StateType::Wait,
        StateType::Succeed,
        StateType::Fail,
        StateType::Parallel,
        StateType::Map,
    ];
    let role = "arn:aws:iam::123456789012:role/orders";
    let mut kinds =
        vec![EventKind::ExecutionStarted { input: input.clone(), role_arn: role.to_owned(), deadline: due, start_at: "Hold".into() }];
    for state_type in state_types {
        kinds.push(EventKind::StateEntered { state_type, name: "Hold".into(), input: input.clone(), due });
        kinds.push(EventKind::StateExited {
            state_type,
            name: "Hold".into(),
            output: output.clone(),
            assigned: Vec::new(),
            next: Some("Wähle".into()),
        });
    }
    kinds.extend([
        EventKind::StateEntered { state_type: StateType::Pass, name: "Wähle".into(), input: output.clone(), due: None },
        EventKind::StateExited {
            state_type: StateType::Pass,
            name: "Wähle".into(),
            output: output.clone(),
            assigned: vec![("größe".into(), Payload::trusted("1.50")), ("same".into(), output.clone())],
            next: None,
        },
        EventKind::EvaluationFailed { details: some.clone(), location: Some("Output/x".to_owned()), state: "Hold".into() },
        EventKind::EvaluationFailed { details: none.clone(), location: None, state: "Hold".into() },
        EventKind::TaskStateAborted,
        EventKind::WaitStateAborted,
    ]);
    kinds.extend(lambda(&input, &output, &some, &none));
    kinds.extend(task(&input, &output, &some, &none));
    kinds.extend(activity(&input, &output, &some, &none));
    kinds.extend([
        EventKind::ParallelStateStarted { first_frame: FrameId(1), branches: vec!["Left".into(), "Right".into()], input: input.clone() },
        EventKind::ParallelStateSucceeded,
        EventKind::ParallelStateFailed,
        EventKind::ParallelStateAborted,
        EventKind::MapStateStarted { length: 2, items: output.clone(), concurrency: 40 },
        EventKind::MapIterationStarted {
            name: "Each".into(),
            index: 1,
            iteration: FrameId(300),
            input: Payload::trusted("1e3"),
            start_at: "Left".into(),
        },
        EventKind::MapIterationSucceeded { name: "Each".into(), index: 0 },
        EventKind::MapIterationFailed { name: "Each".into(), index: 1 },
        EventKind::MapIterationAborted { name: "Each".into(), index: 2 },
        EventKind::MapStateSucceeded,
        EventKind::MapStateFailed,
        EventKind::MapStateAborted,
        EventKind::ExecutionFailed(some.clone()),
        EventKind::ExecutionTimedOut(error(Some("States.Timeout"), None)),
        EventKind::ExecutionAborted(none.clone()),
        EventKind::ExecutionSucceeded { output },
    ]);
    kinds
}

fn error(error: Option<&str>, cause: Option<&str>) -> ErrorDetails {
    ErrorDetails { error: error.map(str::to_owned), cause: cause.map(str::to_owned) }
}

fn plan() -> TaskPlan {
    let deadline = Some(Timestamp::from_millis(1_700_000_300_000));
    TaskPlan { nonce: 0x0123_4567_89AB_CDEF, deadline, heartbeat_ms: Some(30_000) }
}

fn lambda(input: &Payload, output: &Payload, some: &ErrorDetails, none: &ErrorDetails) -> Vec<EventKind> {
    vec![
        EventKind::LambdaFunctionScheduled {
            resource: "arn:aws:lambda:eu-central-1:123456789012:function:price".to_owned(),
            input: input.clone(),
            timeout_seconds: Some(300),
            credentials_role_arn: Some("arn:aws:iam::210987654321:role/price".to_owned()),
            plan: plan(),
        },
        EventKind::LambdaFunctionScheduled {
            resource: "arn:aws:lambda:eu-central-1:123456789012:function:price".to_owned(),
            input: input.clone(),
            timeout_seconds: None,
            credentials_role_arn: None,
            plan: TaskPlan { nonce: u64::MAX, deadline: None, heartbeat_ms: None },
        },
        EventKind::LambdaFunctionStarted,
        EventKind::LambdaFunctionSucceeded { output: output.clone() },
        EventKind::LambdaFunctionFailed(some.clone()),
        EventKind::LambdaFunctionTimedOut(error(Some("States.Timeout"), None)),
        EventKind::LambdaFunctionScheduleFailed(error(None, Some("no such function"))),
        EventKind::LambdaFunctionStartFailed(none.clone()),
    ]
}

fn task(input: &Payload, output: &Payload, some: &ErrorDetails, none: &ErrorDetails) -> Vec<EventKind> {
    let resource = ServiceResource { resource_type: "aws-sdk:s3".into(), resource: "getObject".into() };
    let scheduled = |completion| EventKind::TaskScheduled {
        resource: resource.clone(),
        region: "eu-central-1".to_owned(),
        parameters: input.clone(),
        timeout_seconds: Some(300),
        heartbeat_seconds: Some(30),
        credentials_role_arn: None,
        completion,
        plan: plan(),
    };
    vec![
        scheduled(Completion::Response),
        scheduled(Completion::Token),
        scheduled(Completion::Job),
        EventKind::TaskStarted { resource: resource.clone() },
        EventKind::TaskSubmitted { resource: resource.clone(), output: output.clone() },
        EventKind::TaskSucceeded { resource: resource.clone(), output: output.clone() },
        EventKind::TaskFailed { resource: resource.clone(), details: some.clone() },
        EventKind::TaskTimedOut { resource: resource.clone(), details: error(Some("States.Timeout"), None) },
        EventKind::TaskStartFailed { resource: resource.clone(), details: some.clone() },
        EventKind::TaskSubmitFailed { resource, details: none.clone() },
    ]
}

fn activity(input: &Payload, output: &Payload, some: &ErrorDetails, none: &ErrorDetails) -> Vec<EventKind> {
    vec![
        EventKind::ActivityScheduled {
            resource: "arn:aws:states:eu-central-1:123456789012:activity:pack".to_owned(),
            input: input.clone(),
            timeout_seconds: Some(300),
            heartbeat_seconds: Some(30),
            plan: plan(),
        },
        EventKind::ActivityStarted { worker_name: Some("packer".to_owned()) },
        EventKind::ActivityStarted { worker_name: None },
        EventKind::ActivitySucceeded { output: output.clone() },
        EventKind::ActivityFailed(some.clone()),
        EventKind::ActivityTimedOut(error(Some("States.Timeout"), None)),
        EventKind::ActivityScheduleFailed(none.clone()),
    ]
}
