//! Reads: past the owners, of what is durable.

use std::ops::ControlFlow;
use std::sync::Arc;

use skald_interpreter::{Event, EventKind, Identity, Note, Record, Status, journal};
use skald_store::{Direction, EntityId, EntitySet, Position, Store, StoredChunk, Table};

use crate::catalog::Machined;
use crate::error::{DescribeExecutionError, Fault, HistoryError, ListExecutionsError};
use crate::execution::{Described, ExecutionStatus, HistoryRequest, Listed, NewestFirst};
use crate::keys::{self, ListKind};
use crate::live::{self, Summary};
use crate::page::{Page, PageRequest};
use crate::shared::Shared;
use crate::stored::{Envelope, Head, NameRecord};

/// How much of a journal is read for a page at once.
const READ_BYTES: usize = 512 * 1024;

/// The entity of a machine's execution of this name.
pub(crate) async fn entity_of(shared: &Shared, machine: &Machined, name: &str) -> Result<Option<EntityId>, Fault> {
    if let Some(entity) = shared.live.ended_by_name(&machine.prefix, name) {
        return Ok(Some(entity));
    }
    let bytes = shared.store.get(Table::Names, &keys::name(&machine.prefix, name)).await?;
    match bytes {
        None => Ok(None),
        Some(bytes) => {
            NameRecord::decode(&bytes).map(|record| Some(record.entity)).ok_or_else(|| Fault("a name's record cannot be read".to_owned()))
        }
    }
}

/// What an execution is and where it stands.
pub(crate) async fn describe(shared: &Shared, entity: EntityId) -> Result<Described, DescribeExecutionError> {
    if let Some(summary) = shared.live.known(entity) {
        return Ok(summary.described());
    }
    let (identity, status) = stored(shared, entity).await?;
    Ok(live::describe(&identity, &status))
}

/// Identity and status from the store, without folding: the first records say who, the last what became of it.
pub(crate) async fn stored(shared: &Shared, entity: EntityId) -> Result<(Identity, Status), Fault> {
    let store = &shared.store;
    let broken = || Fault("an execution's journal cannot be read".to_owned());
    let first = store.read(entity, Position(0), 1).await?;
    let records = decode(first.first().ok_or_else(broken)?)?;
    let identity = identity_of(&records).ok_or_else(broken)?;
    let head = store.head(entity).await?.and_then(|head| Head::decode(&head.bytes));
    if head.is_some_and(|head| head.envelope.status == ExecutionStatus::Running) {
        return Ok((identity, Status::Running));
    }
    // Only notes of what was owed may follow the terminal event.
    let mut before = Position(u64::MAX);
    loop {
        let chunks = store.read_back(entity, before, READ_BYTES).await?;
        let Some(last) = chunks.last() else { return Ok((identity, Status::Running)) };
        before = last.first;
        for chunk in &chunks {
            for record in decode(chunk)?.iter().rev() {
                match record {
                    Record::Event(event) => return Ok((identity, Status::ended_by(event).unwrap_or(Status::Running))),
                    Record::Note(_) => {}
                }
            }
        }
    }
}

fn identity_of(records: &[Record]) -> Option<Identity> {
    let Some(Record::Note(Note::Created(origin))) = records.first() else { return None };
    let Some(Record::Event(Event { kind: EventKind::ExecutionStarted { input, .. }, at, .. })) = records.get(1) else { return None };
    Some(Identity {
        execution_arn: origin.execution_arn(),
        machine_arn: origin.machine_arn(),
        origin: Arc::clone(origin),
        input: input.clone(),
        started_at: *at,
    })
}

fn decode(chunk: &StoredChunk) -> Result<Vec<Record>, Fault> {
    journal::decode(&chunk.bytes, chunk.count).map_err(|error| Fault(error.to_string()))
}

/// Shows events until `show` breaks; then where the next page begins, if there are more. A cursor is the position of the
/// last record that was looked at.
pub(crate) async fn history(
    shared: &Shared,
    entity: EntityId,
    request: &HistoryRequest,
    show: impl FnMut(&Event) -> ControlFlow<()> + Send,
) -> Result<Option<Vec<u8>>, HistoryError> {
    let cursor = match &request.cursor {
        None => None,
        Some(bytes) => Some(Position(u64::from_be_bytes(bytes.as_slice().try_into().map_err(|_| HistoryError::InvalidToken)?))),
    };
    let page = Filling { show, full_at: None };
    let next = match request.newest_first {
        NewestFirst::No => forward(&shared.store, entity, cursor.unwrap_or(Position(0)), page).await?,
        NewestFirst::Yes => backward(&shared.store, entity, cursor.unwrap_or(Position(u64::MAX)), page).await?,
    };
    Ok(next.map(|position| position.0.to_be_bytes().to_vec()))
}

/// A page that is being filled.
struct Filling<S> {
    show: S,
    /// The position of the event that filled it.
    full_at: Option<Position>,
}

impl<S: FnMut(&Event) -> ControlFlow<()>> Filling<S> {
    /// Shows a record's event; says where to go on when the page was full and there is one more.
    fn take(&mut self, position: u64, record: &Record) -> Option<Position> {
        let Record::Event(event) = record else { return None };
        if self.full_at.is_none() {
            self.full_at = (self.show)(event).is_break().then_some(Position(position));
            return None;
        }
        self.full_at
    }
}

async fn forward(
    store: &Arc<dyn Store>,
    entity: EntityId,
    mut after: Position,
    mut page: Filling<impl FnMut(&Event) -> ControlFlow<()> + Send>,
) -> Result<Option<Position>, Fault> {
    loop {
        let chunks = store.read(entity, after, READ_BYTES).await?;
        let Some(last) = chunks.last().map(StoredChunk::last) else { return Ok(None) };
        for chunk in &chunks {
            for (position, record) in (chunk.first.0..).zip(&decode(chunk)?).filter(|(position, _)| *position > after.0) {
                if let Some(next) = page.take(position, record) {
                    return Ok(Some(next));
                }
            }
            // A long page leaves the thread to others now and then.
            tokio::task::yield_now().await;
        }
        after = last;
    }
}

async fn backward(
    store: &Arc<dyn Store>,
    entity: EntityId,
    mut before: Position,
    mut page: Filling<impl FnMut(&Event) -> ControlFlow<()> + Send>,
) -> Result<Option<Position>, Fault> {
    loop {
        let chunks = store.read_back(entity, before, READ_BYTES).await?;
        let Some(first) = chunks.last().map(|chunk| chunk.first) else { return Ok(None) };
        for chunk in &chunks {
            let records = decode(chunk)?;
            let numbered = (chunk.first.0..=chunk.last().0).rev().zip(records.iter().rev());
            for (position, record) in numbered.filter(|(position, _)| *position < before.0) {
                if let Some(next) = page.take(position, record) {
                    return Ok(Some(next));
                }
            }
            tokio::task::yield_now().await;
        }
        before = first;
    }
}

/// A page of a machine's executions, newest first: live ones over what the tables have.
pub(crate) async fn list(
    shared: &Shared,
    machine: &Machined,
    status: Option<ExecutionStatus>,
    page: &PageRequest,
) -> Result<Page<Listed>, ListExecutionsError> {
    let kind = status.map_or(ListKind::All, ListKind::Status);
    let mut after: Option<[u8; 24]> = match &page.cursor {
        None => None,
        Some(cursor) => Some(cursor.as_slice().try_into().map_err(|_| ListExecutionsError::InvalidToken)?),
    };
    let wanted = page.limit + 1;
    // One look at what is live: an execution may be woken or end while the table is read, and is listed once all the same.
    let live = shared.live.list(&machine.prefix, status, after, wanted);
    let mut seen: EntitySet = live.iter().map(|(_, summary)| summary.entity).collect();
    let mut live = live.into_iter().peekable();
    let mut found: Vec<([u8; 24], Listed)> = Vec::new();
    loop {
        let (from, to) = keys::list_range(&machine.prefix, kind, after.as_ref().map(<[u8; 24]>::as_slice));
        let rows = shared.store.scan(Table::Lists, &from, &to, Direction::Forward, wanted).await.map_err(Fault::from)?;
        let at_end = rows.len() < wanted;
        for (key, value) in rows {
            let Some(suffix) = keys::suffix_of_list_key(&key) else { continue };
            after = Some(suffix);
            while let Some((suffix, summary)) = live.next_if(|(live, _)| *live <= suffix) {
                found.push((suffix, summary.listed()));
            }
            let Some(entity) = keys::entity_of_list_key(&key) else { continue };
            if seen.insert(entity) {
                let envelope = Envelope::decode(&value).ok_or_else(|| Fault("a list's entry cannot be read".to_owned()))?;
                found.push((suffix, listed(machine, envelope)));
            }
            if found.len() >= wanted {
                break;
            }
        }
        if at_end || found.len() >= wanted {
            break;
        }
    }
    found.extend(live.map(|(suffix, summary)| (suffix, Summary::listed(&summary))));
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    let next = if more { found.last().map(|(suffix, _)| suffix.to_vec()) } else { None };
    Ok(Page { items: found.into_iter().map(|(_, listed)| listed).collect(), next })
}

fn listed(machine: &Machined, envelope: Envelope) -> Listed {
    let scope = &machine.record.scope;
    let arn = skald_aws::arn::Arn::execution(&scope.partition, &scope.region, &scope.account, &machine.record.name, &envelope.name);
    Listed {
        execution_arn: arn,
        machine_arn: machine.arn(),
        name: envelope.name,
        status: envelope.status,
        started_at: envelope.started_at,
        stopped_at: envelope.stopped_at,
    }
}

/// Whether a machine has an open execution, in memory or parked.
pub(crate) async fn any_open(shared: &Shared, machine: &Machined) -> Result<bool, Fault> {
    if machine.fate.has_starts_in_flight() || shared.live.any_open(&machine.prefix) {
        return Ok(true);
    }
    let (from, to) = keys::list_range(&machine.prefix, ListKind::Status(ExecutionStatus::Running), None);
    Ok(!shared.store.scan(Table::Lists, &from, &to, Direction::Forward, 1).await?.is_empty())
}
