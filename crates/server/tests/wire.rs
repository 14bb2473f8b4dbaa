//! What the server says to requests that are wrong before any operation looks at them.

mod harness;

use harness::{Harness, ROLE, request};
use serde_json::json;

struct Case {
    name: &'static str,
    request: Vec<u8>,
    status: u16,
    kind: &'static str,
    message: &'static str,
}

fn case(name: &'static str, request: impl Into<Vec<u8>>, status: u16, kind: &'static str, message: &'static str) -> Case {
    Case { name, request: request.into(), status, kind, message }
}

fn with_head(head: &str, body: &str) -> String {
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn cases() -> Vec<Case> {
    let post = "POST / HTTP/1.1\r\nHost: localhost";
    let target = "X-Amz-Target: AWSStepFunctions.";
    let signed = |authorization: &str| with_head(&format!("{post}\r\n{target}ListStateMachines\r\nAuthorization: {authorization}"), "{}");
    let mut not_utf_8 = with_head(&format!("{post}\r\n{target}ListStateMachines"), "{\"a\":\"??\"}").into_bytes();
    let garbled = not_utf_8.len() - 4;
    not_utf_8[garbled] = 0xff;
    let deep = format!("{{\"input\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    vec![
        case("no target", with_head(post, "{}"), 400, "UnknownOperationException", "X-Amz-Target"),
        case(
            "another service",
            with_head(&format!("{post}\r\nX-Amz-Target: DynamoDB_20120810.PutItem"), "{}"),
            400,
            "UnknownOperationException",
            "X-Amz-Target",
        ),
        case("nonsense", request("Nonsense", "{}"), 400, "UnknownOperationException", "Nonsense"),
        case("wrong case", request("startExecution", "{}"), 400, "UnknownOperationException", "startExecution"),
        case("GET", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "UnknownOperationException", "POST"),
        case("another path", with_head("POST /x HTTP/1.1\r\nHost: localhost", "{}"), 404, "UnknownOperationException", ""),
        case("array body", request("ListStateMachines", "[]"), 400, "SerializationException", "JSON object"),
        case("truncated JSON", request("ListStateMachines", "{\"maxResults\":"), 400, "SerializationException", "EOF"),
        case("no JSON", request("ListStateMachines", "maxResults=1"), 400, "SerializationException", "not valid JSON"),
        case("not UTF-8", not_utf_8, 400, "SerializationException", ""),
        case("10,000 levels", request("StartExecution", &deep), 400, "SerializationException", "recursion"),
        case(
            "number for text",
            request("DescribeStateMachine", "{\"stateMachineArn\":1}"),
            400,
            "SerializationException",
            "NUMBER_VALUE cannot be converted to String",
        ),
        case(
            "text for number",
            request("ListStateMachines", "{\"maxResults\":\"1\"}"),
            400,
            "SerializationException",
            "STRING_VALUE cannot be converted to Integer",
        ),
        case(
            "missing member",
            request("DescribeExecution", "{}"),
            400,
            "ValidationException",
            "1 validation error detected: Value null at 'executionArn' failed to satisfy constraint: Member must not be null",
        ),
        case(
            "too many results",
            request("ListActivities", "{\"maxResults\":1001}"),
            400,
            "ValidationException",
            "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: \
             Member must have value less than or equal to 1000",
        ),
        case(
            "garbled token",
            request("ListStateMachines", "{\"nextToken\":\"InvalidToken\"}"),
            400,
            "InvalidToken",
            "Invalid Token: 'Invalid token'",
        ),
        case(
            "no ARN",
            request("DescribeStateMachine", "{\"stateMachineArn\":\"invalid_arn\"}"),
            400,
            "InvalidArn",
            "Invalid Arn: 'Invalid ARN prefix: invalid_arn'",
        ),
        case(
            "an Express execution",
            request("DescribeExecution", "{\"executionArn\":\"arn:aws:states:us-east-1:1:express:m:e:i\"}"),
            400,
            "InvalidArn",
            "Invalid Arn: 'Resource type not valid in this context: express'",
        ),
        case(
            "a version that cannot exist",
            request("StartExecution", "{\"stateMachineArn\":\"arn:aws:states:us-east-1:1:stateMachine:m:1\"}"),
            400,
            "StateMachineDoesNotExist",
            "arn:aws:states:us-east-1:1:stateMachine:m:1",
        ),
        case(
            "a label",
            request("DescribeStateMachine", "{\"stateMachineArn\":\"arn:aws:states:us-east-1:1:stateMachine:m/l\"}"),
            400,
            "ValidationException",
            "label",
        ),
        case("bearer", signed("Bearer x"), 400, "IncompleteSignature", "AWS4-HMAC-SHA256"),
        case(
            "foreign host",
            with_head("POST / HTTP/1.1\r\nHost: evil.example\r\nX-Amz-Target: AWSStepFunctions.ListStateMachines", "{}"),
            403,
            "AccessDeniedException",
            "--allow-host",
        ),
        case("foreign host, metrics", "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "AccessDeniedException", "--allow-host"),
        case(
            "foreign origin",
            with_head(&format!("{post}\r\n{target}ListStateMachines\r\nOrigin: http://evil.example"), "{}"),
            403,
            "AccessDeniedException",
            "evil.example",
        ),
    ]
}

#[tokio::test]
async fn wrong_requests_are_named() {
    let harness = Harness::start().await;
    for case in cases() {
        let mut connection = harness.connect().await;
        connection.send(&case.request).await;
        let answer = connection.answer().await.unwrap_or_else(|| panic!("{}: no answer", case.name));
        assert_eq!((answer.status, answer.kind()), (case.status, case.kind), "{}: {}", case.name, answer.text);
        assert!(answer.message().contains(case.message), "{}: {}", case.name, answer.text);
        assert!(answer.head.contains("x-amzn-requestid: "), "{}: {}", case.name, answer.head);
    }
    harness.stopped().await;
}

/// The 17 of AWS's 37 operations that are not built: none may look like a success.
#[tokio::test]
async fn operations_that_are_not_built_are_unknown() {
    let harness = Harness::start().await;
    let operations = [
        "CreateStateMachineAlias",
        "DeleteStateMachineAlias",
        "DeleteStateMachineVersion",
        "DescribeMapRun",
        "DescribeStateMachineAlias",
        "ListMapRuns",
        "ListStateMachineAliases",
        "ListStateMachineVersions",
        "ListTagsForResource",
        "PublishStateMachineVersion",
        "RedriveExecution",
        "TagResource",
        "TestState",
        "UntagResource",
        "UpdateMapRun",
        "UpdateStateMachineAlias",
    ];
    for operation in operations {
        let answer = harness.call(operation, json!({})).await;
        assert_eq!((answer.status, answer.kind()), (400, "UnknownOperationException"), "{operation}");
    }
    harness.stopped().await;
}

#[tokio::test]
async fn members_that_are_not_built_are_refused() {
    let harness = Harness::start().await;
    let create = |member: &str, value: serde_json::Value| {
        let mut members = json!({ "name": "m", "definition": harness::pass().to_string(), "roleArn": ROLE });
        members[member] = value;
        members
    };
    let mut express_with_a_token = create("type", json!("EXPRESS"));
    express_with_a_token["definition"] = json!(
        json!({ "StartAt": "A", "States": { "A": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": { "QueueUrl": "q", "MessageBody.$": "$$.Task.Token" },
            "End": true
        } } })
        .to_string()
    );
    let key = json!({ "type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "alias/key" });
    let cases = [
        (create("publish", json!(true)), "ValidationException", "publish"),
        (create("versionDescription", json!("first")), "ValidationException", "Version description can only be set when publish is true"),
        (
            express_with_a_token,
            "InvalidDefinition",
            "Express state machine does not support '.waitForTaskToken' service integration  at /States/A/Resource",
        ),
        (create("encryptionConfiguration", key), "InvalidEncryptionConfiguration", "CUSTOMER_MANAGED_KMS_KEY"),
        (create("loggingConfiguration", json!({ "level": "ALL" })), "InvalidLoggingConfiguration", "exactly one Log Destination"),
    ];
    for (members, kind, message) in cases {
        let answer = harness.call("CreateStateMachine", members).await;
        assert_eq!((answer.status, answer.kind()), (400, kind), "{}", answer.text);
        assert!(answer.message().contains(message), "{}", answer.text);
    }
    harness.stopped().await;
}

#[tokio::test]
async fn health_and_metrics_are_served() {
    let harness = Harness::start().await;
    let mut connection = harness.connect().await;
    // A probe comes with whatever address it was given.
    connection.send(b"GET /healthz HTTP/1.1\r\nHost: 10.0.0.7:8083\r\n\r\n").await;
    let health = connection.answer().await.expect("an answer");
    assert_eq!((health.status, health.body), (200, json!({ "status": "ok" })));
    connection.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let metrics = connection.answer().await.expect("an answer");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{}", metrics.head);
    assert!(metrics.text.contains("\n# TYPE skald_flush_seconds histogram\n"), "{}", metrics.text);
    harness.stopped().await;
}
