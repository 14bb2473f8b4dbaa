//! What tasks were recorded to answer.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Map, json};
use skald_asl::states::Resource;
use skald_integrations::Call;
use skald_query::{Payload, Value};

use super::{list, text_of};
use crate::compare::{Beyond, Bindings, compare};

/// What the world outside was recorded to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) stubs: Vec<Stub>,
    /// Lambda functions by name, and what they do.
    pub(super) functions: BTreeMap<String, Value>,
    /// What every call gets that nothing else says an answer for.
    pub(super) default_answer: Option<Answer>,
}

/// One recorded call.
#[derive(Debug, Clone)]
pub(super) struct Stub {
    pub(super) state: Option<String>,
    /// The ARN of a function or an activity, or `service:action.pattern`.
    pub(super) resource: String,
    /// Parameters of a service, input of a function or an activity.
    pub(super) parameters: Value,
    /// What a `.sync` or `.waitForTaskToken` call answered at once.
    pub(super) submitted: Option<Payload>,
    pub(super) answer: Answer,
    /// The id of the event that the answer caused; none where the order does not matter.
    pub(super) ends_at: Option<u64>,
    pub(super) worker: Option<Worker>,
}

/// Who polled an activity.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) name: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Answer {
    Succeeds(Payload),
    Fails {
        error: Option<String>,
        cause: Option<String>,
    },
    /// The clock ends the task.
    Never,
}

impl Script {
    /// The script of a case; `order` is given where another order of events is as good.
    pub(super) fn of(case: &Value) -> Result<Self> {
        let events = list(&case["expected"]["events"]);
        let mut unplaced = events.iter().filter(|event| event["id"].is_null()).filter_map(Answer::of_event);
        let is_ordered = case.get("order").is_none();
        let mut stubs = Vec::new();
        for stub in list(&case["stubs"]) {
            let answer = if stub["result"].is_null() {
                // Its scheduled event has lost its id; so has the event of its end.
                unplaced.next().context("the recording has no answer to a call")??
            } else {
                Answer::of_result(&stub["result"])?
            };
            let ends_at = stub["scheduled_event"].as_u64().and_then(|scheduled| end_of(events, scheduled)).filter(|_| is_ordered);
            stubs.push(Stub::read(stub, answer, ends_at, events)?);
        }
        Ok(Self { stubs, functions: functions_of(case), default_answer: None })
    }

    /// Every call is answered with `answer`.
    pub(super) fn always(answer: Payload) -> Self {
        Self { default_answer: Some(Answer::Succeeds(answer)), ..Self::default() }
    }

    /// Functions answer as they do, every other call with an empty object.
    pub(super) fn of_functions(case: &Value) -> Self {
        Self { functions: functions_of(case), ..Self::always(Payload::empty_object()) }
    }
}

fn functions_of(case: &Value) -> BTreeMap<String, Value> {
    let functions = list(&case["setup"]).iter().filter(|step| step["service"] == "lambda" && step["op"] == "create_function");
    functions.map(|step| (text_of(&step["params"]["FunctionName"]).to_owned(), step["behaviour"].clone())).collect()
}

impl Stub {
    fn read(stub: &Value, answer: Answer, ends_at: Option<u64>, events: &[Value]) -> Result<Self> {
        let name = text_of(&stub["resource"]);
        let resource = match stub["resourceType"].as_str() {
            Some(service) => format!("{service}:{name}"),
            None => name.to_owned(),
        };
        let started = events
            .iter()
            .find(|event| event["type"] == "ActivityStarted" && event["previousEventId"] == stub["scheduled_event"])
            .map(|event| Worker { name: event["activityStartedEventDetails"]["workerName"].as_str().map(str::to_owned) });
        Ok(Self {
            state: stub["state"].as_str().map(str::to_owned),
            resource,
            parameters: stub.get("parameters").or_else(|| stub.get("input")).cloned().unwrap_or_default(),
            submitted: stub.get("submitted").map(|submitted| payload_of(&submitted["output"])).transpose()?,
            answer,
            ends_at,
            worker: started,
        })
    }

    pub(super) fn is_of(&self, call: &Call) -> bool {
        self.resource == resource_of(call) && self.state.as_ref().is_none_or(|state| **state == *call.state_name)
    }

    pub(super) fn has_parameters_of(&self, call: &Call) -> bool {
        compare(&self.parameters, call.parameters.value(), Beyond::Refused, &mut Bindings::default(), "").is_ok()
    }
}

impl Answer {
    fn of_result(result: &Value) -> Result<Self> {
        if text_of(&result["type"]).ends_with("TimedOut") {
            return Ok(Self::Never);
        }
        Ok(match result.get("output") {
            Some(output) => Self::Succeeds(payload_of(output)?),
            None => Self::Fails { error: result["error"].as_str().map(str::to_owned), cause: cause_of(&result["cause"]) },
        })
    }

    /// The answer that an event was caused by.
    fn of_event(event: &Value) -> Option<Result<Self>> {
        let kind = text_of(&event["type"]);
        let is_end = ["Task", "LambdaFunction", "Activity"]
            .iter()
            .any(|of| kind.strip_prefix(of).is_some_and(|end| matches!(end, "Succeeded" | "Failed" | "TimedOut")));
        let details = event.as_object()?.iter().find(|(name, _)| name.ends_with("EventDetails")).map(|(_, details)| details.clone());
        is_end.then(|| {
            let mut result = details.unwrap_or_else(|| json!({}));
            result["type"] = event["type"].clone();
            Self::of_result(&result)
        })
    }

    pub(super) fn of_behaviour(behaviour: &Value, input: &Payload) -> Result<Self> {
        Ok(match text_of(&behaviour["do"]) {
            "return_event" => Self::Succeeds(input.clone()),
            "return" => Self::Succeeds(Payload::from_value(behaviour["value"].clone())),
            "return_string" => {
                let times = behaviour["repeat"].as_u64().unwrap_or(1);
                let text = text_of(&behaviour["text"]).repeat(usize::try_from(times)?);
                Self::Succeeds(Payload::from_value(json!(text)))
            }
            "raise" => {
                let (kind, message) = (&behaviour["errorType"], &behaviour["errorMessage"]);
                // SOURCE: all recorded functions that raise do it in this line.
                let line = format!("raise {}({})", text_of(kind), message);
                let trace = format!("  File \"/var/task/handler.py\", line 2, in handler\n    {line}\n");
                let cause = json!({ "errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": [trace] });
                Self::Fails { error: kind.as_str().map(str::to_owned), cause: Some(cause.to_string()) }
            }
            "sleep_then_return_event" => Self::Never,
            other => bail!("no function is known that does {other:?}"),
        })
    }

    /// As `lambda:invoke` answers what a function answers. SOURCE: recorded.
    pub(super) fn of_invoke(self) -> Self {
        let Self::Succeeds(payload) = self else { return self };
        let headers = [
            ("Connection", "keep-alive".to_owned()),
            ("Content-Length", (payload.value().to_string().len() + blanks(payload.value())).to_string()),
            ("Content-Type", "application/json".to_owned()),
            ("Date", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned()),
            ("X-Amz-Executed-Version", "$LATEST".to_owned()),
            ("x-amzn-Remapped-Content-Length", "0".to_owned()),
            ("x-amzn-RequestId", "0".to_owned()),
            ("X-Amzn-Trace-Id", "Root=0".to_owned()),
        ];
        let all: Map<String, Value> = headers.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
        let each: Map<String, Value> = headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        Self::Succeeds(Payload::from_value(json!({
            "ExecutedVersion": "$LATEST",
            "Payload": payload.value(),
            "SdkHttpMetadata": { "AllHttpHeaders": all, "HttpHeaders": each, "HttpStatusCode": 200 },
            "SdkResponseMetadata": { "RequestId": "0" },
            "StatusCode": 200,
        })))
    }
}

/// Blanks that Python prints after commas and colons.
fn blanks(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len().saturating_sub(1) + items.iter().map(blanks).sum::<usize>(),
        Value::Object(members) => (2 * members.len()).saturating_sub(1) + members.values().map(blanks).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The event that ended the task of a scheduled event: the last one of the chain Scheduled, Started, Submitted, …
fn end_of(events: &[Value], scheduled: u64) -> Option<u64> {
    let mut at = scheduled;
    loop {
        let next = events.iter().find(|event| event["previousEventId"].as_u64() == Some(at))?;
        let kind = text_of(&next["type"]);
        at = next["id"].as_u64()?;
        if !(kind.ends_with("Started") || kind.ends_with("Submitted")) {
            return Some(at);
        }
    }
}

/// As recorded stubs name it.
pub(super) fn resource_of(call: &Call) -> String {
    match &call.resource {
        Resource::Lambda { arn } | Resource::Activity { arn } => arn.clone(),
        Resource::Service { service, action, pattern } => format!("{service}:{action}{}", pattern.suffix()),
    }
}

/// Recorded texts that began with a brace were parsed by the recorder.
fn payload_of(recorded: &Value) -> Result<Payload> {
    match recorded {
        Value::String(text) => Ok(Payload::parse(text.as_str())?),
        other => Ok(Payload::from_value(other.clone())),
    }
}

fn cause_of(recorded: &Value) -> Option<String> {
    match recorded {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
