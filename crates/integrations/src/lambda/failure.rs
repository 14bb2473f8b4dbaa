//! Failures of functions and of the Lambda service, in AWS's words.
//!
//! A function's failure is a *payload*, an object with `errorType` and `errorMessage`: the function posted it, or Lambda
//! makes it when the function could not. [`of_function`] turns a payload into a task's failure.

use serde_json::Value;

use crate::Outcome;
use crate::lambda::runtime_api::ANSWER_BYTES_MAX;

/// SOURCE: a function that times out, as Step Functions has reported it since 2025.
pub fn timed_out(request_id: &str, seconds: u32) -> String {
    platform("Sandbox.Timedout", &format!("RequestId: {request_id} Error: Task timed out after {seconds}.00 seconds"))
}

/// Loading the module took too long. AWS retries that inside the invocation; here it is said at once.
pub fn init_timed_out(request_id: &str, seconds: u32) -> String {
    let message = format!("RequestId: {request_id} Error: Initialization timed out after {seconds}.00 seconds");
    platform("Sandbox.Timedout", &message)
}

/// The process ended without an answer.
pub fn exited(request_id: &str, status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(libc::SIGKILL)) => "Runtime exited with error: signal: killed".to_owned(),
        (None, Some(libc::SIGSEGV)) => "Runtime exited with error: signal: segmentation fault".to_owned(),
        (None, Some(libc::SIGABRT)) => "Runtime exited with error: signal: aborted".to_owned(),
        (None, signal) => format!("Runtime exited with error: signal: {}", signal.unwrap_or_default()),
    };
    platform("Runtime.ExitError", &format!("RequestId: {request_id} Error: {how}"))
}

/// The process could not be started.
pub fn not_started(request_id: &str, reason: &std::io::Error) -> String {
    platform("Runtime.InvalidEntrypoint", &format!("RequestId: {request_id} Error: {reason}"))
}

pub fn answer_too_large() -> String {
    format!(
        r#"{{"errorMessage":"Response payload size exceeded maximum allowed payload size ({ANSWER_BYTES_MAX} bytes).","errorType":"Function.ResponseSizeTooLarge"}}"#
    )
}

/// The failure of a task whose function failed with `payload`: named by its `errorType`, with its text as the cause.
pub fn of_function(payload: &str, printed: Printed) -> Outcome {
    let parsed: Option<Value> = serde_json::from_str(payload).ok();
    let error_type = parsed.as_ref().and_then(|value| value["errorType"].as_str()).filter(|name| !name.is_empty());
    let Some(error_type) = error_type else { return unknown(payload) };
    let cause = match (printed, &parsed) {
        (Printed::Anew, Some(value)) => value.to_string(),
        (Printed::AsPosted, _) | (Printed::Anew, None) => payload.to_owned(),
    };
    Outcome::Failed { error: error_type.to_owned(), cause }
}

/// How a failure's payload becomes a cause. SOURCE: recorded failures keep the blanks that Python prints when a function's
/// ARN is called (`task_lambda`), and have none under `lambda:invoke` (`task_service_lambda`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Printed {
    AsPosted,
    Anew,
}

/// An answer that says too little. SOURCE: causes of `Lambda.Unknown` as users report them; Step Functions Local gives the
/// same name to an answer that is no JSON.
pub fn unknown(payload: &str) -> Outcome {
    let shown = clipped(payload);
    Outcome::Failed {
        error: "Lambda.Unknown".to_owned(),
        cause: format!("The cause could not be determined because Lambda did not return an error type. Returned payload: {shown}"),
    }
}

/// An error of the service. SOURCE: recorded `Lambda.ResourceNotFoundException`.
pub fn of_service(status: u16, code: &str, message: &str, request_id: &str) -> Outcome {
    let error = match code {
        _ if MODELLED.contains(&code) => format!("Lambda.{code}"),
        _ => "Lambda.AWSLambdaException".to_owned(),
    };
    let cause = format!("{message} (Service: AWSLambda; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; Proxy: null)");
    Outcome::Failed { error, cause }
}

/// The service could not be reached.
pub fn of_client(message: &str) -> Outcome {
    Outcome::Failed { error: "Lambda.SdkClientException".to_owned(), cause: message.to_owned() }
}

/// Parameters of `lambda:invoke` that Step Functions would not send. SOURCE: recorded `States.Runtime` of `apigateway:invoke`.
pub fn of_parameters(parameters: &str, reason: &str) -> Outcome {
    Outcome::Failed {
        error: "States.Runtime".to_owned(),
        cause: format!("The Parameters '{parameters}' could not be used to start the Task: [{reason}]"),
    }
}

/// SOURCE: Lambda API model, errors of `Invoke`. Others appear under the SDK's base class.
const MODELLED: &[&str] = &[
    "EC2AccessDeniedException",
    "EC2ThrottledException",
    "EC2UnexpectedException",
    "EFSIOException",
    "EFSMountConnectivityException",
    "EFSMountFailureException",
    "EFSMountTimeoutException",
    "ENILimitReachedException",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "InvalidRuntimeException",
    "InvalidSecurityGroupIDException",
    "InvalidSubnetIDException",
    "InvalidZipFileException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "RecursiveInvocationException",
    "RequestTooLargeException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "ResourceNotReadyException",
    "ServiceException",
    "SnapStartException",
    "SnapStartNotReadyException",
    "SnapStartTimeoutException",
    "SubnetIPAddressLimitReachedException",
    "TooManyRequestsException",
    "UnsupportedMediaTypeException",
];

fn platform(error_type: &str, message: &str) -> String {
    format!(r#"{{"errorType":{},"errorMessage":{}}}"#, Value::from(error_type), Value::from(message))
}

/// Bytes of a payload shown in a cause; AWS's causes end at 32,768 characters.
const SHOWN_BYTES_MAX: usize = 30_000;

fn clipped(payload: &str) -> &str {
    &payload[..payload.floor_char_boundary(SHOWN_BYTES_MAX)]
}
