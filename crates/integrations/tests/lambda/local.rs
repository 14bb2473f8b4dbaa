//! Functions as processes on this machine.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use skald_asl::states::{Pattern, Resource};
use skald_integrations::{Outcome, Perform};
use skald_query::Value;

use crate::rig::{self, Door, REQUEST_ID, call, call_invoke, failure, function, integrations, output, run_once};

#[tokio::test]
async fn payload_goes_in_and_out() {
    let event = r#"{"id":7,"big":12345678901234567890,"text":"größe"}"#;
    let outcome = run_once(function("orders.echo"), event).await;
    let expected = r#"{"id": 7, "big": 12345678901234567890, "text": "gr\u00f6\u00dfe"}"#;
    match outcome {
        Outcome::Succeeded { output } if output.text().is_ascii() => assert_eq!(output.text(), expected),
        // Since Python 3.12 text goes out as it is.
        Outcome::Succeeded { output } => assert_eq!(output.text().replace(": ", ":").replace(", ", ","), event),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn function_sees_who_called_it() {
    let integrations = integrations(vec![("createOrder", function("orders.identity"))]);
    let seen = output(integrations.perform(call("createOrder:prod", "{}")).await);
    assert_eq!(seen["request_id"], REQUEST_ID);
    assert_eq!(seen["arn"], "arn:aws:lambda:eu-west-1:123456789012:function:createOrder:prod");
    assert_eq!(seen["name"], "createOrder");
    assert_eq!(seen["memory"], "128");
    assert_eq!(seen["left"], true);
    assert_eq!(seen["trace"], true);
    assert_eq!(seen["custom"], Value::Null);
    assert_eq!(seen["folder"], rig::functions_folder().to_str().expect("the checkout's path is text"));

    // {"custom":{"k":"v"}}
    let parameters = r#"{"FunctionName":"createOrder","ClientContext":"eyJjdXN0b20iOnsiayI6InYifX0="}"#;
    let seen = output(integrations.perform(call_invoke(parameters)).await);
    assert_eq!(seen["Payload"]["custom"]["k"], "v");
    integrations.shut_down().await;
}

#[tokio::test]
async fn raised_exception_names_the_error() {
    let (error, cause) = failure(run_once(function("orders.decline"), r#"{"card":4}"#).await);
    assert_eq!(error, "PaymentDeclined");
    assert_eq!(cause["errorMessage"], "card 4");
    assert_eq!(cause["errorType"], "PaymentDeclined");
    assert_eq!(cause["requestId"], REQUEST_ID);
    let trace = cause["stackTrace"].as_array().expect("a list");
    assert_eq!(trace.len(), 1, "{trace:?}");
    assert!(trace[0].as_str().is_some_and(|line| line.contains("orders.py") && line.contains("in decline")));
}

#[tokio::test]
async fn causes_have_blanks_only_when_the_arn_is_called() {
    let integrations = integrations(vec![("f", function("orders.decline"))]);
    let as_posted = integrations.perform(call("f", r#"{"card":4}"#)).await;
    let anew = integrations.perform(call_invoke(r#"{"FunctionName":"f","Payload":{"card":4}}"#)).await;
    integrations.shut_down().await;
    match (as_posted, anew) {
        (Outcome::Failed { cause: as_posted, .. }, Outcome::Failed { cause: anew, .. }) => {
            assert!(as_posted.starts_with(r#"{"errorMessage": "card 4", "errorType""#), "{as_posted}");
            assert!(anew.starts_with(r#"{"errorMessage":"card 4","errorType""#), "{anew}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn late_function_is_killed_with_what_it_started() {
    let door = Door::open().await;
    let mut late = function("late.handler");
    late.timeout_seconds = 1;
    late.environment = [("DOOR".to_owned(), door.port().to_string())].into();
    let integrations = integrations(vec![("f", late)]);
    let (outcome, mut visitor) = tokio::join!(integrations.perform(call("f", "{}")), door.knock());
    let (error, cause) = failure(outcome);
    assert_eq!(error, "Sandbox.Timedout");
    assert_eq!(cause["errorType"], "Sandbox.Timedout");
    assert_eq!(cause["errorMessage"], format!("RequestId: {REQUEST_ID} Error: Task timed out after 1.00 seconds"));
    visitor.gone().await;
    integrations.shut_down().await;
}

#[tokio::test]
async fn end_without_an_answer_is_a_runtime_exit() {
    let cases = [
        ("orders.leave", r#"{"status":3}"#, "Runtime exited with error: exit status 3"),
        ("orders.leave", r#"{"status":0}"#, "Runtime exited without providing a reason"),
        ("orders.leave_in_order", r#"{"status":5}"#, "Runtime exited with error: exit status 5"),
        ("orders.die", "{}", "Runtime exited with error: signal: killed"),
        ("leaves.handler", "{}", "Runtime exited with error: exit status 9"),
    ];
    for (handler, event, message) in cases {
        let integrations = integrations(vec![("f", function(handler))]);
        // The second one starts a process anew.
        for _ in 0..2 {
            let (error, cause) = failure(integrations.perform(call("f", event)).await);
            assert_eq!(error, "Runtime.ExitError", "{handler}");
            assert_eq!(cause["errorMessage"], format!("RequestId: {REQUEST_ID} Error: {message}"), "{handler}");
        }
        integrations.shut_down().await;
    }
}

#[tokio::test]
async fn module_that_hangs_while_loading_is_killed() {
    let mut hanging = function("hangs.handler");
    hanging.init_timeout_seconds = 1;
    let (error, cause) = failure(run_once(hanging, "{}").await);
    assert_eq!(error, "Sandbox.Timedout");
    assert_eq!(cause["errorMessage"], format!("RequestId: {REQUEST_ID} Error: Initialization timed out after 1.00 seconds"));
}

#[tokio::test]
async fn handler_that_cannot_be_loaded_fails_every_invocation() {
    let cases = [
        ("orders.missing", "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'orders'"),
        ("absent.handler", "Runtime.ImportModuleError", "Unable to import module 'absent': No module named 'absent'"),
        ("broken.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'broken': expected ':' (broken.py, line 3)"),
        ("raises.handler", "KeyError", "'PRICE_LIST'"),
        ("sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
    ];
    for (handler, error_type, message) in cases {
        let integrations = integrations(vec![("f", function(handler))]);
        for _ in 0..2 {
            let (error, cause) = failure(integrations.perform(call("f", "{}")).await);
            assert_eq!((error.as_str(), &cause["errorMessage"]), (error_type, &Value::from(message)));
            assert_eq!(cause["errorType"], error_type);
        }
        integrations.shut_down().await;
    }
}

#[tokio::test]
async fn answers_may_have_six_mebibytes() {
    let integrations = integrations(vec![("f", function("orders.long_answer"))]);
    // With its two quotes this one has exactly what is allowed.
    let longest = output(integrations.perform(call("f", r#"{"length":6291554}"#)).await);
    assert_eq!(longest.as_str().map(str::len), Some(6_291_554));

    for length in [6_291_555, 40_000_000] {
        let (error, cause) = failure(integrations.perform(call("f", &format!(r#"{{"length":{length}}}"#))).await);
        assert_eq!(error, "Function.ResponseSizeTooLarge");
        let message = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
        assert_eq!(cause["errorMessage"], message);
    }
    assert_eq!(output(integrations.perform(call("f", r#"{"length":1}"#)).await), "x");
    integrations.shut_down().await;
}

#[tokio::test]
async fn answer_that_is_no_json_is_unknown() {
    for (handler, shown) in [("orders.no_json", "<html>"), ("orders.not_a_number", "NaN")] {
        for parameters in [call("f", "{}"), call_invoke(r#"{"FunctionName":"f"}"#)] {
            let integrations = integrations(vec![("f", function(handler))]);
            let (error, cause) = failure(integrations.perform(parameters).await);
            assert_eq!(error, "Lambda.Unknown");
            let expected =
                format!("The cause could not be determined because Lambda did not return an error type. Returned payload: {shown}");
            assert_eq!(cause, expected);
            integrations.shut_down().await;
        }
    }
}

#[tokio::test]
async fn process_stays_warm() {
    let integrations = integrations(vec![("f", function("orders.count"))]);
    let first = output(integrations.perform(call("f", "{}")).await);
    for calls in 2..=5 {
        let next = output(integrations.perform(call("f", "{}")).await);
        assert_eq!((&next["pid"], &next["calls"]), (&first["pid"], &Value::from(calls)));
    }
    integrations.shut_down().await;
}

#[tokio::test]
async fn death_of_a_resting_process_fails_nobody() {
    let integrations = integrations(vec![("f", function("orders.count"))]);
    let first = output(integrations.perform(call("f", "{}")).await);
    let killed = std::process::Command::new("kill").args(["-9", &first["pid"].to_string()]).status();
    assert!(killed.expect("kill runs").success());
    // Until its end was noticed, which takes no longer than the kernel does.
    while std::path::Path::new(&format!("/proc/{}", first["pid"])).exists() {
        tokio::task::yield_now().await;
    }
    let second = output(integrations.perform(call("f", "{}")).await);
    assert_eq!(second["calls"], 1);
    assert_ne!(second["pid"], first["pid"]);
    integrations.shut_down().await;
}

#[tokio::test]
async fn twenty_run_at_once() {
    let door = Door::open().await;
    let mut wide = function("orders.at_the_door");
    wide.concurrency = 20;
    let integrations = Arc::new(integrations(vec![("f", wide)]));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (integrations, event) = (Arc::clone(&integrations), door.event());
        calls.spawn(async move { integrations.perform(call("f", &event)).await });
    }
    let mut visitors = Vec::new();
    for _ in 0..20 {
        visitors.push(door.knock().await);
    }
    for visitor in &mut visitors {
        visitor.let_in().await;
    }
    let answered: BTreeSet<u64> = calls.join_all().await.into_iter().filter_map(|outcome| output(outcome).as_u64()).collect();
    let waited: BTreeSet<u64> = visitors.iter().map(|visitor| visitor.pid.into()).collect();
    assert_eq!(waited.len(), 20);
    assert_eq!(answered, waited);
    integrations.shut_down().await;
}

#[tokio::test]
async fn invocations_beyond_the_limit_wait_and_then_are_refused() {
    let door = Door::open().await;
    let mut narrow = function("orders.at_the_door");
    narrow.concurrency = 1;
    let integrations = integrations(vec![("f", narrow)]);
    let mut running = pin!(integrations.perform(call("f", &door.event())));
    let mut visitor = tokio::select! {
        outcome = &mut running => panic!("{outcome:?}"),
        visitor = door.knock() => visitor,
    };
    let mut waiting: Vec<_> = (0..10_000).map(|_| integrations.perform(call("f", &door.event()))).collect();
    let mut context = Context::from_waker(Waker::noop());
    for future in &mut waiting {
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    match integrations.perform(call("f", &door.event())).as_mut().poll(&mut context) {
        Poll::Ready(outcome) => {
            let (error, cause) = failure(outcome);
            assert_eq!(error, "Lambda.TooManyRequestsException");
            let expected = format!(
                "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; Request ID: {REQUEST_ID}; Proxy: null)"
            );
            assert_eq!(cause, expected);
        }
        Poll::Pending => panic!("one more may not wait"),
    }
    // Those that give up make room, and the first of the rest is next, in the same process.
    let first = waiting.swap_remove(0);
    drop(waiting);
    visitor.let_in().await;
    running.await;
    let (outcome, ()) = tokio::join!(first, async { door.knock().await.let_in().await });
    assert_eq!(output(outcome), visitor.pid);
    integrations.shut_down().await;
}

#[tokio::test]
async fn abandoned_invocation_goes_on_and_its_process_is_used_again() {
    let door = Door::open().await;
    let mut narrow = function("orders.at_the_door");
    narrow.concurrency = 1;
    let integrations = integrations(vec![("f", narrow)]);
    let mut abandoned = integrations.perform(call("f", &door.event()));
    let mut first = tokio::select! {
        outcome = &mut abandoned => panic!("{outcome:?}"),
        visitor = door.knock() => visitor,
    };
    drop(abandoned);
    first.let_in().await;
    let (outcome, ()) = tokio::join!(integrations.perform(call("f", &door.event())), async {
        door.knock().await.let_in().await;
    });
    assert_eq!(output(outcome), first.pid);
    integrations.shut_down().await;
}

#[tokio::test]
async fn shut_down_leaves_no_process_and_takes_no_calls() {
    let door = Door::open().await;
    let integrations = Arc::new(integrations(vec![("f", function("orders.at_the_door")), ("g", function("orders.count"))]));
    let resting = output(integrations.perform(call("g", "{}")).await);
    let running = tokio::spawn({
        let (integrations, event) = (Arc::clone(&integrations), door.event());
        async move { integrations.perform(call("f", &event)).await }
    });
    let mut visitor = door.knock().await;
    integrations.shut_down().await;
    assert!(!std::path::Path::new(&format!("/proc/{}", resting["pid"])).exists());
    assert!(!std::path::Path::new(&format!("/proc/{}", visitor.pid)).exists());
    visitor.gone().await;
    assert_eq!(running.await.expect("it does not panic"), Outcome::GaveUp);
    assert_eq!(integrations.perform(call("g", "{}")).await, Outcome::GaveUp);
}

/// Set in the copies of this program that tests start.
const INNER: &str = "SKALD_TEST_INNER";

/// This test alone, as another process.
fn myself(test: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", test, "--nocapture"]);
    command
}

#[tokio::test]
async fn process_sees_only_the_declared_environment() {
    if std::env::var_os(INNER).is_none() {
        let mut inner = myself("local::process_sees_only_the_declared_environment");
        inner.env(INNER, "1").env("AWS_SECRET_ACCESS_KEY", "hidden").env("AWS_PROFILE", "hidden").env("OTHER", "hidden");
        let ran = inner.output().await.expect("this program runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        return;
    }
    let seen = output(run_once(function("orders.environment"), "{}").await);
    let seen = seen.as_object().expect("an object");
    assert!(!seen.values().any(|value| value == "hidden"));
    let expected = [
        ("PRICE_LIST", "prices.json"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("_HANDLER", "orders.environment"),
        ("TZ", ":UTC"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    for (name, value) in expected {
        assert_eq!(seen.get(name).and_then(Value::as_str), Some(value), "{name}");
    }
    let other = [
        "PATH",
        "HOME",
        "LANG",
        "TMPDIR",
        "LC_CTYPE",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "AWS_CONFIG_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "_X_AMZN_TRACE_ID",
    ];
    let allowed: BTreeSet<&str> = expected.iter().map(|(name, _)| *name).chain(other).collect();
    let foreign: Vec<_> = seen.keys().filter(|name| !allowed.contains(name.as_str())).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn killed_server_leaves_no_process_behind() {
    if let Ok(event) = std::env::var(INNER) {
        let integrations = integrations(vec![("f", function("orders.at_the_door"))]);
        integrations.perform(call("f", &event)).await;
        return;
    }
    let door = Door::open().await;
    let mut inner = myself("local::killed_server_leaves_no_process_behind").env(INNER, door.event()).spawn().expect("it runs");
    let mut visitor = door.knock().await;
    inner.kill().await.expect("it can be killed");
    visitor.gone().await;
}

#[tokio::test]
async fn invoke_answers_as_aws_does() {
    let integrations = integrations(vec![("f", function("orders.echo"))]);
    let parameters =
        r#"{"FunctionName":"arn:aws:lambda:eu-west-1:123456789012:function:f","Payload":{"a": 1.0, "b":[ ]},"LogType":"None"}"#;
    let Outcome::Succeeded { output } = integrations.perform(call_invoke(parameters)).await else { panic!("no success") };
    let text = output.text();
    // SOURCE: recorded `lambda_task_service`: the members' names and order.
    let head = r#"{"ExecutedVersion":"$LATEST","Payload":{"a":1.0,"b":[]},"SdkHttpMetadata":{"AllHttpHeaders":{"X-Amz-Executed-Version":["$LATEST"],"x-amzn-Remapped-Content-Length":["0"],"Connection":["keep-alive"],"x-amzn-RequestId":["0e6ab5d2-7f4f-4c6e-9f0f-2f3a9c1d8b77"],"Content-Length":["19"],"Date":["#;
    assert!(text.starts_with(head), "{text}");
    let tail = r#""HttpStatusCode":200},"SdkResponseMetadata":{"RequestId":"0e6ab5d2-7f4f-4c6e-9f0f-2f3a9c1d8b77"},"StatusCode":200}"#;
    assert!(text.ends_with(tail), "{text}");
    let http = &output.value()["SdkHttpMetadata"];
    let names = |member: &str| http[member].as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let order = [
        "X-Amz-Executed-Version",
        "x-amzn-Remapped-Content-Length",
        "Connection",
        "x-amzn-RequestId",
        "Content-Length",
        "Date",
        "X-Amzn-Trace-Id",
        "Content-Type",
    ];
    assert_eq!(names("AllHttpHeaders"), order);
    let sorted = [
        "Connection",
        "Content-Length",
        "Content-Type",
        "Date",
        "X-Amz-Executed-Version",
        "x-amzn-Remapped-Content-Length",
        "x-amzn-RequestId",
        "X-Amzn-Trace-Id",
    ];
    assert_eq!(names("HttpHeaders"), sorted);
    integrations.shut_down().await;
}

#[tokio::test]
async fn event_and_dry_run_answer_without_a_payload() {
    let door = Door::open().await;
    let integrations = integrations(vec![("f", function("orders.at_the_door"))]);
    let parameters = format!(r#"{{"FunctionName":"f","InvocationType":"Event","Payload":{}}}"#, door.event());
    let accepted = output(integrations.perform(call_invoke(&parameters)).await);
    assert_eq!(accepted["StatusCode"], 202);
    assert_eq!((accepted.get("Payload"), accepted.get("ExecutedVersion")), (None, None));
    door.knock().await.let_in().await;
    let parameters = r#"{"FunctionName":"f","InvocationType":"DryRun"}"#;
    assert_eq!(output(integrations.perform(call_invoke(parameters)).await)["StatusCode"], 204);
    integrations.shut_down().await;
}

#[tokio::test]
async fn undeclared_function_is_not_found() {
    let integrations = integrations(vec![]);
    let (error, cause) = failure(integrations.perform(call_invoke(r#"{"FunctionName":"absent"}"#)).await);
    assert_eq!(error, "Lambda.ResourceNotFoundException");
    let cause = cause.as_str().expect("text");
    assert!(cause.starts_with("Function not found: arn:aws:lambda:eu-west-1:123456789012:function:absent:$LATEST"), "{cause}");
    assert!(cause.contains("[lambda.absent]") && cause.contains("skald.toml"), "{cause}");
    assert!(cause.ends_with("(Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: 0e6ab5d2-7f4f-4c6e-9f0f-2f3a9c1d8b77; Proxy: null)"));
}

#[tokio::test]
async fn parameters_that_step_functions_does_not_send_are_refused() {
    let integrations = integrations(vec![]);
    let cases = [
        (r#"{"FunctionName":"f","Colour":1}"#, "The field 'Colour' is not supported by Step Functions"),
        (r#"{"Payload":1}"#, "The field 'FunctionName' is required but was missing"),
        (r#"{"FunctionName":1}"#, "The value of the field 'FunctionName' has an invalid format"),
    ];
    for (parameters, reason) in cases {
        let (error, cause) = failure(integrations.perform(call_invoke(parameters)).await);
        assert_eq!(error, "States.Runtime");
        assert_eq!(cause, format!("The Parameters '{parameters}' could not be used to start the Task: [{reason}]"));
    }
}

#[tokio::test]
async fn other_services_are_not_performed_yet() {
    let integrations = integrations(vec![]);
    let (service, action) = ("sqs".to_owned(), "sendMessage".to_owned());
    let resource = Resource::Service { service, action, pattern: Pattern::WaitForTaskToken };
    let (error, cause) = failure(integrations.perform(rig::call_resource(resource, "{}")).await);
    assert_eq!(error, "Skald.NotSupportedYet");
    assert!(cause.as_str().is_some_and(|cause| cause.contains("arn:aws:states:::sqs:sendMessage.waitForTaskToken")));
}
