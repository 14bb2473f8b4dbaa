//! Scripted tasks: answer as the script says, and check that each call was due.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use skald_asl::states::Resource;
use skald_integrations::{Call, Outcome, Perform};
use skald_interpreter::{Effect, EventId};
use skald_query::{Payload, Value};

use crate::actors::{self, HeldToken};
use crate::script::{Answer, Step};
use crate::world::World;

/// The tasks of one life.
pub(crate) struct ScriptedTasks {
    world: Arc<World>,
    life: u32,
}

impl ScriptedTasks {
    pub(crate) fn new(world: Arc<World>, life: u32) -> Self {
        Self { world, life }
    }

    /// The call must be outstanding in what is durable, and be made once a life.
    fn check(&self, call: &Call) -> Option<i64> {
        let (arn, scheduled) = (&call.execution_arn, call.scheduled_event);
        let mut broken = Vec::new();
        let mut scheduled_at = None;
        {
            let ledger = self.world.ledger();
            match ledger.by_arn(arn) {
                None => broken.push(format!("{arn}: event {scheduled} was acted on before anything was durable")),
                Some(journal) => {
                    scheduled_at = journal.events().find(|event| event.id == scheduled).map(|event| event.at.millis);
                    match journal.outstanding(scheduled) {
                        Some(Effect::Call { parameters, .. }) => {
                            if parameters != call.parameters {
                                broken.push(format!("{arn}: the call for event {scheduled} has other parameters than are durable"));
                            }
                        }
                        Some(Effect::Offer { .. } | Effect::Follow { .. } | Effect::Cancel { .. } | Effect::Report { .. }) | None => {
                            broken.push(format!("{arn}: called for event {scheduled}, which no durable record asks for"));
                        }
                    }
                }
            }
        }
        let mut memory = self.world.memory();
        memory.calls += 1;
        if !memory.called.insert((self.life, arn.clone(), scheduled)) {
            broken.push(format!("{arn}: called twice for event {scheduled} in one life"));
        }
        let known = memory.request_ids.entry((arn.clone(), scheduled)).or_insert_with(|| call.request_id.clone());
        if *known != call.request_id {
            broken.push(format!("{arn}: the call for event {scheduled} was repeated under another request id"));
        }
        drop(memory);
        if self.is_fenced() && scheduled_at.is_some_and(|at| self.world.now_ms() > at + self.world.acting_ms()) {
            broken.push(format!("{arn}: called for event {scheduled} by an engine that is no owner any more"));
        }
        for text in broken {
            self.world.violation(text);
        }
        scheduled_at
    }

    /// Another engine has claimed the partitions.
    fn is_fenced(&self) -> bool {
        self.world.owner.load(Ordering::Relaxed) != self.life
    }

    /// The answer to this call: the same one whenever it is repeated.
    fn answer(&self, call: &Call) -> Step {
        let mut memory = self.world.memory();
        let identity = (call.execution_arn.clone(), call.scheduled_event);
        if let Some(step) = memory.answered.get(&identity) {
            return step.clone();
        }
        let names = names_of(call);
        let key = names.into_iter().find(|name| self.world.script.tasks.iter().any(|(key, _)| key == name));
        let step = match key {
            None => Step { answer: Answer::Echo, after_ms: 0 },
            Some(key) => {
                let steps: Vec<&Step> = self.world.script.tasks.iter().filter(|(of, _)| *of == key).map(|(_, step)| step).collect();
                // Executions do not take each other's answers.
                let used = memory.used.entry(format!("{}/{key}", call.execution_arn)).or_default();
                let step = steps[(*used).min(steps.len() - 1)].clone();
                *used += 1;
                step
            }
        };
        memory.answered.insert(identity, step.clone());
        step
    }

    /// The task's token goes to whoever answers by it.
    fn hand_out_token(&self, call: &Call) {
        let Some(text) = find_token(call.parameters.value()) else { return };
        let Some(token) = World::read_token(&text) else { return };
        if token.scheduled != call.scheduled_event {
            self.world.violation(format!("the token of event {} says {}", call.scheduled_event, token.scheduled));
        }
        actors::hold_token(&self.world, HeldToken::new(text, call.state_name.to_string(), token, &self.world));
    }
}

#[async_trait]
impl Perform for ScriptedTasks {
    async fn perform(&self, call: Arc<Call>) -> Outcome {
        let scheduled_at = self.check(&call);
        self.hand_out_token(&call);
        let Step { answer, after_ms } = self.answer(&call);
        self.world.sleep_until(scheduled_at.unwrap_or(0) + after_ms).await;
        match answer {
            Answer::Ok(output) => Outcome::Succeeded { output },
            Answer::Echo => Outcome::Succeeded { output: call.parameters.clone() },
            Answer::Fail { error, cause } => Outcome::Failed { error: error.unwrap_or_default(), cause: cause.unwrap_or_default() },
            Answer::Never | Answer::Beat => std::future::pending().await,
        }
    }

    async fn cancel(&self, call: Arc<Call>, _submitted: Payload) -> Result<(), String> {
        let (arn, scheduled) = (call.execution_arn.clone(), call.scheduled_event);
        if self.world.memory().deposed.contains(&self.life) {
            self.world
                .violation(format!("{arn}: the job of event {scheduled} was cancelled by an engine that knew it is no owner any more"));
        }
        let owed = self.world.ledger().by_arn(&arn).and_then(|journal| journal.outstanding(scheduled));
        // One that was not told yet may still be trying what its successor did meanwhile.
        if !matches!(owed, Some(Effect::Cancel { .. })) && !self.is_fenced() {
            self.world.violation(format!("{arn}: event {scheduled} was cancelled, which no durable record asks for"));
        }
        let mut memory = self.world.memory();
        if memory.cancels_failed < self.world.script.failing_cancels {
            memory.cancels_failed += 1;
            return Err("a simulated failure".to_owned());
        }
        *memory.cancelled.entry((arn, scheduled)).or_default() += 1;
        Ok(())
    }

    async fn shut_down(&self) {}
}

/// What a script may call this call by.
fn names_of(call: &Call) -> Vec<String> {
    let resource = match &call.resource {
        Resource::Lambda { arn } | Resource::Activity { arn } => arn.rsplit(':').next().unwrap_or_default().to_owned(),
        Resource::Service { service, action, .. } => format!("{service}:{action}"),
    };
    let call_number = |id: EventId| format!("{}@{id}", call.state_name);
    vec![call_number(call.scheduled_event), call.state_name.to_string(), resource]
}

/// The first text in the parameters that is a token.
fn find_token(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => World::read_token(text).map(|_| text.clone()),
        Value::Array(items) => items.iter().find_map(find_token),
        Value::Object(members) => members.values().find_map(find_token),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
