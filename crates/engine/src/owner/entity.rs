//! A live execution in its owner's hands.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use skald_asl::Timestamp;
use skald_interpreter::execution::TokenState;
use skald_interpreter::{Command, Effect, EventId, Execution, Identity, snapshot};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::message::{Question, Reply, Start};
use crate::admission::Weight;
use crate::catalog::{Fate, StartInFlight};
use crate::error::{Fault, StartExecutionError};
use crate::execution::Started;
use crate::execution_log::Logging;
use crate::live;
use crate::stored::{Envelope, Folded, Head};

/// An execution, and what its owner knows beside it.
pub(crate) struct Entity {
    /// None while it is lent out to the compute pool.
    pub(crate) execution: Option<Box<Execution>>,
    /// Whether its machine is being deleted.
    pub(crate) fate: Arc<Fate>,
    /// Until its first append is durable: what goes into the store with it.
    pub(crate) birth: Option<Birth>,
    /// What its machine wants logged.
    pub(crate) logging: Option<Arc<Logging>>,
    /// The store wants a head with the next append.
    pub(crate) wants_head: bool,
    /// What its machine's keys begin with.
    pub(crate) prefix: Arc<[u8]>,
    /// An append is in flight, or a decision is: commands wait. So whatever is folded here is durable when this is not set.
    pub(crate) busy: bool,
    /// The append in flight is its last for now: it leaves memory when that is durable.
    pub(crate) parking: bool,
    pub(crate) queue: VecDeque<Item>,
    /// Running calls, by scheduled event.
    pub(crate) calls: BTreeMap<EventId, AbortHandle>,
    /// Jobs whose end is waited for.
    pub(crate) follows: BTreeMap<EventId, AbortHandle>,
    /// What is done about what it owes.
    pub(crate) settling: BTreeMap<EventId, AbortHandle>,
    /// When a worker was last heard of. Soft: a restart begins anew.
    pub(crate) heartbeats: BTreeMap<EventId, Timestamp>,
    /// Rows in the table of undelivered activity tasks: activity ARN and key.
    pub(crate) offers: BTreeMap<EventId, (String, Bytes)>,
    /// Under which due time it is registered with the owner's timers.
    pub(crate) due: Option<Timestamp>,
    /// Whether a row in `Awake` will load it at start.
    pub(crate) awake: bool,
    /// Whether rows of a running execution stand in the list tables.
    pub(crate) listed: bool,
    /// Its row in `Timers`.
    pub(crate) timer_due: Option<Timestamp>,
    /// When it last did something.
    pub(crate) active_at: Timestamp,
    /// Whether its end was counted, in this life or an earlier one.
    pub(crate) end_counted: bool,
    /// What waits for the append in flight.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) weight: Weight,
}

/// The start of an execution on its way to the store.
pub(crate) struct Birth {
    pub(crate) at: Timestamp,
    /// Its row in `Names`.
    pub(crate) name: Bytes,
    pub(crate) record: Bytes,
    /// Its machine may not go meanwhile.
    pub(crate) _counted: StartInFlight,
}

/// What waits in an entity's queue.
pub(crate) enum Item {
    Command(Command),
    Question(Question, oneshot::Sender<Result<Reply, Fault>>),
    /// A start of the same name, to be compared once this one is durable.
    SameName(Box<Start>),
}

impl Item {
    /// Answers whoever asked that it is our fault.
    pub(crate) fn refuse(self, reason: &str) {
        let fault = Fault(reason.to_owned());
        match self {
            Self::Command(_) => {}
            Self::Question(_, reply) => drop(reply.send(Err(fault))),
            Self::SameName(start) => drop(start.reply.send(Err(fault.into()))),
        }
    }
}

/// An answer that is given once the append is durable.
pub(crate) enum Waiting {
    Started(oneshot::Sender<Result<Started, StartExecutionError>>, Started),
    Reply(oneshot::Sender<Result<Reply, Fault>>, Reply),
}

impl Waiting {
    pub(crate) fn answer(self) {
        // A caller that is gone needs no answer.
        match self {
            Self::Started(sender, started) => drop(sender.send(Ok(started))),
            Self::Reply(sender, reply) => drop(sender.send(Ok(reply))),
        }
    }

    /// Answers that it is our fault.
    pub(crate) fn refuse(self, reason: &str) {
        let fault = Fault(reason.to_owned());
        match self {
            Self::Started(sender, _) => drop(sender.send(Err(fault.into()))),
            Self::Reply(sender, _) => drop(sender.send(Err(fault))),
        }
    }

    /// Answers that the append failed.
    pub(crate) fn fail(self, error: &skald_store::Error) {
        match (self, error) {
            (Self::Started(sender, _), skald_store::Error::Full(_)) => {
                drop(sender.send(Err(StartExecutionError::ThrottlingException)));
            }
            (
                waiting @ (Self::Started(..) | Self::Reply(..)),
                skald_store::Error::Full(_)
                | skald_store::Error::Conflict(_)
                | skald_store::Error::Fenced
                | skald_store::Error::Damaged(_)
                | skald_store::Error::Unknown(_),
            ) => waiting.refuse(&error.to_string()),
        }
    }
}

impl Entity {
    pub(crate) fn new(execution: Execution, fate: Arc<Fate>, prefix: Arc<[u8]>, now: Timestamp, weight: Weight) -> Self {
        let end_counted = execution.is_closed();
        Self {
            execution: Some(Box::new(execution)),
            fate,
            birth: None,
            logging: None,
            wants_head: false,
            prefix,
            busy: false,
            parking: false,
            queue: VecDeque::new(),
            calls: BTreeMap::new(),
            follows: BTreeMap::new(),
            settling: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            offers: BTreeMap::new(),
            due: None,
            awake: false,
            listed: false,
            timer_due: None,
            active_at: now,
            end_counted,
            waiting: Vec::new(),
            weight,
        }
    }

    /// Gives up what runs for it; whoever brings it in again begins anew.
    pub(crate) fn give_up(&mut self) {
        for running in [&mut self.calls, &mut self.follows, &mut self.settling] {
            std::mem::take(running).into_values().for_each(|running| running.abort());
        }
    }

    /// Hears the workers that wait in the queue, and has what is decided next end the tasks of those who missed their time.
    pub(crate) fn judge_heartbeats(&mut self, now: Timestamp) {
        let Some(execution) = self.execution.as_deref().filter(|_| !self.heartbeats.is_empty()) else { return };
        for item in &self.queue {
            if let Item::Question(Question::Heartbeat { scheduled, nonce, at }, _) = item
                && execution.token_state(*scheduled, *nonce) == TokenState::Open
                && let Some(seen) = self.heartbeats.get_mut(scheduled)
            {
                *seen = (*seen).max(*at);
            }
        }
        let missed = execution.heartbeats().into_iter().filter(|beats| {
            let seen = self.heartbeats.get(&beats.scheduled);
            seen.is_some_and(|seen| seen.plus_millis(beats.interval_ms) <= now)
        });
        self.queue.extend(missed.map(|beats| Item::Command(Command::HeartbeatMissed { scheduled: beats.scheduled })));
    }

    /// The execution; lent out only while `busy`.
    pub(crate) fn execution(&self) -> &Execution {
        self.execution.as_deref().expect("looked at only when it is not lent out")
    }

    fn identity(&self) -> &Identity {
        self.execution().identity().expect("a durable execution has its first records")
    }

    /// Its head as it stands. Nobody wakes a settled one, so its folded state is left out.
    pub(crate) fn head(&self, parked_until: Option<Timestamp>, listed: bool) -> Head {
        let execution = self.execution();
        let folded = (!execution.is_settled())
            .then(|| Folded { revision: self.identity().origin.revision, snapshot: snapshot::encode(execution).into() });
        Head { envelope: self.envelope(parked_until, listed), folded }
    }

    /// Its list value as it stands.
    pub(crate) fn envelope(&self, parked_until: Option<Timestamp>, listed: bool) -> Envelope {
        let execution = self.execution();
        let identity = self.identity();
        Envelope {
            status: live::status_of(execution.status()),
            started_at: identity.started_at,
            stopped_at: live::stopped_at(execution.status()),
            name: identity.origin.execution_name.clone(),
            listed,
            timer_due: parked_until,
        }
    }

    /// Nothing runs that only memory knows of, and nothing is left to decide.
    pub(crate) fn is_idle(&self) -> bool {
        !self.busy
            && self.queue.is_empty()
            && self.calls.is_empty()
            && self.settling.is_empty()
            && !self.execution().is_ready()
            && !self.execution().outstanding().iter().any(|effect| match effect {
                Effect::Call { .. } | Effect::Cancel { .. } | Effect::Report { .. } => true,
                // A child that was looked at, and still runs, will report its end.
                Effect::Follow { scheduled, .. } => self.follows.get(scheduled).is_none_or(|follow| !follow.is_finished()),
                Effect::Offer { .. } => false,
            })
    }
}
