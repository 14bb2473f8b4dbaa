//! Owners: each decides for its partitions, appends in batches, and acts on what is durable.
//!
//! One loop: take what came in, decide ([`decide`]), hand batches to the store; when one is durable, publish, reply and
//! act ([`act`]). Starting, resuming after a crash and going on are the same loop: [`load`] folds a journal, and `act` asks
//! the folded state what is outstanding.
//!
//! INVARIANT: an entity with an append in flight takes no command. So its folded state is durable whenever it is acted on.

mod message;
mod entity;
mod start;
mod decide;
mod lend;
mod act;
mod load;
mod park;
mod beats;
mod rest;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use skald_asl::Timestamp;
use skald_integrations::Outcome;
use skald_interpreter::{Command, TaskAnswer};
use skald_store::{Batch, EntityId, EntityMap, EntitySet, Epoch, PartitionId, Urgency};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(crate) use act::{Running, Task, call_of};
pub(crate) use decide::{FULL_PAUSE, INLINE_BYTES_MAX, SLICE_STEPS_MAX};
pub(crate) use lend::{Commands, lend};
pub(crate) use message::{Answer, Ask, Inbox, Question, Reply, Request, Start};
pub(crate) use park::wake_all;

use crate::shared::Shared;
use beats::Beating;
use decide::Concluded;
use entity::{Entity, Item};
use load::Read;
use park::ParkedTimers;

/// Messages taken before what they caused is appended.
const ROUND_MESSAGES_MAX: usize = 512;
/// Messages that make a round of their own: an owner that had to wait for its turn need not wait for company.
const ROUND_MESSAGES_FEW: usize = 16;
/// Timers that may have been fired without what followed being durable: whoever else waits for the store waits behind them.
/// So many …
const FIRED_MIN: usize = 40;
/// … or, where the store takes long, so many that these are fired in a second …
const FIRED_PER_SECOND: f64 = 5_000.0;
/// … but not more.
const FIRED_MAX: usize = 400;
/// How long one round goes on with executions whose slice ended …
pub(crate) const ROUND_SLICES_TIME_MAX: Duration = Duration::from_micros(500);
/// … and how many times as long they pause then: endless loops leave the owner, and its core, to everyone else.
pub(crate) const SLICES_PAUSE_FACTOR: u32 = 2;

/// An owner's side of its channels.
pub(crate) struct Receivers {
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) answers: mpsc::UnboundedReceiver<Answer>,
}

/// An owner.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    answers: mpsc::UnboundedSender<Answer>,
    epochs: HashMap<PartitionId, Epoch>,
    entities: EntityMap<Entity>,
    /// Names whose first append is in flight.
    starting: HashMap<Bytes, EntityId>,
    /// Starts that waited for an earlier one of their name to be durable.
    same_names: Vec<Start>,
    /// Entities being read, and what waits for them.
    loading: EntityMap<Vec<Item>>,
    /// Of these, the ones that could not be read and are tried again after a pause.
    unreadable: EntitySet,
    /// Executions of which a decision panicked: they are not brought in again.
    resting: EntitySet,
    /// Live entities by due time.
    timers: BTreeSet<(Timestamp, EntityId)>,
    /// Entities whose timer was fired, until what followed is durable.
    fired: EntitySet,
    /// How many these may be.
    fired_max: usize,
    /// Where the store's timers are read on, by partition; one without has no parked timer.
    parked_timers: BTreeMap<PartitionId, ParkedTimers>,
    /// Parked entities whose workers must be heard of.
    beating: EntityMap<Beating>,
    /// Entities with something in their queue.
    touched: BTreeSet<EntityId>,
    /// Entities whose slice ended, in turn.
    ready: VecDeque<EntityId>,
    queued_ready: EntitySet,
    /// When they may go on.
    ready_at: Instant,
    /// Idle entities by the time at which they may be parked.
    idle: BTreeSet<(Timestamp, EntityId)>,
    batches: BTreeMap<(PartitionId, Urgency), decide::Building>,
    /// Of one round each.
    appends: JoinSet<Round>,
    loads: JoinSet<Vec<Read>>,
    decisions: JoinSet<Concluded>,
    /// Slices of long-running executions on the compute pool now.
    lent_slices: usize,
    /// Not before this is the house kept.
    housekeeping_at: Timestamp,
    /// What the metric has of this owner's inbox.
    shown_depth: u64,
    /// Whether the store may press for checkpoints: something was appended since it was asked.
    appended: bool,
    when_loaded: Vec<oneshot::Sender<()>>,
    closing: Option<oneshot::Sender<()>>,
    /// The store takes nothing from this owner any more.
    deposed: bool,
}

/// What became of batches that went to the store together, and how long they took.
pub(crate) struct Round {
    appended: Vec<Appended>,
    took: Duration,
}

/// A batch, and what became of it.
pub(crate) struct Appended {
    entities: Vec<EntityId>,
    names: Vec<Bytes>,
    logged: Vec<decide::Logged>,
    /// To be appended again when the store is full.
    kept: Option<Batch>,
    result: Result<(), skald_store::Error>,
}

impl Owner {
    pub(crate) fn new(shared: Arc<Shared>, epochs: HashMap<PartitionId, Epoch>, answers: mpsc::UnboundedSender<Answer>) -> Self {
        let housekeeping_at = shared.now();
        Self {
            shared,
            answers,
            epochs,
            entities: EntityMap::default(),
            starting: HashMap::new(),
            same_names: Vec::new(),
            loading: EntityMap::default(),
            unreadable: EntitySet::default(),
            resting: EntitySet::default(),
            timers: BTreeSet::new(),
            fired: EntitySet::default(),
            fired_max: FIRED_MIN,
            parked_timers: BTreeMap::new(),
            beating: EntityMap::default(),
            touched: BTreeSet::new(),
            ready: VecDeque::new(),
            queued_ready: EntitySet::default(),
            ready_at: Instant::now(),
            idle: BTreeSet::new(),
            batches: BTreeMap::new(),
            appends: JoinSet::new(),
            loads: JoinSet::new(),
            decisions: JoinSet::new(),
            lent_slices: 0,
            shown_depth: 0,
            housekeeping_at,
            appended: false,
            when_loaded: Vec::new(),
            closing: None,
            deposed: false,
        }
    }

    /// Runs until closed or deposed, or until every sender is gone.
    pub(crate) async fn run(mut self, mut receivers: Receivers) {
        self.find_parked_timers().await;
        let mut requests = Vec::with_capacity(ROUND_MESSAGES_MAX);
        let mut answers = Vec::with_capacity(ROUND_MESSAGES_MAX);
        loop {
            let nap = self.nap();
            let more = self.slices_wait() && self.ready_at <= Instant::now() || self.timer_is_due();
            // What is durable comes first: it lets waiting commands go on.
            tokio::select! {
                biased;
                Some(appended) = self.appends.join_next() => self.take_round(appended),
                Some(decided) = self.decisions.join_next() => self.take_lent(decided),
                Some(loaded) = self.loads.join_next() => self.take_loads(loaded),
                received = receivers.answers.recv_many(&mut answers, ROUND_MESSAGES_MAX) => if received == 0 { return },
                _ = receivers.requests.recv_many(&mut requests, ROUND_MESSAGES_MAX), if self.closing.is_none() => {}
                () = tokio::time::sleep(nap), if !more => {}
                // Whoever shares this thread has a turn, too.
                () = tokio::task::yield_now(), if more => {}
            }
            // Whoever is about to send has a turn first, and whatever is there then belongs to the same round: otherwise the
            // first sender of many would wake the owner, for a round of its own.
            if requests.len() + answers.len() < ROUND_MESSAGES_FEW {
                tokio::task::yield_now().await;
            }
            while let Some(appended) = self.appends.try_join_next() {
                self.take_round(appended);
            }
            while let Some(loaded) = self.loads.try_join_next() {
                self.take_loads(loaded);
            }
            if self.deposed {
                return self.abdicate();
            }
            while answers.len() < ROUND_MESSAGES_MAX {
                let Ok(answer) = receivers.answers.try_recv() else { break };
                answers.push(answer);
            }
            while self.closing.is_none() && requests.len() < ROUND_MESSAGES_MAX {
                let Ok(request) = receivers.requests.try_recv() else { break };
                requests.push(request);
            }
            for answer in answers.drain(..) {
                self.take_answer(answer);
            }
            for request in requests.drain(..) {
                self.take_request(request).await;
            }
            for start in std::mem::take(&mut self.same_names) {
                self.start(start).await;
            }
            self.show_depth(receivers.requests.len() as u64);
            self.fire_timers().await;
            self.decide_touched();
            self.decide_ready();
            self.keep_house().await;
            self.submit();
            // Those that cannot be read are tried again, and keep nobody waiting.
            if self.loading.len() == self.unreadable.len() {
                for done in self.when_loaded.drain(..) {
                    let _ = done.send(());
                }
            }
            if self.is_closed() {
                if let Some(done) = self.closing.take() {
                    let _ = done.send(());
                }
                return;
            }
        }
    }

    /// The metric is of all owners' inboxes.
    fn show_depth(&mut self, depth: u64) {
        let change = depth.wrapping_sub(std::mem::replace(&mut self.shown_depth, depth));
        self.shared.metrics.inbox_depth.fetch_add(change, Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.closing.is_some() && self.appends.is_empty() && self.decisions.is_empty() && self.loads.is_empty() && self.touched.is_empty()
    }

    async fn take_request(&mut self, request: Request) {
        match request {
            Request::Start(start) => self.start(*start).await,
            Request::Ask(ask) => {
                if let Some(Ask { entity, question, reply }) = self.hear_parked(ask) {
                    self.enqueue(entity, Item::Question(question, reply));
                }
            }
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Called { entity, scheduled, outcome } => {
                self.take_outcome(entity, outcome, |answer| Command::CallAnswered { scheduled, answer });
            }
            Answer::Followed { entity, scheduled, outcome } => {
                self.take_outcome(entity, outcome, |answer| Command::JobEnded { scheduled, answer });
            }
            Answer::Settled { entity, scheduled } => self.enqueue(entity, Item::Command(Command::Settled { scheduled })),
            Answer::Delivered { entity, scheduled } => self.enqueue(entity, Item::Command(Command::Delivered { scheduled })),
            Answer::Wake { entity } => {
                if !self.entities.contains_key(&entity) {
                    self.load(entity);
                }
            }
            Answer::WhenLoaded { done } => self.when_loaded.push(done),
            Answer::Close { done } => self.closing = Some(done),
        }
    }

    fn take_outcome(&mut self, entity: EntityId, outcome: Outcome, command: impl FnOnce(TaskAnswer) -> Command) {
        // It stays among the running calls until its answer is durable: an append in flight must not make it look forgotten.
        let answer = match outcome {
            Outcome::Succeeded { output } => TaskAnswer::Succeeded { output },
            Outcome::Failed { error, cause } => TaskAnswer::Failed { error: Some(error), cause: Some(cause) },
            // Repeated by whoever opens the store next.
            Outcome::GaveUp => return,
        };
        self.enqueue(entity, Item::Command(command(answer)));
    }

    /// Puts `item` where it will be decided: with the live entity, or with those that wait for its journal.
    fn enqueue(&mut self, entity: EntityId, item: Item) {
        if self.resting.contains(&entity) {
            rest::refuse(item);
            return;
        }
        if let Some(live) = self.entities.get_mut(&entity) {
            live.queue.push_back(item);
            if !live.busy {
                self.touched.insert(entity);
            }
            return;
        }
        match self.loading.get_mut(&entity) {
            Some(waiting) => waiting.push(item),
            None => {
                self.load(entity);
                if let Some(waiting) = self.loading.get_mut(&entity) {
                    waiting.push(item);
                }
            }
        }
    }

    fn mark_ready(&mut self, entity: EntityId) {
        if self.queued_ready.insert(entity) {
            self.ready.push_back(entity);
        }
    }

    /// Whether a slice may go on, as far as it is not told to pause.
    pub(super) fn slices_wait(&self) -> bool {
        !self.ready.is_empty() && self.lent_slices == 0 && !self.shared.is_stopping()
    }

    /// How long nothing will happen by itself. The clock may step forward meanwhile: naps are short.
    fn nap(&self) -> Duration {
        let now = self.shared.now();
        let first = [self.live_due(), self.parked_due(), self.housekeeping_due()];
        let left = |due: Timestamp| Duration::from_millis(u64::try_from(due.millis.saturating_sub(now.millis)).unwrap_or(0));
        let nap_max = self.shared.options.nap_max;
        let nap = first.into_iter().flatten().min().map_or(nap_max, |due| left(due).min(nap_max));
        if !self.slices_wait() { nap } else { nap.min(self.ready_at.saturating_duration_since(Instant::now())) }
    }

    /// When the first live entity is due; when too many were fired, what becomes of those tells.
    fn live_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, _)| *due).filter(|_| self.fired.len() < self.fired_max)
    }

    fn timer_is_due(&self) -> bool {
        self.live_due().is_some_and(|due| due <= self.shared.now())
    }

    /// Live entities that are due, and then parked ones.
    async fn fire_timers(&mut self) {
        let now = self.shared.now();
        while self.live_due().is_some_and(|due| due <= now) {
            let Some((_, entity)) = self.timers.pop_first() else { break };
            let Some(live) = self.entities.get_mut(&entity) else {
                if self.beating.contains_key(&entity) && !self.is_heard_of(entity, now) {
                    self.load(entity);
                }
                continue;
            };
            live.due = None;
            live.queue.push_back(Item::Command(Command::Tick));
            if !live.busy {
                self.touched.insert(entity);
            }
            // A slow decision that is being made elsewhere comes first: other timers do not wait for it.
            if live.execution.is_some() {
                self.fired.insert(entity);
            }
        }
        self.wake_due(now).await;
    }
}
