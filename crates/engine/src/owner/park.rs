//! Parking: what waits leaves memory, and comes back when it is due or asked for. And the store's checkpoint pressure.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use skald_asl::Timestamp;
use skald_store::{Direction, EntityId, PartitionId, Table};

use super::decide::{delete, put};
use super::{Answer, Owner};
use crate::execution::ExecutionStatus;
use crate::keys::{self, ListKind};

/// How often an owner looks for what may be parked and for checkpoint pressure.
const HOUSEKEEPING_MS: u64 = 1_000;
/// … and how soon again when it did not come to an end: others have their turn between.
const HOUSEKEEPING_SOON_MS: u64 = 20;
/// How long idle executions stay when memory is short: long enough for a task's answer.
const PRESSED_PARK_AFTER_MS: u64 = 20;
/// Entities parked, or checkpointed, in one go.
const PARKED_AT_ONCE_MAX: usize = 256;
/// Parked timers read at once.
const TIMERS_AT_ONCE_MAX: usize = 1_000;

/// Whether more than one go could take is to be parked.
enum More {
    Waits,
    None,
}

impl Owner {
    /// Reads, once, when each partition's first parked timer is due.
    pub(super) async fn find_parked_timers(&mut self) {
        let partitions: Vec<_> = self.epochs.keys().copied().collect();
        for partition in partitions {
            let (from, to) = keys::timer_range(partition, None);
            match self.shared.store.scan(Table::Timers, &from, &to, Direction::Forward, 1).await {
                Ok(rows) => {
                    if let Some((due, _)) = rows.first().and_then(|(key, _)| keys::parse_timer(key)) {
                        self.parked_due.insert(partition, due);
                    }
                }
                Err(error) => self.look_again(partition, &error),
            }
        }
    }

    /// A partition's timers could not be read: another look in a while.
    fn look_again(&mut self, partition: PartitionId, error: &skald_store::Error) {
        tracing::error!(%error, "the timers of parked executions cannot be read");
        self.parked_due.insert(partition, self.shared.now().plus_millis(HOUSEKEEPING_MS));
    }

    /// Brings in parked entities whose time has come.
    pub(super) async fn wake_due(&mut self, now: Timestamp) {
        let due: Vec<_> = self.parked_due.iter().filter(|(_, due)| **due <= now).map(|(partition, _)| *partition).collect();
        for partition in due {
            self.parked_due.remove(&partition);
            let (from, to) = keys::timer_range(partition, None);
            let rows = match self.shared.store.scan(Table::Timers, &from, &to, Direction::Forward, TIMERS_AT_ONCE_MAX).await {
                Ok(rows) => rows,
                Err(error) => {
                    self.look_again(partition, &error);
                    continue;
                }
            };
            for (due, entity) in rows.iter().filter_map(|(key, _)| keys::parse_timer(key)) {
                if due > now {
                    self.parked_due.insert(partition, due);
                    break;
                }
                // A live one's row goes with its next record.
                if !self.entities.contains_key(&entity) {
                    self.load(entity);
                }
            }
            if rows.len() == TIMERS_AT_ONCE_MAX && !self.parked_due.contains_key(&partition) {
                self.parked_due.insert(partition, now.plus_millis(HOUSEKEEPING_MS));
            }
        }
    }

    /// Parks what has been idle, and checkpoints what pins the store's log.
    pub(super) async fn keep_house(&mut self) {
        let now = self.shared.now();
        if self.housekeeping_due().is_none_or(|due| due > now) {
            return;
        }
        self.housekeeping_at = now.plus_millis(HOUSEKEEPING_MS);
        if let More::Waits = self.park_idle(now) {
            self.housekeeping_at = now.plus_millis(HOUSEKEEPING_SOON_MS);
        }
        self.shared.metrics.live_bytes.store(self.shared.live_bytes.bytes(), Ordering::Relaxed);
        self.shared.metrics.live_executions.store(self.shared.live.count() as u64, Ordering::Relaxed);
        if std::mem::take(&mut self.appended) {
            self.checkpoint();
        }
    }

    /// When there is something to do in the house.
    pub(super) fn housekeeping_due(&self) -> Option<Timestamp> {
        let park_after_ms = self.park_after_ms();
        let parking = self.idle.first().map(|(since, _)| since.plus_millis(park_after_ms));
        let due = if self.appended { Some(self.housekeeping_at) } else { parking };
        due.map(|due| due.max(self.housekeeping_at))
    }

    /// How long an execution may be idle in memory; no longer when memory is short.
    fn park_after_ms(&self) -> u64 {
        if self.shared.live_bytes.is_pressing(self.shared.options.live_bytes_max) {
            return PRESSED_PARK_AFTER_MS;
        }
        u64::try_from(self.shared.options.park_after.as_millis()).unwrap_or(u64::MAX)
    }

    fn park_idle(&mut self, now: Timestamp) -> More {
        let park_after_ms = self.park_after_ms();
        for _ in 0..PARKED_AT_ONCE_MAX {
            let Some((since, entity)) = self.idle.first().copied() else { return More::None };
            if since.plus_millis(park_after_ms) > now {
                return More::None;
            }
            self.idle.pop_first();
            // It did something since, and has a newer place in the line.
            let Some(live) = self.entities.get(&entity).filter(|live| live.active_at == since) else { continue };
            let due_soon = live.due.is_some_and(|due| due <= now.plus_millis(park_after_ms));
            if live.is_idle() && !due_soon {
                self.park(entity);
            }
        }
        More::Waits
    }

    /// Writes the head and the rows that find it again. It leaves memory when they are durable.
    fn park(&mut self, entity: EntityId) {
        let Some(live) = self.entities.get_mut(&entity) else { return };
        let position = live.execution().position();
        let due = live.execution().next_due();
        let mut changes = Vec::new();
        let head = live.head(due, true);
        let envelope = &head.envelope;
        if !live.listed {
            for kind in [ListKind::All, ListKind::Status(ExecutionStatus::Running)] {
                changes.push(put(Table::Lists, keys::list(&live.prefix, kind, envelope.started_at, entity), envelope.encode()));
            }
        }
        if let Some(before) = live.timer_due.filter(|before| Some(*before) != due) {
            changes.push(delete(Table::Timers, keys::timer(before, entity)));
        }
        if let Some(due) = due {
            changes.push(put(Table::Timers, keys::timer(due, entity), bytes::Bytes::new()));
        }
        changes.push(delete(Table::Awake, keys::awake(entity)));
        live.busy = true;
        live.parking = true;
        live.listed = true;
        live.timer_due = due;
        live.awake = false;
        self.append_head(entity, position, head.encode(), changes);
    }

    /// The head of a parked entity is durable: it goes, unless something came for it meanwhile.
    pub(super) fn leave_memory(&mut self, entity: EntityId) {
        let Some(live) = self.entities.get_mut(&entity) else { return };
        live.parking = false;
        if !live.queue.is_empty() {
            return;
        }
        if let Some(due) = live.timer_due {
            let first = self.parked_due.entry(entity.partition()).or_insert(due);
            *first = due.min(*first);
        }
        self.shared.live.withdraw(entity);
        self.remove(entity);
    }

    /// New heads for entities that hold back the dropping of the log.
    fn checkpoint(&mut self) {
        for entity in self.shared.store.pinned(PARKED_AT_ONCE_MAX) {
            if !self.epochs.contains_key(&entity.partition()) {
                continue;
            }
            let Some(live) = self.entities.get_mut(&entity) else {
                // Settled ones have heads; one that is nowhere is brought in, and gets its head next time.
                self.load(entity);
                continue;
            };
            if live.busy {
                // With its next records: one that is never idle would otherwise hold the log for ever.
                live.wants_head = true;
                continue;
            }
            let position = live.execution().position();
            let head = live.head(live.timer_due, live.listed).encode();
            live.busy = true;
            self.append_head(entity, position, head, Vec::new());
        }
    }
}

/// Tells the owners which entities were awake when the engine stopped.
pub(crate) async fn wake_all(shared: &Arc<crate::shared::Shared>) -> Result<(), skald_store::Error> {
    let mut from = Vec::new();
    let to = [0xFF; 17];
    loop {
        let rows = shared.store.scan(Table::Awake, &from, &to, Direction::Forward, TIMERS_AT_ONCE_MAX).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        from = last.to_vec();
        from.push(0);
        for (key, _) in &rows {
            if let Ok(bytes) = <[u8; 16]>::try_from(key.as_ref()) {
                let entity = EntityId::from_bytes(bytes);
                let _ = shared.inbox(entity.partition()).answers.send(Answer::Wake { entity });
            }
        }
    }
}
