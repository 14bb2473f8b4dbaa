use super::*;

fn headers(target: &'static str) -> HeaderMap {
    HeaderMap::from_iter([("x-amz-target".parse().expect("a header name"), HeaderValue::from_static(target))])
}

#[test]
fn the_target_names_the_action() {
    assert_eq!(action_name(&headers("AWSStepFunctions.StartExecution")).expect("an action"), "StartExecution");
    for target in ["DynamoDB_20120810.PutItem", "StartExecution", ""] {
        assert_eq!(action_name(&headers(target)).expect_err("no action").kind, "UnknownOperationException");
    }
    assert_eq!(action_name(&HeaderMap::new()).expect_err("no action").kind, "UnknownOperationException");
}

#[test]
fn bodies_that_are_no_objects_are_refused() {
    assert!(parse_body(b"").expect("an empty body").is_empty());
    assert!(parse_body(b" {} ").expect("an empty object").is_empty());
    let deep = "[".repeat(10_000);
    let bodies: [&[u8]; 8] = [b"null", b"[]", b"1", b"\"x\"", b"{\"a\":", b"{} x", b"{\"a\":\"\xff\"}", deep.as_bytes()];
    for body in bodies {
        assert_eq!(parse_body(body).expect_err("no object").kind, "SerializationException", "{body:?}");
    }
}

#[test]
fn deep_but_whole_bodies_are_refused_without_a_crash() {
    let deep = format!("{{\"input\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(parse_body(deep.as_bytes()).expect_err("too deep").kind, "SerializationException");
}

#[test]
fn instants_are_seconds_with_milliseconds() {
    let text = |millis| serde_json::to_string(&Instant(Timestamp::from_millis(millis))).expect("a number");
    assert_eq!(text(1_700_000_000_123), "1700000000.123");
    assert_eq!(text(1_700_000_000_100), "1700000000.1");
    assert_eq!(text(1_700_000_000_000), "1700000000.0");
}

#[test]
fn uuids_are_version_4() {
    let uuid = new_uuid();
    let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert_eq!(uuid.as_bytes()[14], b'4');
    assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    assert_ne!(uuid, new_uuid());
}

#[test]
fn faults_do_not_reach_the_wire() {
    let fault = skald_engine::error::Fault("disk sda1 is on fire".to_owned());
    let error = ApiError::from(skald_engine::StartExecutionError::InternalFailure(fault));
    assert_eq!((error.kind, error.status), ("InternalFailure", StatusCode::INTERNAL_SERVER_ERROR));
    assert!(!error.message.contains("sda1"));
    assert_eq!(error.cause.as_deref(), Some("disk sda1 is on fire"));
}

#[test]
fn engine_errors_keep_their_name_and_text() {
    let error = ApiError::from(skald_engine::SendTaskError::TaskTimedOut);
    assert_eq!((error.kind, error.status), ("TaskTimedOut", StatusCode::BAD_REQUEST));
    assert_eq!(error.message, "Task Timed Out: 'Provided task does not exist anymore'");
}
