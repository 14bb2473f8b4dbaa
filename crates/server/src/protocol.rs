//! AWS JSON 1.0: requests name their action in a header, answers are JSON objects, errors name themselves in `__type`.

use std::cell::RefCell;
use std::fmt::Display;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use skald_asl::Timestamp;

/// What stands before the action's name in `X-Amz-Target`.
const TARGET_PREFIX: &str = "AWSStepFunctions.";
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

/// A refusal, as it goes over the wire.
#[derive(Debug)]
pub(crate) struct ApiError {
    /// `__type`: AWS's name of the error.
    pub kind: &'static str,
    pub message: String,
    pub status: StatusCode,
    /// A member beside type and message, such as `reason`.
    pub detail: Option<(&'static str, String)>,
    /// For the log, never for the wire.
    pub cause: Option<String>,
}

impl ApiError {
    /// An error of the model: HTTP 400.
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: StatusCode::BAD_REQUEST, detail: None, cause: None }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    pub(crate) fn invalid_arn(reason: impl Display) -> Self {
        Self::new("InvalidArn", format!("Invalid Arn: '{reason}'"))
    }

    pub(crate) fn invalid_token() -> Self {
        Self::new("InvalidToken", "Invalid Token: 'Invalid token'")
    }

    pub(crate) fn throttled() -> Self {
        Self::new("ThrottlingException", "Rate exceeded")
    }

    /// Ours to fix: the wire learns nothing but that.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        Self {
            kind: "InternalFailure",
            message: "The request processing has failed because of an unknown error, exception or failure.".to_owned(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            detail: None,
            cause: Some(cause.into()),
        }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_detail(self, name: &'static str, value: impl Into<String>) -> Self {
        Self { detail: Some((name, value.into())), ..self }
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let mut body = Map::new();
        body.insert("__type".to_owned(), self.kind.into());
        body.insert("message".to_owned(), self.message.as_str().into());
        if let Some((name, value)) = &self.detail {
            body.insert((*name).to_owned(), value.as_str().into());
        }
        let mut response = json_response(self.status, Value::Object(body).to_string().into_bytes());
        // SDKs that look for the header first find the same name there.
        response.headers_mut().insert("x-amzn-ErrorType", HeaderValue::from_static(self.kind));
        response
    }
}

/// The engine's errors are named and worded as AWS does; its faults carry their cause.
impl<E> From<E> for ApiError
where
    E: std::error::Error,
    for<'a> &'a E: Into<&'static str>,
{
    fn from(error: E) -> Self {
        let kind: &'static str = (&error).into();
        if kind == "InternalFailure" {
            return Self::internal(error.source().map_or_else(|| error.to_string(), ToString::to_string));
        }
        Self::new(kind, error.to_string())
    }
}

/// The body of a successful answer.
pub(crate) fn encode(answer: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answer).map_err(|error| ApiError::internal(format!("an answer that is no JSON: {error}")))
}

pub(crate) fn json_response(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

/// The action that the request names, without the service.
pub(crate) fn action_name(headers: &HeaderMap) -> Result<&str, ApiError> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    match target.and_then(|target| target.strip_prefix(TARGET_PREFIX)) {
        Some(action) => Ok(action),
        None => Err(ApiError::new(
            "UnknownOperationException",
            format!("The header X-Amz-Target must name an operation: {TARGET_PREFIX}<Operation>"),
        )),
    }
}

/// The members of a request's body. No body is an empty object.
pub(crate) fn parse_body(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    // The parser's own limit of 128 levels holds here: no request nests deeper than 10; documents travel as strings.
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(ApiError::serialization("The request's body must be a JSON object"))
        }
        Err(error) => Err(ApiError::serialization(format!("The request's body is not valid JSON: {error}"))),
    }
}

/// Epoch seconds with milliseconds as the fraction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instant(pub Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.millis as f64 / 1_000.0)
    }
}

/// A random UUID, version 4.
pub(crate) fn new_uuid() -> String {
    RANDOM.with_borrow_mut(|random| skald_aws::hex::uuid(random.take()))
}

thread_local! {
    static RANDOM: RefCell<Random> = const { RefCell::new(Random { bytes: [0; RANDOM_BYTES], used: RANDOM_BYTES }) };
}

/// What a thread asks the system for at once: every answer takes 16 bytes of it.
const RANDOM_BYTES: usize = 1024;

struct Random {
    bytes: [u8; RANDOM_BYTES],
    used: usize,
}

impl Random {
    fn take(&mut self) -> [u8; 16] {
        if self.used == RANDOM_BYTES {
            getrandom::fill(&mut self.bytes).expect("the operating system has randomness");
            self.used = 0;
        }
        let taken = self.bytes[self.used..self.used + 16].try_into().expect("sixteen bytes");
        self.used += 16;
        taken
    }
}

#[cfg(test)]
mod tests;
