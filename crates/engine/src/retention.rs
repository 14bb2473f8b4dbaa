//! Retention: what ended long enough ago goes, and its name may be used again.
//!
//! How long an execution is kept is decided when it ends, by its machine's tag or the default. A row says when it goes and
//! what has to go with it; rows are in the order of that time. They are worked off in small portions with pauses between.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skald_asl::Timestamp;
use skald_store::{Change, Direction, EntityId, Epoch, Error, Operation, PartitionId, Removal, Table};
use tokio::time::Instant;

use crate::execution::ExecutionStatus;
use crate::keys::{self, ListKind};
use crate::shared::Shared;
use crate::stored::Retained;

/// A machine's tag: a whole number of days, 1 at least.
pub(crate) const TAG: &str = "skald:retention-days";
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often there is a look for what may go.
const PAUSE: Duration = Duration::from_secs(60);
/// Executions that go in one portion, and records that they may have together. SOURCE: our own: some milliseconds of the
/// thread that writes the log.
const AT_ONCE_MAX: usize = 64;
const RECORDS_AT_ONCE_MAX: u64 = 10_000;
/// After a portion nothing goes for so many times as long as it took, …
const PAUSE_FACTOR: u32 = 2;
/// … and for so long at least.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The days that tags, as the API takes them, ask for.
pub(crate) fn of_tags(tags: &str) -> Option<Duration> {
    let tags: serde_json::Value = serde_json::from_str(tags).ok()?;
    let tag = tags.as_array()?.iter().find(|tag| tag.get("key").is_some_and(|key| key == TAG))?;
    let days: u32 = tag.get("value")?.as_str()?.parse().ok()?;
    (days > 0).then(|| DAY * days)
}

/// Removes what has been kept long enough, until the engine stops or another one has its partitions.
pub(crate) async fn run(shared: Arc<Shared>, epochs: HashMap<PartitionId, Epoch>) {
    while !shared.is_stopping() {
        match sweep(&shared, &epochs).await {
            Ok(()) | Err(Error::Conflict(_) | Error::Full(_) | Error::Unknown(_)) => {}
            Err(Error::Fenced) => return,
            Err(error @ Error::Damaged(_)) => tracing::error!(%error, "executions that were kept long enough cannot be removed"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn sweep(shared: &Shared, epochs: &HashMap<PartitionId, Epoch>) -> Result<(), Error> {
    let to = keys::retained_until(shared.now());
    let (mut from, mut removed) = (Vec::new(), 0);
    while !shared.is_stopping() {
        let began = Instant::now();
        let rows = shared.store.scan(Table::Retention, &from, &to, Direction::Forward, AT_ONCE_MAX).await?;
        let Some((last, _)) = rows.last() else { break };
        from = [last.as_ref(), &[0]].concat();
        removed += remove(shared, epochs, rows).await?;
        tokio::time::sleep((began.elapsed() * PAUSE_FACTOR).max(PAUSE_MIN)).await;
    }
    if removed > 0 {
        tracing::info!(removed, "executions were kept long enough, and are gone");
    }
    Ok(())
}

/// Removes a portion, partition by partition. Answers how many are gone.
async fn remove(shared: &Shared, epochs: &HashMap<PartitionId, Epoch>, rows: Vec<(Bytes, Bytes)>) -> Result<usize, Error> {
    let mut by_partition: BTreeMap<PartitionId, Vec<(Bytes, EntityId, Bytes)>> = BTreeMap::new();
    for (key, value) in rows {
        if let Some(entity) = keys::entity_of_retained(&key).filter(|entity| shared.live.get(*entity).is_none()) {
            by_partition.entry(entity.partition()).or_default().push((key, entity, value));
        }
    }
    let mut removed = 0;
    for (partition, rows) in by_partition {
        let Some(epoch) = epochs.get(&partition).copied() else { continue };
        let removal = Removal { partition, epoch, at: shared.now().millis, entities: Vec::new(), changes: Vec::new() };
        let (mut portion, mut records) = (removal.clone(), 0);
        for (key, entity, value) in rows {
            let position = shared.store.position(entity).await?;
            if records > 0 && records + position.0 > RECORDS_AT_ONCE_MAX {
                removed += let_go(shared, std::mem::replace(&mut portion, removal.clone())).await?;
                records = 0;
            }
            records += position.0;
            portion.entities.push((entity, position));
            portion.changes.extend(rows_of(key, entity, &value));
        }
        removed += let_go(shared, portion).await?;
    }
    Ok(removed)
}

/// Out of the store and out of memory. Answers how many are gone.
async fn let_go(shared: &Shared, removal: Removal) -> Result<usize, Error> {
    // Before their names are free: what has one of these next must not be taken for what is remembered.
    removal.entities.iter().for_each(|(entity, _)| shared.live.forget(*entity));
    let gone = removal.entities.len();
    shared.store.remove(removal).await?;
    Ok(gone)
}

/// All rows of an ended execution go with it.
fn rows_of(key: Bytes, entity: EntityId, value: &[u8]) -> Vec<Change> {
    let delete = |table, key| Change { table, key, operation: Operation::Delete };
    let mut changes = vec![delete(Table::Retention, key)];
    if let Some(Retained { status, sorted_by, prefix, name }) = Retained::decode(value) {
        changes.push(delete(Table::Names, keys::name(&prefix, &name)));
        for kind in [ListKind::All, ListKind::Status(status)] {
            changes.push(delete(Table::Lists, keys::list(&prefix, kind, sorted_by, entity)));
        }
    }
    changes
}

/// The row of an execution that ended and owes nothing.
pub(crate) fn row(
    kept_for: Duration,
    entity: EntityId,
    status: ExecutionStatus,
    sorted_by: Timestamp,
    prefix: &[u8],
    name: &str,
) -> (Bytes, Bytes) {
    let until = sorted_by.plus_millis(u64::try_from(kept_for.as_millis()).unwrap_or(u64::MAX));
    let value = Retained { status, sorted_by, prefix: prefix.to_vec(), name: name.to_owned() };
    (keys::retained(until, entity), value.encode())
}
