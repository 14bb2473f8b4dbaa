//! Operations through the wire: pages, tokens, what is echoed, and what a worker gets.

mod harness;

use std::time::Duration;

use harness::{Harness, ROLE, pass, request, within};
use serde_json::{Value, json};

fn names(items: &Value) -> Vec<String> {
    items.as_array().expect("a list").iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn machines_come_page_by_page() {
    let harness = Harness::start().await;
    let mut created = Vec::new();
    for index in 0..13 {
        let name = format!("machine-{index:02}");
        harness.create_machine(&name, pass()).await;
        created.push(name);
    }
    assert_eq!(names(&harness.done("ListStateMachines", json!({})).await["stateMachines"]), created);
    assert_eq!(names(&harness.done("ListStateMachines", json!({ "maxResults": 0 })).await["stateMachines"]), created);

    let (mut listed, mut token, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let page = harness.done("ListStateMachines", json!({ "maxResults": 5, "nextToken": token })).await;
        listed.extend(names(&page["stateMachines"]));
        pages += 1;
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!((listed, pages), (created, 3));
    harness.stopped().await;
}

#[tokio::test]
async fn a_token_belongs_to_its_list() {
    let harness = Harness::start().await;
    for index in 0..2 {
        harness.create_machine(&format!("m{index}"), pass()).await;
    }
    let page = harness.done("ListStateMachines", json!({ "maxResults": 1 })).await;
    let token = page["nextToken"].as_str().expect("a token").to_owned();
    // The size of a page may change from page to page; the list may not.
    harness.done("ListStateMachines", json!({ "nextToken": token })).await;
    let other = harness.call("ListActivities", json!({ "nextToken": token })).await;
    assert_eq!((other.kind(), other.message()), ("InvalidToken", "Invalid Token: 'Invalid token'"));
    let long = harness.call("ListStateMachines", json!({ "nextToken": "x".repeat(1_025) })).await;
    assert!(long.message().ends_with("at 'nextToken' failed to satisfy constraint: Member must have length less than or equal to 1024"));
    harness.stopped().await;
}

#[tokio::test]
async fn a_machine_is_described_as_it_was_created() {
    let harness = Harness::start().await;
    // Byte for byte: order of keys, white space, escapes.
    let definition = "{ \"StartAt\":\"\\u0041\",\n\t\"States\": {\"A\": {\"Type\":\"Pass\", \"End\":true}} }";
    let members = json!({ "name": "m", "definition": definition, "roleArn": ROLE });
    let created = harness.done("CreateStateMachine", members.clone()).await;
    assert_eq!(created, harness.done("CreateStateMachine", members).await, "idempotent");
    let arn = created["stateMachineArn"].as_str().expect("an ARN");
    assert_eq!(arn, "arn:aws:states:us-east-1:123456789012:stateMachine:m");
    let described = harness.done("DescribeStateMachine", json!({ "stateMachineArn": arn })).await;
    assert_eq!(described["definition"], definition);
    assert_eq!(described["status"], "ACTIVE");
    assert_eq!(described["type"], "STANDARD");
    assert_eq!(described["creationDate"], created["creationDate"]);
    assert_eq!(described["loggingConfiguration"], json!({ "includeExecutionData": false, "level": "OFF" }));
    assert_eq!(described["tracingConfiguration"], json!({ "enabled": false }));
    assert_eq!(described["encryptionConfiguration"], json!({ "type": "AWS_OWNED_KEY" }));
    assert_eq!(described.get("revisionId"), None);
    let metadata = harness.done("DescribeStateMachine", json!({ "stateMachineArn": arn, "includedData": "METADATA_ONLY" })).await;
    assert_eq!(metadata["definition"], "{}");

    let nothing = harness.call("UpdateStateMachine", json!({ "stateMachineArn": arn })).await;
    assert_eq!(nothing.kind(), "MissingRequiredParameter");
    let updated = harness.done("UpdateStateMachine", json!({ "stateMachineArn": arn, "definition": pass().to_string() })).await;
    let described = harness.done("DescribeStateMachine", json!({ "stateMachineArn": arn })).await;
    assert_eq!(described["revisionId"], updated["revisionId"]);
    assert!(updated["revisionId"].is_string());

    assert_eq!(harness.done("DeleteStateMachine", json!({ "stateMachineArn": arn })).await, json!({}));
    let gone = harness.call("DescribeStateMachine", json!({ "stateMachineArn": format!("{arn}-other") })).await;
    assert_eq!(gone.message(), format!("State Machine Does Not Exist: '{arn}-other'"));
    harness.stopped().await;
}

#[tokio::test]
async fn input_is_checked_and_kept_byte_for_byte() {
    let harness = Harness::start().await;
    let machine = harness.create_machine("m", pass()).await;
    let refused = [
        (
            "not some json",
            "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
        ),
        ("{'not': 'json'", "Unexpected character (''' (code 39)): was expecting double-quote to start field name"),
        ("", "Invalid execution input."),
    ];
    for (input, reason) in refused {
        let answer = harness.call("StartExecution", json!({ "stateMachineArn": machine, "input": input })).await;
        assert_eq!(answer.kind(), "InvalidExecutionInput", "{}", answer.text);
        assert_eq!(answer.message(), format!("Invalid State Machine Execution Input: '{reason}'"));
    }
    let large = format!("\"{}\"", "ä".repeat(131_072));
    let answer = harness.call("StartExecution", json!({ "stateMachineArn": machine, "input": large })).await;
    assert_eq!(answer.kind(), "ValidationException", "{}", answer.text);

    for input in ["2", "\"some text\"", "null", " {\"b\":1.0,\n\"a\":1e2} "] {
        let started = harness.done("StartExecution", json!({ "stateMachineArn": machine, "input": input })).await;
        let described = harness.ended(started["executionArn"].as_str().expect("an ARN")).await;
        assert_eq!((&described["input"], &described["status"]), (&json!(input), &json!("SUCCEEDED")));
        assert_eq!(described["startDate"], started["startDate"]);
        assert_eq!(described["inputDetails"], json!({ "included": true }));
        assert_eq!((&described["redriveCount"], &described["redriveStatus"]), (&json!(0), &json!("NOT_REDRIVABLE")));
    }
    harness.stopped().await;
}

/// An SDK repeats a request it had no answer to under the same invocation id.
#[tokio::test]
async fn an_sdks_retry_starts_once() {
    let harness = Harness::start().await;
    let machine = harness.create_machine("m", pass()).await;
    let start = |invocation: &str| {
        let body = json!({ "stateMachineArn": machine }).to_string();
        request("StartExecution", &body).replacen("\r\n", &format!("\r\namz-sdk-invocation-id: {invocation}\r\n"), 1)
    };
    let mut connection = harness.connect().await;
    let mut arns = Vec::new();
    for invocation in ["one", "one", "two"] {
        connection.send(start(invocation).as_bytes()).await;
        let answer = connection.answer().await.expect("an answer");
        arns.push(answer.body["executionArn"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned());
    }
    assert_eq!(arns[0], arns[1]);
    assert_ne!(arns[1], arns[2]);
    harness.stopped().await;
}

#[tokio::test]
async fn history_and_lists_have_pages_and_filters() {
    let harness = Harness::start().await;
    let machine = harness.create_machine("m", pass()).await;
    for index in 0..5 {
        let started = harness.done("StartExecution", json!({ "stateMachineArn": machine, "name": format!("e{index}") })).await;
        harness.ended(started["executionArn"].as_str().expect("an ARN")).await;
    }
    let list = |more: Value| {
        let mut members = json!({ "stateMachineArn": machine });
        for (name, value) in more.as_object().expect("members") {
            members[name] = value.clone();
        }
        members
    };
    let first = harness.done("ListExecutions", list(json!({ "maxResults": 3, "statusFilter": "SUCCEEDED" }))).await;
    assert_eq!(names(&first["executions"]).len(), 3);
    let token = first["nextToken"].clone();
    let rest = harness.done("ListExecutions", list(json!({ "nextToken": token, "statusFilter": "SUCCEEDED" }))).await;
    assert_eq!(names(&rest["executions"]).len(), 2);
    assert_eq!(harness.done("ListExecutions", list(json!({ "statusFilter": "RUNNING" }))).await["executions"], json!([]));
    let other = harness.call("ListExecutions", list(json!({ "nextToken": token, "statusFilter": "FAILED" }))).await;
    assert_eq!(other.kind(), "InvalidToken");
    let wrong = harness.call("ListExecutions", list(json!({ "statusFilter": "succeeded" }))).await;
    assert!(wrong.message().ends_with("[SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]"), "{}", wrong.text);
    assert_eq!(harness.call("ListExecutions", json!({})).await.kind(), "ValidationException");

    let execution = first["executions"][0]["executionArn"].clone();
    let whole = harness.done("GetExecutionHistory", json!({ "executionArn": execution })).await;
    let events = whole["events"].as_array().expect("events").clone();
    let types: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]);
    let (mut paged, mut token) = (Vec::new(), Value::Null);
    loop {
        let members = json!({ "executionArn": execution, "maxResults": 3, "reverseOrder": true, "nextToken": token });
        let page = harness.done("GetExecutionHistory", members).await;
        paged.extend(page["events"].as_array().expect("events").iter().cloned());
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    paged.reverse();
    assert_eq!(paged, events);
    let bare = harness.done("GetExecutionHistory", json!({ "executionArn": execution, "includeExecutionData": false })).await;
    assert_eq!(bare["events"][0]["executionStartedEventDetails"].get("input"), None);
    harness.stopped().await;
}

#[tokio::test]
async fn an_execution_is_stopped() {
    let harness = Harness::start().await;
    let wait = json!({ "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 600, "End": true } } });
    let machine = harness.create_machine("m", wait).await;
    let started = harness.done("StartExecution", json!({ "stateMachineArn": machine })).await;
    let execution = started["executionArn"].as_str().expect("an ARN");
    let stopped = harness.done("StopExecution", json!({ "executionArn": execution, "error": "E", "cause": "C" })).await;
    let described = harness.ended(execution).await;
    assert_eq!((&described["status"], &described["error"], &described["cause"]), (&json!("ABORTED"), &json!("E"), &json!("C")));
    assert_eq!(described["stopDate"], stopped["stopDate"]);
    let origin = harness.done("DescribeStateMachineForExecution", json!({ "executionArn": execution })).await;
    assert_eq!(origin["stateMachineArn"], machine);
    harness.stopped().await;
}

#[tokio::test]
async fn the_variables_shown_are_those_of_the_revision() {
    let referring = |name: &str| {
        json!({ "StartAt": "Set", "QueryLanguage": "JSONata", "States": {
            "Set": { "Type": "Pass", "Assign": { name: 1 }, "Next": "Use" },
            "Use": { "Type": "Wait", "Seconds": format!("{{% ${name} * 600 %}}"), "End": true } } })
    };
    let harness = Harness::start().await;
    let machine = harness.create_machine("m", referring("before")).await;
    let started = harness.done("StartExecution", json!({ "stateMachineArn": machine })).await;
    let update = json!({ "stateMachineArn": machine, "definition": referring("after").to_string() });
    harness.done("UpdateStateMachine", update).await;

    let current = harness.done("DescribeStateMachine", json!({ "stateMachineArn": machine })).await;
    assert_eq!(current["variableReferences"], json!({ "Use": ["after"] }));
    let of_execution = harness.done("DescribeStateMachineForExecution", json!({ "executionArn": started["executionArn"] })).await;
    assert_eq!(of_execution["variableReferences"], json!({ "Use": ["before"] }));
    harness.stopped().await;
}

async fn activity_machine(harness: &Harness) -> (String, String) {
    let activity = harness.done("CreateActivity", json!({ "name": "work" })).await;
    let activity = activity["activityArn"].as_str().expect("an ARN").to_owned();
    let definition = json!({ "StartAt": "T", "States": { "T": { "Type": "Task", "Resource": activity, "End": true } } });
    (activity, harness.create_machine("m", definition).await)
}

#[tokio::test]
async fn a_worker_polls_and_answers() {
    let harness = Harness::configured(|config| config.limits.poll_patience = Duration::from_millis(100)).await;
    let (activity, machine) = activity_machine(&harness).await;
    let idle = harness.done("GetActivityTask", json!({ "activityArn": activity })).await;
    assert_eq!(idle, json!({ "taskToken": null }));
    let started = harness.done("StartExecution", json!({ "stateMachineArn": machine, "input": "{\"a\": 1}" })).await;
    let task = polled(&harness, &activity).await;
    assert_eq!(task["input"], "{\"a\": 1}");
    // It reached its worker: nobody else gets it.
    assert_eq!(harness.done("GetActivityTask", json!({ "activityArn": activity })).await, json!({ "taskToken": null }));
    let token = &task["taskToken"];
    assert_eq!(harness.done("SendTaskHeartbeat", json!({ "taskToken": token })).await, json!({}));
    let bad = harness.call("SendTaskSuccess", json!({ "taskToken": token, "output": "nonsense" })).await;
    assert_eq!(bad.kind(), "InvalidOutput");
    assert_eq!(harness.done("SendTaskSuccess", json!({ "taskToken": token, "output": "[2 ]" })).await, json!({}));
    let described = harness.ended(started["executionArn"].as_str().expect("an ARN")).await;
    assert_eq!(described["output"], "[2 ]");
    let late = harness.call("SendTaskFailure", json!({ "taskToken": token })).await;
    assert_eq!(late.kind(), "TaskTimedOut", "{}", late.text);
    let garbled = harness.call("SendTaskSuccess", json!({ "taskToken": "garbled", "output": "1" })).await;
    assert_eq!(garbled.kind(), "InvalidToken", "{}", garbled.text);
    harness.stopped().await;
}

/// Returns once a poll stands in the line.
async fn a_poll_waits(harness: &Harness) {
    let looking = async {
        loop {
            let mut connection = harness.connect().await;
            connection.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            let metrics = connection.answer().await.expect("an answer");
            if metrics.text.lines().any(|line| line == "skald_activity_polls_waiting 1") {
                return;
            }
        }
    };
    within(looking).await;
}

async fn polled(harness: &Harness, activity: &str) -> Value {
    let polling = async {
        loop {
            let task = harness.done("GetActivityTask", json!({ "activityArn": activity, "workerName": "w" })).await;
            if task["taskToken"].is_string() {
                return task;
            }
        }
    };
    within(polling).await
}

#[tokio::test]
async fn a_poll_is_woken_when_a_task_is_scheduled() {
    let harness = Harness::start().await;
    let (activity, machine) = activity_machine(&harness).await;
    let polling = polled(&harness, &activity);
    let starting = async {
        a_poll_waits(&harness).await;
        harness.done("StartExecution", json!({ "stateMachineArn": machine })).await
    };
    let (task, _) = tokio::join!(polling, starting);
    assert!(task["taskToken"].is_string());
    harness.stopped().await;
}

/// The task of a worker that left while it waited goes to the next one.
#[tokio::test]
async fn a_worker_that_left_takes_no_task_along() {
    let harness = Harness::start().await;
    let (activity, machine) = activity_machine(&harness).await;
    let mut leaving = harness.connect().await;
    leaving.send(request("GetActivityTask", &json!({ "activityArn": activity }).to_string()).as_bytes()).await;
    a_poll_waits(&harness).await;
    drop(leaving);
    harness.done("StartExecution", json!({ "stateMachineArn": machine })).await;
    assert!(polled(&harness, &activity).await["taskToken"].is_string());
    harness.stopped().await;
}

#[tokio::test]
async fn stopping_ends_long_polls() {
    let mut harness = Harness::start().await;
    let (activity, _) = activity_machine(&harness).await;
    let mut worker = harness.connect().await;
    worker.send(request("GetActivityTask", &json!({ "activityArn": activity }).to_string()).as_bytes()).await;
    a_poll_waits(&harness).await;
    harness.begin_stop();
    let answer = worker.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.body), (200, json!({ "taskToken": null })));
    harness.stopped().await;
}

#[tokio::test]
async fn a_definition_is_validated() {
    let harness = Harness::start().await;
    let accepted = json!({ "result": "OK", "diagnostics": [], "truncated": false });
    let valid = json!({ "definition": pass().to_string() });
    assert_eq!(harness.done("ValidateStateMachineDefinition", valid).await, accepted);

    let empty = harness.done("ValidateStateMachineDefinition", json!({ "definition": " " })).await;
    let finding = json!({ "severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": "Definition must be a valid JSON object" });
    assert_eq!(empty, json!({ "result": "FAIL", "diagnostics": [finding], "truncated": false }));

    let states = json!({ "A": { "Type": "Pass", "Parameters": { "a": "$.a" }, "Next": "B" }, "B": { "Type": "Pass", "Next": "C" } });
    let broken = json!({ "StartAt": "A", "States": states }).to_string();
    let answer = harness.done("ValidateStateMachineDefinition", json!({ "definition": broken })).await;
    let codes =
        |answer: &Value| answer["diagnostics"].as_array().expect("a list").iter().map(|item| item["code"].clone()).collect::<Vec<_>>();
    assert_eq!(codes(&answer), ["MISSING_TRANSITION_TARGET", "MISSING_END_STATE"]);
    assert_eq!(answer["diagnostics"][0]["location"], "/States/B/Next");
    let all = json!({ "definition": broken, "severity": "WARNING", "maxResults": 0 });
    let answer = harness.done("ValidateStateMachineDefinition", all).await;
    assert_eq!(codes(&answer), ["MISSING_TRANSITION_TARGET", "MISSING_END_STATE", "NO_DOLLAR"]);
    assert_eq!(answer["truncated"], false);
    let first = harness.done("ValidateStateMachineDefinition", json!({ "definition": broken, "maxResults": 1 })).await;
    assert_eq!((codes(&first), &first["truncated"]), (vec![json!("MISSING_TRANSITION_TARGET")], &json!(true)));

    let token = json!({ "Type": "Task", "Resource": "arn:aws:states:::sns:publish.waitForTaskToken", "Parameters": { "Message": "m" }, "End": true });
    let token = json!({ "StartAt": "T", "States": { "T": token } }).to_string();
    for (machine_type, result) in [("STANDARD", "OK"), ("EXPRESS", "FAIL")] {
        let members = json!({ "definition": token, "type": machine_type });
        assert_eq!(harness.done("ValidateStateMachineDefinition", members).await["result"], result);
    }
    for wrong in [json!({}), json!({ "definition": "" }), json!({ "definition": "{}", "maxResults": 101 })] {
        assert_eq!(harness.call("ValidateStateMachineDefinition", wrong).await.kind(), "ValidationException");
    }
    harness.stopped().await;
}

#[tokio::test]
async fn activities_are_created_described_listed_and_deleted() {
    let harness = Harness::start().await;
    let bad = harness.call("CreateActivity", json!({ "name": "activity/name" })).await;
    assert_eq!((bad.kind(), bad.message()), ("InvalidName", "Invalid Name: 'activity/name'"));
    let created = harness.done("CreateActivity", json!({ "name": "a" })).await;
    assert_eq!(created, harness.done("CreateActivity", json!({ "name": "a" })).await);
    let arn = &created["activityArn"];
    let described = harness.done("DescribeActivity", json!({ "activityArn": arn })).await;
    assert_eq!(described["encryptionConfiguration"], json!({ "type": "AWS_OWNED_KEY" }));
    assert_eq!(names(&harness.done("ListActivities", json!({})).await["activities"]), ["a"]);
    for _ in 0..2 {
        assert_eq!(harness.done("DeleteActivity", json!({ "activityArn": arn })).await, json!({}));
    }
    assert_eq!(harness.call("DescribeActivity", json!({ "activityArn": arn })).await.kind(), "ActivityDoesNotExist");
    harness.stopped().await;
}

#[tokio::test]
async fn regions_are_worlds_of_their_own() {
    let harness = Harness::start().await;
    harness.create_machine("m", pass()).await;
    let credential = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-3/states/aws4_request, SignedHeaders=host, Signature=0";
    let signed = request("ListStateMachines", "{}").replacen("\r\n", &format!("\r\nAuthorization: {credential}\r\n"), 1);
    let mut connection = harness.connect().await;
    connection.send(signed.as_bytes()).await;
    assert_eq!(connection.answer().await.expect("an answer").body, json!({ "stateMachines": [] }));
    harness.stopped().await;
}
