//! Resting: after a panic in a decision its execution is left alone until the next start.
//!
//! Its journal has everything that was ever acknowledged. Brought in again it would panic again: whoever asks something of
//! it is told that it is our fault, readers see it as it last was, and its neighbours go on.

use skald_store::EntityId;

use super::Owner;
use super::entity::Item;
use super::message::{Question, Reply};

/// What callers are told.
const REASON: &str = "a decision about this execution panicked: it rests until the next start";

impl Owner {
    /// Lets go of an execution whose decision panicked. What was never written is as if it had not been.
    pub(super) fn rest(&mut self, entity: EntityId) {
        tracing::error!(%entity, "a decision panicked: its execution rests until the next start");
        let Some(mut live) = self.remove(entity) else { return };
        live.give_up();
        for (activity_arn, key) in live.offers.values() {
            self.shared.queues.withdraw(activity_arn, key);
        }
        match live.birth.take() {
            Some(birth) => drop(self.starting.remove(&birth.name)),
            None => drop(self.resting.insert(entity)),
        }
        for waiting in live.waiting {
            waiting.refuse(REASON);
        }
        live.queue.into_iter().for_each(refuse);
    }
}

/// Answers what is asked of a resting execution.
pub(super) fn refuse(item: Item) {
    match item {
        // The worker shall have the task of another one.
        Item::Question(Question::Poll { .. }, reply) => drop(reply.send(Ok(Reply::Task(None)))),
        Item::Question(Question::Token { .. } | Question::JobEnded { .. } | Question::Heartbeat { .. } | Question::Stop { .. }, _)
        | Item::Command(_)
        | Item::SameName(_) => item.refuse(REASON),
    }
}
