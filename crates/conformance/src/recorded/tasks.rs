//! Tasks that answer as recorded: calls, task tokens, and workers of activities.
//!
//! The order of events is that of the recording: an answer whose end is event 9 is given when the history has 8 events.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use async_trait::async_trait;
use serde_json::json;
use skald_asl::states::{Pattern, Resource};
use skald_integrations::{Call, Outcome, Perform};
use skald_query::Payload;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::stubs::{Answer, Script, Stub, resource_of};
use super::text_of;
use crate::client::Client;

/// How long an answer waits for the events that were recorded before it: another interleaving may never have so many.
const ORDER_PATIENCE: Duration = Duration::from_secs(3);
/// The pause between two looks at a history.
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// Runs of letters this long are task tokens.
const TOKEN_CHARACTERS_MIN: usize = 64;

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
        let answer = self.script.functions.get(name).map(|behaviour| Answer::of_behaviour(behaviour, &input)).transpose()?;
        Ok(match &call.resource {
            Resource::Service { .. } => answer.map(Answer::of_invoke),
            Resource::Lambda { .. } | Resource::Activity { .. } => answer,
        })
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
        let Some(token) = find_token(call.parameters.text()) else {
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
    async fn perform(&self, call: Arc<Call>) -> Outcome {
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

    async fn follow(&self, call: Arc<Call>, _submitted: Payload) -> Outcome {
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

    /// What AWS's own executions answered was recorded, too.
    fn starts_executions(&self) -> bool {
        self.script.stubs.iter().any(|stub| stub.resource.starts_with("states:startExecution"))
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
pub(super) async fn wait_for_events(client: &mut Client, execution_arn: &str, count: u64) -> Result<()> {
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
