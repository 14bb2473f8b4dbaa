//! Parking: what waits leaves memory, and comes back when it is due or asked for. And the store's checkpoint pressure.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use skald_asl::Timestamp;
use skald_store::{Direction, EntityId, PartitionId, Table};

use super::beats::Beating;
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
const TIMERS_AT_ONCE_MAX: usize = 32;
/// Entities that may be being read when more are brought in because they are due.
const LOADING_MAX: usize = 32;
/// … and when memory is short: others may have to leave first.
const PRESSED_LOADING_MAX: usize = 8;
/// Entities woken at a start that are read at once.
const AWAKE_AT_ONCE_MAX: usize = 1_000;

/// The timers of a partition's parked entities, as far as they were not fired.
pub(crate) struct ParkedTimers {
    /// When they are to be looked at.
    due: Timestamp,
    /// The key of the first, or one before it. What was fired is not read again: its row stays until its entity has gone on.
    from: Bytes,
}

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
                    let first = rows.into_iter().next().and_then(|(key, _)| Some((keys::parse_timer(&key)?.0, key)));
                    self.parked_timers.extend(first.map(|(due, from)| (partition, ParkedTimers { due, from })));
                }
                Err(error) => self.look_again(partition, from.into(), &error),
            }
        }
    }

    /// A partition's timers could not be read: another look in a while.
    fn look_again(&mut self, partition: PartitionId, from: Bytes, error: &skald_store::Error) {
        tracing::error!(%error, "the timers of parked executions cannot be read");
        let due = self.shared.now().plus_millis(HOUSEKEEPING_MS);
        self.parked_timers.insert(partition, ParkedTimers { due, from });
    }

    /// When the first parked timer is due; when too many are being read or were fired, what becomes of those tells.
    pub(super) fn parked_due(&self) -> Option<Timestamp> {
        let is_pressing = self.shared.live_bytes.is_pressing(self.shared.options.live_bytes_max);
        let loading_max = if is_pressing { PRESSED_LOADING_MAX } else { LOADING_MAX };
        let has_room = self.loading.len() < loading_max + self.unreadable.len();
        let may_fire = self.fired.len() < self.fired_max;
        let first = self.parked_timers.values().map(|timers| timers.due).min();
        // Those that are due before all live ones are next, and have to be there then.
        first.filter(|due| has_room && (may_fire || self.timers.first().is_none_or(|(live, _)| due < live)))
    }

    /// Brings in parked entities whose time has come, those that are due first before others.
    pub(super) async fn wake_due(&mut self, now: Timestamp) {
        while self.parked_due().is_some_and(|due| due <= now) {
            let first = self.parked_timers.iter().min_by_key(|(_, timers)| timers.due).map(|(partition, _)| *partition);
            let Some((partition, timers)) = first.and_then(|first| self.parked_timers.remove_entry(&first)) else { return };
            let (_, to) = keys::timer_range(partition, None);
            match self.shared.store.scan(Table::Timers, &timers.from, &to, Direction::Forward, TIMERS_AT_ONCE_MAX).await {
                Ok(rows) => self.wake(partition, rows.into_iter().map(|(key, _)| key), now),
                Err(error) => self.look_again(partition, timers.from, &error),
            }
        }
    }

    /// Brings in those of a page of timers that are due, and notes where the next one is to begin.
    fn wake(&mut self, partition: PartitionId, page: impl ExactSizeIterator<Item = Bytes>, now: Timestamp) {
        let may_have_more = page.len() == TIMERS_AT_ONCE_MAX;
        let (mut next, mut found) = (None, Vec::with_capacity(page.len()));
        for key in page {
            let Some((due, entity)) = keys::parse_timer(&key) else { continue };
            let is_due = due <= now;
            // A live one's row goes with its next record.
            if is_due && !self.entities.contains_key(&entity) && !self.is_heard_of(entity, now) {
                found.push(entity);
            }
            next = (!is_due || may_have_more).then_some(ParkedTimers { due, from: key });
            if !is_due {
                break;
            }
        }
        self.parked_timers.extend(next.map(|next| (partition, next)));
        self.load_all(found);
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
        self.appended = false;
        self.checkpoint();
    }

    /// When there is something to do in the house.
    pub(super) fn housekeeping_due(&self) -> Option<Timestamp> {
        let park_after_ms = self.park_after_ms();
        let parking = self.idle.first().map(|(since, _)| since.plus_millis(park_after_ms));
        // Whoever is in memory may hold the log, also when it is others that write.
        let due = if self.appended || !self.entities.is_empty() { Some(self.housekeeping_at) } else { parking };
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
        // Also when a worker would be missing.
        let due = live.due;
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
            changes.push(put(Table::Timers, keys::timer(due, entity), Bytes::new()));
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
            let key = keys::timer(due, entity);
            let timers = self.parked_timers.entry(entity.partition()).or_insert_with(|| ParkedTimers { due, from: key.clone() });
            timers.due = timers.due.min(due);
            timers.from = key.min(std::mem::take(&mut timers.from));
        }
        self.beating.extend(Beating::of(live).map(|beating| (entity, beating)));
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
        let rows = shared.store.scan(Table::Awake, &from, &to, Direction::Forward, AWAKE_AT_ONCE_MAX).await?;
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
