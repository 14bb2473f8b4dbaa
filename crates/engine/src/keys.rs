//! The keys of the store's tables. Bytes that outlive the process: the order of members is part of the format.
//!
//! Strings end with a zero byte, which no name or scope may contain; numbers are big-endian, so that keys sort by them.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use skald_asl::Timestamp;
use skald_interpreter::EventId;
use skald_store::{EntityId, PartitionId};

use crate::execution::ExecutionStatus;
use crate::scope::Scope;

/// Partitions of executions; fixed for ever, since an execution's name leads to its partition.
pub(crate) const PARTITIONS: u16 = 256;
/// Machines and activities have a partition of their own.
pub(crate) const CATALOG_PARTITION: PartitionId = PartitionId(PARTITIONS);

/// Where an execution of this name lives.
pub(crate) fn partition_of(machine_arn: &str, execution_name: &str) -> PartitionId {
    let mut hash = Sha256::new();
    hash.update(machine_arn.as_bytes());
    hash.update([0]);
    hash.update(execution_name.as_bytes());
    PartitionId(u16::from(hash.finalize()[0]))
}

/// A key in the making.
struct Key(Vec<u8>);

/// Room for most keys: a machine's prefix and an execution's name.
const KEY_BYTES_USUAL: usize = 160;

impl Default for Key {
    fn default() -> Self {
        Self(Vec::with_capacity(KEY_BYTES_USUAL))
    }
}

impl Key {
    fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn scope(self, scope: &Scope) -> Self {
        self.text(&scope.partition).text(&scope.account).text(&scope.region)
    }

    fn done(self) -> Bytes {
        Bytes::from(self.0)
    }
}

/// A machine, told from others that had its name before.
pub(crate) fn machine_prefix(scope: &Scope, machine: &str, incarnation: u64) -> Vec<u8> {
    Key::default().scope(scope).text(machine).bytes(&incarnation.to_be_bytes()).0
}

/// `Names`: an execution's name within its machine.
pub(crate) fn name(machine_prefix: &[u8], execution_name: &str) -> Bytes {
    Key::default().bytes(machine_prefix).text(execution_name).done()
}

/// Which list an entry is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    All,
    Status(ExecutionStatus),
}

fn list_byte(kind: ListKind) -> u8 {
    match kind {
        ListKind::All => 0,
        ListKind::Status(status) => status as u8,
    }
}

/// `Lists`: newest first.
pub(crate) fn list(machine_prefix: &[u8], kind: ListKind, sort_time: Timestamp, entity: EntityId) -> Bytes {
    Key::default().bytes(machine_prefix).bytes(&[list_byte(kind)]).bytes(&list_suffix(sort_time, entity)).done()
}

/// What orders a list: the inverted time, then the id.
pub(crate) fn list_suffix(sort_time: Timestamp, entity: EntityId) -> [u8; 24] {
    let mut suffix = [0; 24];
    let time = u64::try_from(sort_time.millis).unwrap_or(0);
    suffix[..8].copy_from_slice(&(!time).to_be_bytes());
    suffix[8..].copy_from_slice(&entity.to_bytes());
    suffix
}

/// The bounds of one list, to begin after `cursor` (a [`list_suffix`]).
pub(crate) fn list_range(machine_prefix: &[u8], kind: ListKind, after: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
    let base = Key::default().bytes(machine_prefix).bytes(&[list_byte(kind)]).0;
    let mut from = base.clone();
    if let Some(after) = after {
        from.extend_from_slice(after);
        // The smallest key greater than the one that ended the page before.
        from.push(0);
    }
    let mut to = base;
    to.extend_from_slice(&[0xFF; 25]);
    (from, to)
}

/// The entity of a list key.
pub(crate) fn entity_of_list_key(key: &[u8]) -> Option<EntityId> {
    let bytes: [u8; 16] = key.get(key.len().checked_sub(16)?..)?.try_into().ok()?;
    Some(EntityId::from_bytes(bytes))
}

/// The ordering suffix of a list key.
pub(crate) fn suffix_of_list_key(key: &[u8]) -> Option<[u8; 24]> {
    key.get(key.len().checked_sub(24)?..)?.try_into().ok()
}

/// `Awake`: an open entity that is to be loaded at start.
pub(crate) fn awake(entity: EntityId) -> Bytes {
    Bytes::copy_from_slice(&entity.to_bytes())
}

/// `Express`: an execution that has begun and not ended.
pub(crate) fn express(entity: EntityId) -> Bytes {
    Bytes::copy_from_slice(&entity.to_bytes())
}

/// `Timers`: a parked entity by its due time.
pub(crate) fn timer(due: Timestamp, entity: EntityId) -> Bytes {
    let due = u64::try_from(due.millis).unwrap_or(0);
    Key::default().bytes(&entity.partition().0.to_be_bytes()).bytes(&due.to_be_bytes()).bytes(&entity.to_bytes()).done()
}

/// The bounds of a partition's timers that are due at `until` or before.
pub(crate) fn timer_range(partition: PartitionId, until: Option<Timestamp>) -> (Vec<u8>, Vec<u8>) {
    let from = partition.0.to_be_bytes().to_vec();
    let mut to = from.clone();
    match until {
        Some(until) => to.extend_from_slice(&u64::try_from(until.millis).unwrap_or(0).saturating_add(1).to_be_bytes()),
        None => to.extend_from_slice(&[0xFF; 9]),
    }
    (from, to)
}

/// Due time and entity of a timer key.
pub(crate) fn parse_timer(key: &[u8]) -> Option<(Timestamp, EntityId)> {
    let due = u64::from_be_bytes(key.get(2..10)?.try_into().ok()?);
    let entity = EntityId::from_bytes(key.get(10..26)?.try_into().ok()?);
    Some((Timestamp::from_millis(i64::try_from(due).ok()?), entity))
}

/// `ActivityTasks`: an activity's undelivered tasks, oldest first.
pub(crate) fn activity_task(activity_arn: &str, scheduled_at: Timestamp, entity: EntityId, scheduled: EventId) -> Bytes {
    let time = u64::try_from(scheduled_at.millis).unwrap_or(0);
    Key::default().text(activity_arn).bytes(&time.to_be_bytes()).bytes(&entity.to_bytes()).bytes(&scheduled.to_be_bytes()).done()
}

/// The bounds of an activity's queue.
pub(crate) fn activity_range(activity_arn: &str) -> (Vec<u8>, Vec<u8>) {
    let from = Key::default().text(activity_arn).0;
    let mut to = from.clone();
    to.extend_from_slice(&[0xFF; 33]);
    (from, to)
}

/// Entity and scheduled event of an activity task's key.
pub(crate) fn parse_activity_task(key: &[u8]) -> Option<(EntityId, EventId)> {
    let tail = key.get(key.len().checked_sub(24)?..)?;
    Some((EntityId::from_bytes(tail[..16].try_into().ok()?), EventId::from_be_bytes(tail[16..].try_into().ok()?)))
}

/// `Retention`: an ended execution by the time at which it goes.
pub(crate) fn retained(until: Timestamp, entity: EntityId) -> Bytes {
    let until = u64::try_from(until.millis).unwrap_or(0);
    Key::default().bytes(&until.to_be_bytes()).bytes(&entity.to_bytes()).done()
}

/// The end of what goes at `now` or before.
pub(crate) fn retained_until(now: Timestamp) -> Vec<u8> {
    u64::try_from(now.millis).unwrap_or(0).saturating_add(1).to_be_bytes().to_vec()
}

/// The entity of a retention key.
pub(crate) fn entity_of_retained(key: &[u8]) -> Option<EntityId> {
    Some(EntityId::from_bytes(key.get(8..24)?.try_into().ok()?))
}

/// `Catalog`: a machine by its name.
pub(crate) fn machine(scope: &Scope, name: &str) -> Bytes {
    Key::default().bytes(b"m").scope(scope).text(name).done()
}

/// `Catalog`: the deleted machine that had this name last.
pub(crate) fn departed(scope: &Scope, name: &str) -> Bytes {
    Key::default().bytes(b"d").scope(scope).text(name).done()
}

/// `Catalog`: a revision by its number.
pub(crate) fn revision(number: u64) -> Bytes {
    Key::default().bytes(b"r").bytes(&number.to_be_bytes()).done()
}

/// `Catalog`: an activity by its name.
pub(crate) fn activity(scope: &Scope, name: &str) -> Bytes {
    Key::default().bytes(b"a").scope(scope).text(name).done()
}

/// The bounds of everything in `Catalog` that begins with `kind`.
pub(crate) fn catalog_range(kind: u8) -> (Vec<u8>, Vec<u8>) {
    (vec![kind], vec![kind + 1])
}

/// `Meta`: the ring of token keys.
pub(crate) const TOKEN_KEYS: &[u8] = b"token-keys";
/// `Meta`: the next number of an incarnation or a revision.
pub(crate) const NEXT_NUMBER: &[u8] = b"next-number";
