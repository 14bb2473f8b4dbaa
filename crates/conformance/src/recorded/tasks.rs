//! Tasks that answer as recorded: calls, task tokens, and workers of activities.
//!
//! The order of events is that of the recording: an answer whose end is event 9 is given when the history has 8 events.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use serde_json::json;
use skald_asl::states::{Pattern, Resource};
use skald_integrations::{Call, Outcome, Perform};
use skald_query::{Payload, Value};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{list, text_of};
use crate::client::Client;
use crate::compare::{Beyond, Bindings, compare};

/// How long an answer waits for the events that were recorded before it: another interleaving may never have so many.
const ORDER_PATIENCE: Duration = Duration::from_secs(3);
/// The pause between two looks at a history.
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// Runs of letters this long are task tokens.
const TOKEN_CHARACTERS_MIN: usize = 64;

/// What the world outside was recorded to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    stubs: Vec<Stub>,
    /// Lambda functions by name, and what they do.
    functions: BTreeMap<String, Value>,
    /// What every call gets that nothing else says an answer for.
    default_answer: Option<Answer>,
}

/// One recorded call.
#[derive(Debug, Clone)]
struct Stub {
    state: Option<String>,
    /// The ARN of a function or an activity, or `service:action.pattern`.
    resource: String,
    /// Parameters of a service, input of a function or an activity.
    parameters: Value,
    /// What a `.sync` or `.waitForTaskToken` call answered at once.
    submitted: Option<Payload>,
    answer: Answer,
    /// The id of the event that the answer caused; none where the order does not matter.
    ends_at: Option<u64>,
    worker: Option<Worker>,
}

/// Who polled an activity.
#[derive(Debug, Clone)]
struct Worker {
    name: Option<String>,
}

#[derive(Debug, Clone)]
enum Answer {
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

    fn is_of(&self, call: &Call) -> bool {
        self.resource == resource_of(call) && self.state.as_ref().is_none_or(|state| *state == call.state_name)
    }

    fn has_parameters_of(&self, call: &Call) -> bool {
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

    fn of_behaviour(behaviour: &Value, input: &Payload) -> Result<Self> {
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
                let cause = json!({ "errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": [] });
                Self::Fails { error: kind.as_str().map(str::to_owned), cause: Some(cause.to_string()) }
            }
            "sleep_then_return_event" => Self::Never,
            other => bail!("no function is known that does {other:?}"),
        })
    }
}

/// The tasks of one case's server.
pub(super) struct ScriptedTasks {
    script: Script,
    address: SocketAddr,
    progress: Mutex<Progress>,
    /// Why the case cannot go on, once that is known.
    stuck: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct Progress {
    /// Stubs that were used.
    used: Vec<bool>,
    /// The stub of each call, so that a repeated call gets the same answer.
    given: BTreeMap<(String, u64), usize>,
    /// What goes on beside the calls.
    beside: JoinSet<()>,
}

impl ScriptedTasks {
    pub(super) fn new(script: Script, address: SocketAddr) -> Self {
        let progress = Progress { used: vec![false; script.stubs.len()], ..Progress::default() };
        Self { script, address, progress: Mutex::new(progress), stuck: watch::channel(None).0 }
    }

    /// Resolves with the reason once the case cannot go on.
    pub(super) async fn stuck(&self) -> String {
        let mut stuck = self.stuck.subscribe();
        let reason = stuck.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    /// Ends what goes on beside the calls.
    pub(super) fn give_up(&self) {
        self.progress().beside.abort_all();
    }

    /// Workers that poll as recorded, for the activities of the stubs.
    pub(super) fn start_workers(&self, execution_arn: &str) {
        let mut by_activity: BTreeMap<String, Vec<Stub>> = BTreeMap::new();
        for stub in self.script.stubs.iter().filter(|stub| stub.resource.contains(":activity:") && stub.worker.is_some()) {
            by_activity.entry(stub.resource.clone()).or_default().push(stub.clone());
        }
        for (arn, stubs) in by_activity {
            let (address, execution, stuck) = (self.address, execution_arn.to_owned(), self.stuck.clone());
            self.progress().beside.spawn(async move {
                for stub in stubs {
                    if let Err(error) = work(address, &arn, &execution, stub).await {
                        stuck.send_replace(Some(format!("the worker of {arn}: {error:#}")));
                    }
                }
            });
        }
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().expect("nobody panics who holds it")
    }

    /// The recorded call that this one is: by its parameters, else the next of its state.
    fn stub_of(&self, call: &Call) -> Option<&Stub> {
        let mut progress = self.progress();
        let identity = (call.execution_arn.clone(), call.scheduled_event);
        let known = progress.given.get(&identity).copied();
        let number = known.or_else(|| {
            let unused = |number: &usize| !progress.used[*number] && self.script.stubs[*number].is_of(call);
            let mut fitting = (0..self.script.stubs.len()).filter(unused);
            let exact = fitting.clone().find(|number| self.script.stubs[*number].has_parameters_of(call));
            exact.or_else(|| fitting.next())
        })?;
        progress.used[number] = true;
        progress.given.insert(identity, number);
        self.script.stubs.get(number)
    }

    /// What a function of the case answers that no recording says an answer for.
    fn function_answer(&self, call: &Call) -> Result<Option<Answer>> {
        let parameters = call.parameters.value();
        let (name, input) = match &call.resource {
            Resource::Lambda { arn } => (arn.as_str(), call.parameters.clone()),
            Resource::Service { service, .. } if service == "lambda" => {
                let payload = parameters.get("Payload").cloned().unwrap_or_else(|| json!({}));
                (text_of(&parameters["FunctionName"]), Payload::from_value(payload))
            }
            Resource::Service { .. } | Resource::Activity { .. } => return Ok(None),
        };
        let name = name.split(":function:").last().unwrap_or_default().split(':').next().unwrap_or_default();
        self.script.functions.get(name).map(|behaviour| Answer::of_behaviour(behaviour, &input)).transpose()
    }

    fn is_stuck(&self, reason: String) -> Outcome {
        self.stuck.send_replace(Some(reason.clone()));
        Outcome::Failed { error: "Conformance.NoAnswer".to_owned(), cause: reason }
    }

    /// Answers by the token that the call's parameters hold.
    fn answer_by_token(&self, call: &Call, stub: &Stub) {
        if matches!(stub.answer, Answer::Never) {
            return;
        }
        let Some(token) = find_token(&call.parameters.text()) else {
            self.is_stuck("there is no task token in the parameters".to_owned());
            return;
        };
        let (address, arn, answer, stuck) = (self.address, call.execution_arn.clone(), stub.answer.clone(), self.stuck.clone());
        // Scheduled and started come before, and so does submitted.
        let ends_at = stub.ends_at.unwrap_or(call.scheduled_event + 3);
        self.progress().beside.spawn(async move {
            let answered = async {
                let mut client = Client::connect(address).await?;
                wait_for_events(&mut client, &arn, ends_at - 1).await?;
                send_answer(&mut client, &token, answer).await
            };
            if let Err(error) = answered.await {
                stuck.send_replace(Some(format!("answering by token: {error:#}")));
            }
        });
    }

    async fn wait_for_turn(&self, call: &Call, stub: &Stub) -> Result<()> {
        match stub.ends_at {
            // Scheduled and started are durable when a call is made.
            Some(ends_at) if ends_at > call.scheduled_event + 2 => {
                let mut client = Client::connect(self.address).await?;
                wait_for_events(&mut client, &call.execution_arn, ends_at - 1).await
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[async_trait]
impl Perform for ScriptedTasks {
    async fn perform(&self, call: Call) -> Outcome {
        let Some(stub) = self.stub_of(&call) else {
            let answer = self.function_answer(&call).map(|answer| answer.or_else(|| self.script.default_answer.clone()));
            return match answer {
                Ok(Some(answer)) => give(answer).await,
                Ok(None) => self.is_stuck(format!("no answer was recorded to {} of state {}", resource_of(&call), call.state_name)),
                Err(error) => self.is_stuck(format!("{error:#}")),
            };
        };
        if let Some(submitted) = &stub.submitted {
            match pattern_of(&call) {
                Pattern::WaitForTaskToken => self.answer_by_token(&call, stub),
                Pattern::Sync | Pattern::Sync2 | Pattern::RequestResponse => {}
            }
            return Outcome::Succeeded { output: submitted.clone() };
        }
        match self.wait_for_turn(&call, stub).await {
            Ok(()) => give(stub.answer.clone()).await,
            Err(error) => self.is_stuck(format!("{error:#}")),
        }
    }

    async fn follow(&self, call: Call, _submitted: Payload) -> Outcome {
        // The call itself was given its stub.
        let Some(stub) = self.stub_of(&call) else {
            return self.is_stuck(format!("{} was followed and never called", resource_of(&call)));
        };
        // Scheduled, started and submitted are durable when a job is followed.
        let is_next = stub.ends_at.is_none_or(|ends_at| ends_at <= call.scheduled_event + 3);
        match if is_next { Ok(()) } else { self.wait_for_turn(&call, stub).await } {
            Ok(()) => give(stub.answer.clone()).await,
            Err(error) => self.is_stuck(format!("{error:#}")),
        }
    }

    async fn shut_down(&self) {}
}

async fn give(answer: Answer) -> Outcome {
    match answer {
        Answer::Succeeds(output) => Outcome::Succeeded { output },
        Answer::Fails { error, cause } => Outcome::Failed { error: error.unwrap_or_default(), cause: cause.unwrap_or_default() },
        Answer::Never => std::future::pending().await,
    }
}

/// Polls the activity until it has a task, and answers that.
async fn work(address: SocketAddr, arn: &str, execution_arn: &str, stub: Stub) -> Result<()> {
    let mut client = Client::connect(address).await?;
    let mut request = json!({ "activityArn": arn });
    if let Some(name) = stub.worker.and_then(|worker| worker.name) {
        request["workerName"] = json!(name);
    }
    let token = loop {
        let task = client.done("GetActivityTask", &request).await?;
        if let Some(token) = task["taskToken"].as_str() {
            break token.to_owned();
        }
    };
    if let Some(ends_at) = stub.ends_at {
        wait_for_events(&mut client, execution_arn, ends_at - 1).await?;
    }
    send_answer(&mut client, &token, stub.answer).await
}

async fn send_answer(client: &mut Client, token: &str, answer: Answer) -> Result<()> {
    match answer {
        Answer::Succeeds(output) => {
            client.done("SendTaskSuccess", &json!({ "taskToken": token, "output": output.text() })).await?;
        }
        Answer::Fails { error, cause } => {
            let mut request = json!({ "taskToken": token });
            for (name, text) in [("error", error), ("cause", cause)] {
                if let Some(text) = text {
                    request[name] = json!(text);
                }
            }
            client.done("SendTaskFailure", &request).await?;
        }
        Answer::Never => {}
    }
    Ok(())
}

/// Returns once the history has so many events, or after a while: the interleaving may be another one.
async fn wait_for_events(client: &mut Client, execution_arn: &str, count: u64) -> Result<()> {
    let began = Instant::now();
    loop {
        let request = json!({ "executionArn": execution_arn, "reverseOrder": true, "maxResults": 1 });
        let history = client.done("GetExecutionHistory", &request).await?;
        let last = history["events"][0]["id"].as_u64().unwrap_or(0);
        if last >= count || began.elapsed() > ORDER_PATIENCE {
            return Ok(());
        }
        tokio::time::sleep(LOOK_PAUSE).await;
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

fn resource_of(call: &Call) -> String {
    match &call.resource {
        Resource::Lambda { arn } | Resource::Activity { arn } => arn.clone(),
        Resource::Service { service, action, pattern } => format!("{service}:{action}{}", pattern.suffix()),
    }
}

fn pattern_of(call: &Call) -> Pattern {
    match &call.resource {
        Resource::Lambda { .. } | Resource::Activity { .. } => Pattern::RequestResponse,
        Resource::Service { pattern, .. } => *pattern,
    }
}

/// The longest run of a token's characters.
fn find_token(parameters: &str) -> Option<String> {
    let runs = parameters.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'));
    runs.filter(|run| run.len() >= TOKEN_CHARACTERS_MIN).max_by_key(|run| run.len()).map(str::to_owned)
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
