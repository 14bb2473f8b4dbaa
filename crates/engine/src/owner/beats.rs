//! Heartbeats of parked executions: they are heard, and wake nobody.
//!
//! A parked execution is due, in the store, when the first of its workers would be missing. Who was heard of meanwhile is
//! known here alone: when the time has come and nobody is missing, memory notes another time, and nothing is read or written.
//! After a restart that is forgotten: the execution is brought in, and its workers' time begins anew.

use std::collections::BTreeMap;

use skald_asl::Timestamp;
use skald_interpreter::EventId;
use skald_store::EntityId;

use super::Owner;
use super::entity::Entity;
use super::message::{Ask, Question, Reply};

/// A parked execution with workers that must be heard of.
pub(crate) struct Beating {
    workers: Vec<Worker>,
    /// When something else happens by itself.
    due: Option<Timestamp>,
}

struct Worker {
    scheduled: EventId,
    nonce: u64,
    interval_ms: u64,
    seen: Timestamp,
}

impl Worker {
    fn missing_at(&self) -> Timestamp {
        self.seen.plus_millis(self.interval_ms)
    }
}

impl Beating {
    /// None when no worker of it must be heard of.
    pub(super) fn of(live: &Entity) -> Option<Self> {
        let workers: Vec<_> = live
            .execution()
            .heartbeats()
            .into_iter()
            .filter_map(|beats| {
                let seen = *live.heartbeats.get(&beats.scheduled)?;
                Some(Worker { scheduled: beats.scheduled, nonce: beats.nonce, interval_ms: beats.interval_ms, seen })
            })
            .collect();
        (!workers.is_empty()).then(|| Self { workers, due: live.execution().next_due() })
    }

    /// When each was heard of.
    pub(super) fn seen(&self) -> BTreeMap<EventId, Timestamp> {
        self.workers.iter().map(|worker| (worker.scheduled, worker.seen)).collect()
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.workers.iter().map(Worker::missing_at).chain(self.due).min()
    }
}

impl Owner {
    /// Hears a worker of a parked execution; gives the question back when it is about anything else.
    pub(super) fn hear_parked(&mut self, ask: Ask) -> Option<Ask> {
        let Question::Heartbeat { scheduled, nonce, at } = ask.question else { return Some(ask) };
        let beating = self.beating.get_mut(&ask.entity).filter(|beating| beating.next_due().is_none_or(|due| at < due));
        let worker =
            beating.and_then(|beating| beating.workers.iter_mut().find(|worker| worker.scheduled == scheduled && worker.nonce == nonce));
        let Some(worker) = worker else { return Some(ask) };
        worker.seen = worker.seen.max(at);
        // A worker that is gone needs no answer.
        let _ = ask.reply.send(Ok(Reply::Done));
        None
    }

    /// Whether the workers of a parked execution that seemed due were heard of meanwhile: it is looked at again, then.
    pub(super) fn is_heard_of(&mut self, entity: EntityId, now: Timestamp) -> bool {
        let due = self.beating.get(&entity).and_then(Beating::next_due).filter(|due| *due > now);
        self.timers.extend(due.map(|due| (due, entity)));
        due.is_some()
    }
}
