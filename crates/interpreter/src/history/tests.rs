use serde_json::json;
use skald_asl::Timestamp;
use skald_query::Payload;

use super::*;
use crate::event::{Completion, ErrorDetails, FrameId, ServiceResource, TaskPlan};

/// Events as AWS answered them, in the form of LocalStack's recordings (Apache-2.0): without time stamps, and with texts
/// that begin with `{` parsed.
const RECORDED: &str = include_str!("recorded.json");

fn payload(text: &str) -> Payload {
    Payload::trusted(text)
}

fn error(error: Option<&str>, cause: Option<&str>) -> ErrorDetails {
    ErrorDetails { error: error.map(str::to_owned), cause: cause.map(str::to_owned) }
}

fn service(resource_type: &str, resource: &str) -> ServiceResource {
    ServiceResource { resource_type: resource_type.into(), resource: resource.into() }
}

fn plan() -> TaskPlan {
    TaskPlan { nonce: 7, deadline: Some(Timestamp::from_millis(1)), heartbeat_ms: Some(2) }
}

fn event(id: u64, previous: u64, kind: EventKind) -> Event {
    Event { id, previous, at: Timestamp::from_millis(1_700_000_000_123), frame: FrameId(3), kind }
}

/// What Skald records where AWS answered [`RECORDED`], in the same order; private fields are filled.
fn as_recorded() -> Vec<Event> {
    let due = Some(Timestamp::from_millis(9));
    let role_arn = "arn:aws:iam::111111111111:role/sfn-test-role".to_owned();
    let activity = "arn:aws:states:us-east-1:111111111111:activity:activity-00000001".to_owned();
    let scheduled = |resource, parameters, timeout_seconds, heartbeat_seconds, credentials_role_arn| EventKind::TaskScheduled {
        resource,
        region: "us-east-1".to_owned(),
        parameters: payload(parameters),
        timeout_seconds,
        heartbeat_seconds,
        credentials_role_arn,
        completion: Completion::Token,
        plan: plan(),
    };
    let message = service("sqs", "sendMessage.waitForTaskToken");
    let queue = r#"{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/111111111111/queue-00000001"}"#;
    let function = r#"{"FunctionName":"lambda_func_00000003","Payload":"\"PayloadFromTrustedAccount\""}"#;
    let other_role = "arn:aws:iam::111111111111:role/admin-test-role-cross-account-00000001".to_owned();
    vec![
        event(1, 0, EventKind::ExecutionStarted { input: payload("{}"), role_arn, deadline: due, start_at: "Start".into() }),
        event(3, 2, EventKind::ExecutionFailed(error(Some("error string"), Some("cause string")))),
        event(10, 9, EventKind::ExecutionFailed(error(None, None))),
        event(7, 6, EventKind::ExecutionSucceeded { output: payload("{}") }),
        event(
            14,
            13,
            EventKind::StateEntered { state_type: StateType::Succeed, name: "Finish".into(), input: payload(r#"["Hello","World"]"#), due },
        ),
        event(
            9,
            7,
            EventKind::StateExited {
                state_type: StateType::Map,
                name: "Start".into(),
                output: payload("[1]"),
                assigned: Vec::new(),
                next: Some("End".into()),
            },
        ),
        event(
            3,
            2,
            EventKind::StateExited {
                state_type: StateType::Pass,
                name: "State0".into(),
                output: payload("1"),
                assigned: vec![("theAnswer".into(), payload("42")), ("word".into(), payload("\"x\""))],
                next: None,
            },
        ),
        event(
            3,
            0,
            EventKind::EvaluationFailed {
                details: error(Some("States.QueryEvaluationError"), Some("Not so.")),
                location: Some("Output/x".to_owned()),
                state: "State0".into(),
            },
        ),
        event(
            3,
            2,
            EventKind::LambdaFunctionScheduled {
                resource: "arn:aws:lambda:us-east-1:111111111111:function:lambda_1_func_00000001".to_owned(),
                input: payload(r#"{"Payload":null}"#),
                timeout_seconds: Some(5),
                credentials_role_arn: None,
                plan: plan(),
            },
        ),
        event(4, 3, EventKind::LambdaFunctionStarted),
        event(5, 4, EventKind::LambdaFunctionTimedOut(error(Some("States.Timeout"), None))),
        event(3, 2, scheduled(message.clone(), queue, Some(600), Some(120), None)),
        event(3, 2, scheduled(service("lambda", "invoke"), function, None, None, Some(other_role))),
        event(4, 3, EventKind::TaskStarted { resource: service("sns", "publish") }),
        event(5, 4, EventKind::TaskSucceeded { resource: service("aws-sdk:dynamodb", "putItem"), output: payload("{}") }),
        event(6, 5, EventKind::TaskFailed { resource: message.clone(), details: error(Some("Failure error"), Some("Failure cause")) }),
        event(8, 7, EventKind::TaskFailed { resource: message, details: error(None, None) }),
        event(
            3,
            2,
            EventKind::ActivityScheduled {
                resource: activity,
                input: payload(r#"{"Value1":"HelloWorld"}"#),
                timeout_seconds: Some(5),
                heartbeat_seconds: None,
                plan: plan(),
            },
        ),
        event(4, 3, EventKind::ActivityStarted { worker_name: Some("BASE_ID_ACTIVITY_CONSUMER".to_owned()) }),
        event(4, 3, EventKind::ActivityStarted { worker_name: None }),
        event(3, 2, EventKind::ParallelStateStarted { first_frame: FrameId(1), branches: vec!["Left".into()], input: payload("{}") }),
        event(5, 4, EventKind::MapStateStarted { length: 3, items: payload("[1,2,3]"), concurrency: 40 }),
        event(
            7,
            6,
            EventKind::MapIterationStarted {
                name: "Start".into(),
                index: 0,
                iteration: FrameId(4),
                input: payload("1"),
                start_at: "Inner".into(),
            },
        ),
        event(9, 8, EventKind::TaskStateAborted),
    ]
}

/// Brings a rendered event into the form of the recordings.
fn in_recorded_form(mut rendered: Value) -> Value {
    let members = rendered.as_object_mut().expect("an event is an object");
    members.remove("timestamp").expect("every event has its time");
    let details = members.values_mut().filter_map(Value::as_object_mut).flat_map(|details| details.values_mut());
    for value in details {
        if let Some(text) = value.as_str().filter(|text| text.starts_with('{')) {
            *value = serde_json::from_str(text).expect("payloads are JSON");
        }
    }
    rendered
}

#[test]
fn events_look_as_recorded() {
    let recorded: Vec<Value> = serde_json::from_str(RECORDED).expect("the file is JSON");
    let ours = as_recorded();
    assert_eq!(ours.len(), recorded.len());
    for (event, recorded) in ours.iter().zip(recorded) {
        assert_eq!(in_recorded_form(render(event, Include::Data)), recorded, "{event:?}");
    }
}

#[test]
fn time_is_in_seconds_with_milliseconds() {
    let cases =
        [(1_700_000_000_123, "1700000000.123"), (1_700_000_000_000, "1700000000.0"), (1, "0.001"), (1_700_000_000_999, "1700000000.999")];
    for (millis, expected) in cases {
        let started = Event { at: Timestamp::from_millis(millis), ..event(4, 3, EventKind::LambdaFunctionStarted) };
        assert_eq!(render(&started, Include::Data)["timestamp"].to_string(), expected);
    }
}

#[test]
fn payloads_are_text_byte_for_byte() {
    let succeeded = event(7, 6, EventKind::ExecutionSucceeded { output: payload("{ \"a\" : 1.0e0 }") });
    assert_eq!(render(&succeeded, Include::Data)["executionSucceededEventDetails"]["output"], json!("{ \"a\" : 1.0e0 }"));
}

#[test]
fn data_can_be_left_out() {
    let secret = payload(r#"{"secret":1}"#);
    let cases = [
        (
            EventKind::StateEntered { state_type: StateType::Wait, name: "Hold".into(), input: secret.clone(), due: None },
            "stateEnteredEventDetails",
            json!({ "name": "Hold", "inputDetails": { "truncated": false } }),
        ),
        (
            EventKind::StateExited {
                state_type: StateType::Wait,
                name: "Hold".into(),
                output: secret.clone(),
                assigned: vec![("x".into(), secret.clone())],
                next: None,
            },
            "stateExitedEventDetails",
            json!({
                "name": "Hold",
                "outputDetails": { "truncated": false },
                "assignedVariablesDetails": { "truncated": false }
            }),
        ),
        (
            EventKind::TaskScheduled {
                resource: service("sqs", "sendMessage"),
                region: "us-east-1".to_owned(),
                parameters: secret.clone(),
                timeout_seconds: Some(60),
                heartbeat_seconds: None,
                credentials_role_arn: None,
                completion: Completion::Response,
                plan: plan(),
            },
            "taskScheduledEventDetails",
            json!({ "resourceType": "sqs", "resource": "sendMessage", "region": "us-east-1", "timeoutInSeconds": 60 }),
        ),
        (
            EventKind::TaskSubmitted { resource: service("sqs", "sendMessage"), output: secret },
            "taskSubmittedEventDetails",
            json!({ "resourceType": "sqs", "resource": "sendMessage", "outputDetails": { "truncated": false } }),
        ),
        // SOURCE: recorded: logs without execution data keep error and cause.
        (
            EventKind::ExecutionFailed(error(Some("Boom"), Some("loud"))),
            "executionFailedEventDetails",
            json!({ "error": "Boom", "cause": "loud" }),
        ),
    ];
    for (kind, member, expected) in cases {
        let rendered = render(&event(2, 1, kind), Include::NoData);
        assert_eq!(rendered[member], expected, "{rendered}");
    }
}

#[test]
fn names_are_made_of_the_state_type() {
    let names = [
        (StateType::Pass, "PassStateEntered", "PassStateExited"),
        (StateType::Task, "TaskStateEntered", "TaskStateExited"),
        (StateType::Choice, "ChoiceStateEntered", "ChoiceStateExited"),
        (StateType::Wait, "WaitStateEntered", "WaitStateExited"),
        (StateType::Succeed, "SucceedStateEntered", "SucceedStateExited"),
        (StateType::Parallel, "ParallelStateEntered", "ParallelStateExited"),
        (StateType::Map, "MapStateEntered", "MapStateExited"),
    ];
    for (state_type, entered_name, exited_name) in names {
        let entered = EventKind::StateEntered { state_type, name: "Hold".into(), input: payload("1"), due: None };
        assert_eq!(line(&event(2, 0, entered)), format!("2<-0 {entered_name} Hold"));
        let exited = EventKind::StateExited { state_type, name: "Hold".into(), output: payload("1"), assigned: Vec::new(), next: None };
        assert_eq!(line(&event(3, 2, exited)), format!("3<-2 {exited_name} Hold"));
    }
}

#[test]
fn other_events_are_a_line_without_a_name() {
    assert_eq!(line(&event(4, 3, EventKind::LambdaFunctionStarted)), "4<-3 LambdaFunctionStarted");
    let succeeded = EventKind::MapIterationSucceeded { name: "Each".into(), index: 1 };
    assert_eq!(line(&event(14, 13, succeeded)), "14<-13 MapIterationSucceeded");
}
