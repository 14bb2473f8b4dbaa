//! Acting: once records are durable, publish, reply, and do what is outstanding.

use std::collections::{BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use skald_asl::Timestamp;
use skald_integrations::{Call, Outcome};
use skald_interpreter::execution::Beats;
use skald_interpreter::{Effect, EventId, Identity};
use skald_query::Payload;
use skald_store::EntityId;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinError;

use super::decide::Logged;
use super::entity::{Entity, Item};
use super::{Answer, Appended, FIRED_MAX, FIRED_MIN, FIRED_PER_SECOND, Owner, Round};
use crate::children::{self, Starting};
use crate::engine::Engine;
use crate::live::{self, Summary};
use crate::shared::{Shared, derived_uuid};
use crate::token::Token;

/// The pause before a call that came to nothing is made again.
const GAVE_UP_PAUSE: Duration = Duration::from_secs(1);
/// The pause before a cancellation is tried again doubles from here …
const CANCEL_PAUSE_FIRST: Duration = Duration::from_secs(1);
/// … to here …
const CANCEL_PAUSE_MAX: Duration = Duration::from_secs(60);
/// … and ends here: a dead endpoint cannot keep executions open for ever. SOURCE: design, "What an ended execution still owes".
const CANCEL_PATIENCE: Duration = Duration::from_secs(24 * 3_600);

impl Owner {
    pub(super) fn take_round(&mut self, round: Result<Round, JoinError>) {
        match round {
            Ok(Round { appended, took }) => {
                let suits = ((FIRED_PER_SECOND * took.as_secs_f64()) as usize).clamp(FIRED_MIN, FIRED_MAX);
                // One slow flush tells nothing yet.
                self.fired_max = (7 * self.fired_max + suits) / 8;
                appended.into_iter().for_each(|appended| self.take_appended(appended));
            }
            Err(error) => {
                tracing::error!(%error, "an append was lost");
                self.shared.broken.send_replace(Some("an append was lost".to_owned()));
            }
        }
    }

    fn take_appended(&mut self, mut appended: Appended) {
        if matches!(appended.result, Err(skald_store::Error::Full(_)))
            && !self.shared.is_stopping()
            && let Some(batch) = appended.kept.take()
        {
            self.append_again(batch, appended);
            return;
        }
        let Appended { entities, names, logged, kept: _, result } = appended;
        for name in names {
            self.starting.remove(&name);
        }
        match result {
            Ok(()) => {
                for Logged { logging, identity, records } in logged {
                    self.shared.log(&logging, &identity, records);
                }
                for entity in entities {
                    self.settle(entity);
                }
            }
            Err(error) => {
                self.shared.metrics.append_failures.fetch_add(1, Ordering::Relaxed);
                self.drop_provisional(entities, &error);
            }
        }
    }

    /// What was folded is not known to be durable: it goes, and what the store has is read again.
    fn drop_provisional(&mut self, entities: Vec<EntityId>, error: &skald_store::Error) {
        tracing::error!(%error, executions = entities.len(), "an append failed");
        match error {
            // Another engine owns what is here, or nobody may write any more.
            skald_store::Error::Damaged(_) | skald_store::Error::Fenced => {
                self.shared.broken.send_replace(Some(error.to_string()));
                self.deposed = true;
            }
            skald_store::Error::Conflict(_) | skald_store::Error::Full(_) | skald_store::Error::Unknown(_) => {}
        }
        for entity in entities {
            let Some(mut live) = self.entities.remove(&entity) else { continue };
            self.fired.remove(&entity);
            for waiting in live.waiting.drain(..) {
                waiting.fail(error);
            }
            live.give_up();
            if self.deposed {
                continue;
            }
            self.forget_due(entity, live.due);
            let queue = std::mem::take(&mut live.queue);
            self.load(entity);
            for item in queue {
                self.enqueue(entity, item);
            }
        }
    }

    /// Acts no more: what runs is given up, and whoever waits is told that the owner is gone.
    pub(super) fn abdicate(mut self) {
        for live in self.entities.values_mut() {
            live.give_up();
        }
    }

    /// Everything folded into `entity` is durable.
    pub(super) fn settle(&mut self, entity: EntityId) {
        let now = self.shared.now();
        let Some(live) = self.entities.get_mut(&entity) else { return };
        live.busy = false;
        self.fired.remove(&entity);
        let held_bytes = live.execution().held_bytes();
        live.weight.set(held_bytes);
        if live.parking {
            self.leave_memory(entity);
        }
        self.publish(entity);
        let Some(live) = self.entities.get_mut(&entity) else { return };
        if live.birth.take().is_some()
            && let Some(identity) = live.execution().identity()
        {
            self.shared.metrics.count_started(&identity.machine_arn);
        }
        for waiting in live.waiting.drain(..) {
            waiting.answer();
        }
        self.act(entity, now);
        self.answer_same_names(entity);
        let Some(live) = self.entities.get(&entity) else { return };
        if !live.queue.is_empty() {
            self.touched.insert(entity);
        } else if live.execution().position() == 0 {
            // Nothing of it was ever written.
            self.remove(entity);
        } else if live.execution().is_settled() {
            self.remove(entity);
        } else if live.execution().is_ready() {
            self.mark_ready(entity);
        } else {
            self.idle.insert((live.active_at, entity));
        }
    }

    fn publish(&mut self, entity: EntityId) {
        let Some(live) = self.entities.get_mut(&entity) else { return };
        let end_is_new = live.execution().is_closed() && !std::mem::replace(&mut live.end_counted, true);
        let execution = live.execution();
        if execution.position() == 0 {
            return;
        }
        let before = self.shared.live.get(entity);
        let status = live::status_of(execution.status());
        let changed = before.as_ref().is_none_or(|before| before.shown_status() != status);
        if end_is_new {
            let arn = execution.identity().map(|identity| identity.machine_arn.clone()).unwrap_or_default();
            self.shared.metrics.count_ended(&arn, status.as_str());
        }
        if execution.is_settled() {
            // Its rows are in the store's tables.
            if before.is_some() {
                self.shared.live.withdraw(entity);
            }
            if let Some(summary) = Summary::of(entity, execution, &live.prefix) {
                self.shared.live.remember(summary);
            }
        } else if changed && let Some(summary) = Summary::of(entity, execution, &live.prefix) {
            self.shared.live.publish(summary);
        }
    }

    /// Starts what is outstanding and not running, ends what runs and is not outstanding, and sets the timer.
    fn act(&mut self, entity: EntityId, now: Timestamp) {
        let stopping = self.shared.is_stopping();
        let Some(live) = self.entities.get_mut(&entity) else { return };
        let Some(identity) = live.execution().identity().cloned() else { return };
        let outstanding = live.execution().outstanding();
        let wanted: BTreeSet<EventId> = outstanding.iter().map(Effect::scheduled).collect();
        live.calls.retain(|scheduled, call| {
            let wanted = wanted.contains(scheduled);
            if !wanted {
                call.abort();
            }
            wanted
        });
        // A job that is to be cancelled has the id it was followed by.
        let followed = |scheduled: &EventId| {
            outstanding.iter().any(|effect| matches!(effect, Effect::Follow { scheduled: wanted, .. } if wanted == scheduled))
        };
        live.follows.retain(|scheduled, follow| {
            let wanted = followed(scheduled);
            if !wanted {
                follow.abort();
            }
            wanted
        });
        live.settling.retain(|scheduled, _| wanted.contains(scheduled));
        let (shared, answers) = (Arc::clone(&self.shared), self.answers.clone());
        let job_of = |effect: Effect, submitted: Payload, nonce| Job {
            task: Task { shared: Arc::clone(&shared), entity, nonce, call: call_of(effect, &identity) },
            answers: answers.clone(),
            submitted,
        };
        for effect in outstanding {
            match effect {
                Effect::Call { scheduled, .. } if stopping || live.calls.contains_key(&scheduled) => {}
                Effect::Call { scheduled, nonce, .. } => {
                    let task = Task { shared: Arc::clone(&shared), entity, nonce, call: call_of(effect, &identity) };
                    live.calls.insert(scheduled, begin_call(task, answers.clone()));
                }
                Effect::Follow { .. } | Effect::Cancel { .. } | Effect::Report { .. } if stopping => {}
                Effect::Follow { scheduled, ref submitted, nonce, .. } => {
                    let submitted = submitted.clone();
                    let follow = || tokio::spawn(job_of(effect, submitted, nonce).follow()).abort_handle();
                    live.follows.entry(scheduled).or_insert_with(follow);
                }
                Effect::Cancel { scheduled, ref submitted, .. } => {
                    let submitted = submitted.clone();
                    // Whoever cancels needs no token.
                    let cancel = || tokio::spawn(job_of(effect, submitted, 0).cancel()).abort_handle();
                    live.settling.entry(scheduled).or_insert_with(cancel);
                }
                Effect::Report { ended, parent } => {
                    let status = live.execution().status().clone();
                    let (shared, answers) = (Arc::clone(&shared), answers.clone());
                    let (scheduled, identity) = (ended, Arc::clone(&identity));
                    let report = async move {
                        children::tell(&Engine::of(shared), &parent, &identity, &status).await;
                        let _ = answers.send(Answer::Settled { entity, scheduled });
                    };
                    live.settling.entry(ended).or_insert_with(|| tokio::spawn(report).abort_handle());
                }
                Effect::Offer { scheduled, .. } => {
                    if let Some((arn, key)) = live.offers.get(&scheduled) {
                        self.shared.queues.offer(arn, key.clone());
                    }
                }
            }
        }
        withdraw_offers(&self.shared, live, &wanted);
        self.set_timer(entity, now);
    }

    /// Registers the first instant at which something happens by itself.
    fn set_timer(&mut self, entity: EntityId, now: Timestamp) {
        let Some(live) = self.entities.get_mut(&entity) else { return };
        let beating = live.execution().heartbeats();
        live.heartbeats.retain(|scheduled, _| beating.iter().any(|beats| beats.scheduled == *scheduled));
        let mut due = live.execution().next_due();
        for Beats { scheduled, interval_ms, nonce: _ } in beating {
            let seen = *live.heartbeats.entry(scheduled).or_insert(now);
            let missed = seen.plus_millis(interval_ms);
            due = Some(due.map_or(missed, |due| due.min(missed)));
        }
        if live.due != due {
            let before = std::mem::replace(&mut live.due, due);
            self.forget_due(entity, before);
            if let Some(due) = due {
                self.timers.insert((due, entity));
            }
        }
    }

    pub(super) fn forget_due(&mut self, entity: EntityId, due: Option<Timestamp>) {
        if let Some(due) = due {
            self.timers.remove(&(due, entity));
        }
    }

    /// Lets an entity go: its journal has everything.
    pub(super) fn remove(&mut self, entity: EntityId) -> Option<Entity> {
        let live = self.entities.remove(&entity)?;
        self.fired.remove(&entity);
        self.forget_due(entity, live.due);
        self.idle.remove(&(live.active_at, entity));
        Some(live)
    }

    /// Starts of the same name that waited for this one to be durable.
    fn answer_same_names(&mut self, entity: EntityId) {
        let Some(live) = self.entities.get_mut(&entity) else { return };
        if !live.queue.iter().any(|item| matches!(item, Item::SameName(_))) {
            return;
        }
        let (same, others): (VecDeque<Item>, VecDeque<Item>) =
            std::mem::take(&mut live.queue).into_iter().partition(|item| matches!(item, Item::SameName(_)));
        live.queue = others;
        self.same_names.extend(same.into_iter().filter_map(|item| match item {
            Item::SameName(start) => Some(*start),
            Item::Command(_) | Item::Question(..) => None,
        }));
    }
}

/// Offers that no longer stand leave the queue in memory; their rows went with the records.
fn withdraw_offers(shared: &Shared, live: &mut Entity, wanted: &BTreeSet<EventId>) {
    live.offers.retain(|scheduled, (arn, key)| {
        let stands = wanted.contains(scheduled);
        if !stands {
            shared.queues.withdraw(arn, key);
        }
        stands
    });
}

pub(crate) fn call_of(effect: Effect, identity: &Identity) -> Arc<Call> {
    let (scheduled, state, resource, parameters, credentials) = match effect {
        Effect::Call { scheduled, state, resource, parameters, credentials_role_arn, nonce: _ } => {
            (scheduled, state, resource, parameters, credentials_role_arn)
        }
        Effect::Follow { scheduled, state, resource, submitted, credentials_role_arn, nonce: _ }
        | Effect::Cancel { scheduled, state, resource, submitted, credentials_role_arn } => {
            (scheduled, state, resource, submitted, credentials_role_arn)
        }
        Effect::Offer { .. } | Effect::Report { .. } => unreachable!("an activity is polled and a parent is told: neither is called"),
    };
    Arc::new(Call {
        execution_arn: identity.execution_arn.clone(),
        scheduled_event: scheduled,
        request_id: derived_uuid(&[identity.execution_arn.as_bytes(), &scheduled.to_be_bytes()]),
        state_name: state,
        resource,
        parameters,
        account: identity.origin.account.clone(),
        region: identity.origin.region.clone(),
        role_arn: identity.origin.role_arn.clone(),
        credentials_role_arn: credentials,
    })
}

/// An attempt of a task, to be called.
pub(crate) struct Task {
    pub(crate) shared: Arc<Shared>,
    pub(crate) entity: EntityId,
    pub(crate) nonce: u64,
    pub(crate) call: Arc<Call>,
}

/// Performs the attempt, and brings its answer.
fn begin_call(task: Task, answers: UnboundedSender<Answer>) -> tokio::task::AbortHandle {
    let running = Running::begin(Arc::clone(&task.shared), task.entity);
    let performing = tokio::spawn(async move {
        let outcome = task.performed().await;
        let (entity, scheduled) = (task.entity, task.call.scheduled_event);
        match outcome {
            Outcome::GaveUp => {}
            Outcome::Succeeded { .. } | Outcome::Failed { .. } => drop(answers.send(Answer::Called { entity, scheduled, outcome })),
        }
        drop(running);
    });
    performing.abort_handle()
}

impl Task {
    /// What comes of it; it is called again when that was nothing, unless the engine stops.
    pub(crate) async fn performed(&self) -> Outcome {
        let began = tokio::time::Instant::now();
        let mut outcome = self.perform().await;
        while outcome == Outcome::GaveUp && !self.shared.is_stopping() {
            tokio::time::sleep(GAVE_UP_PAUSE).await;
            outcome = self.perform().await;
        }
        self.shared.metrics.task_seconds.observe(began.elapsed());
        outcome
    }

    async fn perform(&self) -> Outcome {
        let performing: Performing<'_, Outcome> = match self.as_start() {
            Some(start) => Box::pin(async move { start.start().await }),
            None => self.shared.perform.perform(Arc::clone(&self.call)),
        };
        caught(performing).await.unwrap_or_else(failed_here)
    }

    /// The start of a child execution, when it is one.
    fn as_start(&self) -> Option<Starting> {
        let task = Token { entity: self.entity, scheduled: self.call.scheduled_event, nonce: self.nonce };
        let start = || Starting { engine: Engine::of(Arc::clone(&self.shared)), task, call: Arc::clone(&self.call) };
        (children::is_start(&self.call.resource) && !self.shared.perform.starts_executions()).then(start)
    }
}

type Performing<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Whatever performs a task panicked.
struct Panicked;

/// A panic in a task is the task's failure, not the engine's.
async fn caught<T>(mut performing: Performing<'_, T>) -> Result<T, Panicked> {
    std::future::poll_fn(|context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| performing.as_mut().poll(context)));
        polled.map_or(Poll::Ready(Err(Panicked)), |polled| polled.map(Ok))
    })
    .await
}

fn failed_here(_: Panicked) -> Outcome {
    let cause = "Skald failed while it performed this task. The server's log says more.".to_owned();
    Outcome::Failed { error: "Skald.InternalFailure".to_owned(), cause }
}

/// Counts a call for as long as it lives, however it ends.
pub(crate) struct Running {
    shared: Arc<Shared>,
    entity: EntityId,
}

impl Running {
    pub(crate) fn begin(shared: Arc<Shared>, entity: EntityId) -> Self {
        shared.calls.begin(entity);
        shared.metrics.calls_running.fetch_add(1, Ordering::Relaxed);
        Self { shared, entity }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.metrics.calls_running.fetch_sub(1, Ordering::Relaxed);
        self.shared.calls.end(self.entity);
    }
}

/// The job that a task's call started, and who waits for what becomes of it.
struct Job {
    task: Task,
    answers: UnboundedSender<Answer>,
    submitted: Payload,
}

impl Job {
    /// Waits for its end, again after a pause when that came to nothing. A child that reports its end itself is left alone.
    async fn follow(self) {
        let mut outcome = self.followed().await;
        while outcome == Some(Outcome::GaveUp) && !self.task.shared.is_stopping() {
            tokio::time::sleep(GAVE_UP_PAUSE).await;
            outcome = self.followed().await;
        }
        if let Some(outcome) = outcome {
            let scheduled = self.task.call.scheduled_event;
            let _ = self.answers.send(Answer::Followed { entity: self.task.entity, scheduled, outcome });
        }
    }

    async fn followed(&self) -> Option<Outcome> {
        let following: Performing<'_, Option<Outcome>> = match self.task.as_start() {
            Some(start) => Box::pin(async move { start.look(&self.submitted).await }),
            None => {
                let following = self.task.shared.perform.follow(Arc::clone(&self.task.call), self.submitted.clone());
                Box::pin(async move { Some(following.await) })
            }
        };
        caught(following).await.unwrap_or_else(|panicked| Some(failed_here(panicked)))
    }

    /// Cancels it, with growing pauses, until that is done or too late.
    async fn cancel(self) {
        let (began, scheduled) = (tokio::time::Instant::now(), self.task.call.scheduled_event);
        let mut pause = CANCEL_PAUSE_FIRST;
        while let Err(reason) = self.cancelled().await {
            if began.elapsed() >= CANCEL_PATIENCE {
                let execution = &self.task.call.execution_arn;
                tracing::error!(execution, scheduled, reason, "a job could not be cancelled for a day: given up");
                self.task.shared.metrics.cancels_given_up.fetch_add(1, Ordering::Relaxed);
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(CANCEL_PAUSE_MAX);
        }
        let _ = self.answers.send(Answer::Settled { entity: self.task.entity, scheduled });
    }

    async fn cancelled(&self) -> Result<(), String> {
        let cancelling: Performing<'_, Result<(), String>> = match self.task.as_start() {
            Some(start) => Box::pin(async move { start.stop(&self.submitted).await }),
            None => self.task.shared.perform.cancel(Arc::clone(&self.task.call), self.submitted.clone()),
        };
        caught(cancelling).await.unwrap_or_else(|Panicked| Err("whatever cancels it panicked".to_owned()))
    }
}
