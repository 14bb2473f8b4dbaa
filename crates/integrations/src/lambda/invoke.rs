//! The request and the reply of Lambda's `Invoke`, as `lambda:invoke` spells them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use skald_aws::lambda::{FunctionReference, FunctionReferenceError};
use skald_query::Payload;

/// One call.
#[derive(Debug, Clone)]
pub struct InvokeRequest<'a> {
    /// A [`FunctionReference`].
    function: Cow<'a, str>,
    /// `Qualifier`, which the function's name may hold as well.
    pub qualifier: Option<String>,
    pub event: Bytes,
    pub invocation_type: InvocationType,
    /// JSON text.
    pub client_context: Option<String>,
    pub shown: Shown,
}

/// What the caller sees of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Payload,
    /// The reply's headers, too.
    Everything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

/// What came back, before it is looked into.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Nothing for invocations whose result nobody waits for.
    pub executed_version: Option<String>,
    /// If they are shown.
    pub headers: Vec<(String, String)>,
    pub request_id: String,
    pub payload: Bytes,
}

/// Why parameters cannot be sent, in Step Functions' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    #[error("The field '{0}' is not supported by Step Functions")]
    Unsupported(String),
    #[error("The field '{0}' is required but was missing")]
    Missing(&'static str),
    #[error("The value of the field '{0}' has an invalid format")]
    Format(&'static str),
}

/// The members of `Parameters`.
const FIELDS: &[&str] = &["FunctionName", "Payload", "Qualifier", "InvocationType", "ClientContext", "LogType"];

impl InvocationType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestResponse => "RequestResponse",
            Self::Event => "Event",
            Self::DryRun => "DryRun",
        }
    }
}

impl<'a> InvokeRequest<'a> {
    /// # Errors
    /// Where `function` names none.
    pub fn synchronous(function: &'a str, event: Bytes) -> Result<Self, FunctionReferenceError> {
        let qualifier = FunctionReference::parse(function)?.qualifier.map(str::to_owned);
        let function = Cow::Borrowed(function);
        Ok(Self {
            function,
            qualifier,
            event,
            invocation_type: InvocationType::RequestResponse,
            client_context: None,
            shown: Shown::Payload,
        })
    }

    /// Reads the effective parameters of `lambda:invoke`. `LogType` is accepted; no log comes back.
    ///
    /// # Errors
    /// [`ParametersError`], for the first member that is wrong.
    pub fn read(parameters: &str) -> Result<Self, ParametersError> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(parameters).map_err(|_| ParametersError::Format("Parameters"))?;
        if let Some(name) = members.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(ParametersError::Unsupported(name.clone()));
        }
        let text = |name: &'static str| match members.get(name) {
            None => Ok(None),
            Some(raw) => serde_json::from_str::<Option<String>>(raw.get()).map_err(|_| ParametersError::Format(name)),
        };
        let name = text("FunctionName")?.ok_or(ParametersError::Missing("FunctionName"))?;
        let function = FunctionReference::parse(&name).map_err(|_| ParametersError::Format("FunctionName"))?;
        let invocation_type = match text("InvocationType")?.as_deref() {
            None | Some("RequestResponse") => InvocationType::RequestResponse,
            Some("Event") => InvocationType::Event,
            Some("DryRun") => InvocationType::DryRun,
            Some(_) => return Err(ParametersError::Format("InvocationType")),
        };
        match text("LogType")?.as_deref() {
            None | Some("None" | "Tail") => {}
            Some(_) => return Err(ParametersError::Format("LogType")),
        }
        let client_context = match text("ClientContext")? {
            None => None,
            Some(encoded) => Some(client_context(&encoded).ok_or(ParametersError::Format("ClientContext"))?),
        };
        let event = members.get("Payload").map_or("{}", |raw| raw.get());
        let qualifier = text("Qualifier")?.or_else(|| function.qualifier.map(str::to_owned));
        let function = Cow::Owned(name);
        let event = Bytes::copy_from_slice(event.as_bytes());
        Ok(Self { function, qualifier, event, invocation_type, client_context, shown: Shown::Everything })
    }

    pub fn function(&self) -> FunctionReference<'_> {
        FunctionReference::parse(&self.function).expect("it was parsed before")
    }

    /// A local function has one version; a number asked for is taken at its word, an alias leads to the newest.
    pub fn executed_version(&self) -> String {
        match &self.qualifier {
            Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => number.clone(),
            Some(_) | None => "$LATEST".to_owned(),
        }
    }
}

impl Reply {
    /// What AWS's HTTP reply for a local function's answer would be. SOURCE: recorded `lambda:invoke` (`services_lambda`).
    pub fn of_local(
        status: u16,
        executed_version: Option<String>,
        payload: Bytes,
        request_id: &str,
        trace_id: &str,
        now_seconds: u64,
    ) -> Self {
        let root = trace_id.split(';').find(|part| part.starts_with("Root=")).unwrap_or_default();
        let pairs = [
            ("X-Amz-Executed-Version", executed_version.clone()),
            ("x-amzn-Remapped-Content-Length", Some("0".to_owned())),
            ("Connection", Some("keep-alive".to_owned())),
            ("x-amzn-RequestId", Some(request_id.to_owned())),
            ("Content-Length", Some(payload.len().to_string())),
            ("Date", Some(skald_aws::date::http_date(now_seconds))),
            ("X-Amzn-Trace-Id", Some(format!("{root};Sampled=0"))),
            ("Content-Type", Some("application/json".to_owned())),
        ];
        let headers = pairs.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect();
        Self { status, executed_version, headers, request_id: request_id.to_owned(), payload }
    }

    /// The payload, if it is JSON.
    pub fn json(&self) -> Option<Payload> {
        let text = std::str::from_utf8(&self.payload).ok()?;
        Payload::parse(text.trim()).ok()
    }

    /// The result of the task: members in AWS's order, the payload without the blanks between its tokens. Nothing if there
    /// is a payload and it is no JSON.
    pub fn output(&self) -> Option<String> {
        let mut all_headers: Map<String, Value> = Map::new();
        for (name, value) in &self.headers {
            match all_headers.get_mut(name) {
                Some(Value::Array(values)) => values.push(Value::from(value.as_str())),
                _ => drop(all_headers.insert(name.clone(), json!([value]))),
            }
        }
        let mut sorted: Vec<&(String, String)> = self.headers.iter().collect();
        sorted.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        let headers: Map<String, Value> = sorted.into_iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let http = json!({ "AllHttpHeaders": all_headers, "HttpHeaders": headers, "HttpStatusCode": self.status });
        let response = json!({ "RequestId": self.request_id });

        let mut text = String::from("{");
        if let Some(version) = &self.executed_version {
            text.push_str(&format!(r#""ExecutedVersion":{},"#, Value::from(version.as_str())));
        }
        if !self.payload.is_empty() {
            text.push_str(&format!(r#""Payload":{},"#, without_blanks(self.json()?.text())));
        } else if self.executed_version.is_some() {
            return None;
        }
        let status = self.status;
        text.push_str(&format!(r#""SdkHttpMetadata":{http},"SdkResponseMetadata":{response},"StatusCode":{status}}}"#));
        Some(text)
    }
}

/// The base64 of an object's text.
fn client_context(encoded: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    // A header is one line.
    let value: Value = serde_json::from_str(&text).ok()?;
    value.is_object().then(|| without_blanks(&text))
}

/// JSON text without the white space between its tokens; numbers and strings stay as they are written.
fn without_blanks(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = in_string,
            '"' => in_string = !in_string,
            ' ' | '\n' | '\r' | '\t' if !in_string => continue,
            _ => {}
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests;
