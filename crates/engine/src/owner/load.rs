//! Loading: an execution becomes live again, whether it was parked, awake at a crash, or dropped.
//!
//! Its head carries the state as it was folded then: only the records after it are read. A head may be lost, or written by
//! a release that folded otherwise: the whole journal says the same.

use std::sync::Arc;
use std::time::Duration;

use skald_asl::Timestamp;
use skald_interpreter::{Execution, Note, Record, journal, snapshot};
use skald_store::{EntityId, Position, StoredChunk, Table};
use tokio::task::JoinError;

use super::Owner;
use super::decide::standing_offers;
use super::entity::{Entity, Item};
use super::message::Reply;
use crate::catalog::Fate;
use crate::execution_log::Logging;
use crate::keys::{self, ListKind};
use crate::scope::Scope;
use crate::shared::Shared;
use crate::stored::{Folded, Head};

/// The pause before a journal that could not be read is tried again.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// How much of a journal is read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// An execution read from the store.
pub(crate) struct Loaded {
    execution: Execution,
    fate: Arc<Fate>,
    logging: Option<Arc<Logging>>,
    prefix: Arc<[u8]>,
    awake: bool,
    listed: bool,
    timer_due: Option<Timestamp>,
}

/// What reading an entity brought: none when there is no such execution.
pub(crate) type Read = (EntityId, Result<Option<Loaded>, String>);

impl Owner {
    /// Begins to read an entity.
    pub(super) fn load(&mut self, entity: EntityId) {
        self.load_all([entity]);
    }

    /// Begins to read entities, one after the other: whoever else has something to do has a turn between.
    pub(super) fn load_all(&mut self, entities: impl IntoIterator<Item = EntityId>) {
        let mut missing = Vec::new();
        for entity in entities {
            if !self.resting.contains(&entity) && !self.loading.contains_key(&entity) {
                self.loading.insert(entity, Vec::new());
                missing.push(entity);
            }
        }
        if !missing.is_empty() {
            self.spawn_load(missing, Duration::ZERO);
        }
    }

    fn spawn_load(&mut self, entities: Vec<EntityId>, pause: Duration) {
        let shared = Arc::clone(&self.shared);
        self.loads.spawn(async move {
            // Even a pause of nothing would take until the clock's next tick.
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let mut read = Vec::with_capacity(entities.len());
            for entity in entities {
                let shared = Arc::clone(&shared);
                // A task of its own, so that a panic is this entity's failure.
                let reading = tokio::spawn(async move { read_execution(&shared, entity).await });
                read.push((entity, reading.await.unwrap_or_else(|error| Err(error.to_string()))));
            }
            read
        });
    }

    pub(super) fn take_loads(&mut self, loads: Result<Vec<Read>, JoinError>) {
        match loads {
            Ok(loads) => loads.into_iter().for_each(|(entity, loaded)| self.take_loaded(entity, loaded)),
            Err(error) => tracing::error!(%error, "the reading of executions was lost"),
        }
    }

    fn take_loaded(&mut self, entity: EntityId, loaded: Result<Option<Loaded>, String>) {
        let items = self.loading.remove(&entity).unwrap_or_default();
        self.unreadable.remove(&entity);
        match loaded {
            Ok(Some(loaded)) => {
                self.bring_in(entity, loaded, items);
            }
            Ok(None) => self.answer_missing(items),
            Err(reason) => {
                tracing::error!(%entity, reason, "an execution cannot be read");
                self.read_again(entity, items, &reason);
            }
        }
    }

    fn bring_in(&mut self, entity: EntityId, loaded: Loaded, items: Vec<Item>) {
        let now = self.shared.now();
        let Loaded { execution, fate, logging, prefix, awake, listed, timer_due } = loaded;
        let weight = self.shared.live_bytes.weigh(execution.held_bytes());
        let mut live = Entity::new(execution, fate, prefix, now, weight);
        live.logging = logging;
        live.awake = awake;
        live.listed = listed;
        live.timer_due = timer_due;
        if let Some(beating) = self.beating.remove(&entity) {
            live.heartbeats = beating.seen();
        }
        live.offers = standing_offers(live.execution(), entity).into_iter().collect();
        // Before settling: a settled execution stays only as long as something is asked of it.
        live.queue.extend(items);
        self.entities.insert(entity, live);
        self.settle(entity);
    }

    /// Callers are told; what the engine owes itself waits for another try.
    fn read_again(&mut self, entity: EntityId, items: Vec<Item>, reason: &str) {
        let (kept, asked): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| matches!(item, Item::Command(_)));
        for item in asked {
            item.refuse(reason);
        }
        if !self.shared.is_stopping() {
            self.loading.insert(entity, kept);
            self.unreadable.insert(entity);
            self.spawn_load(vec![entity], READ_PAUSE);
        }
    }

    fn answer_missing(&mut self, items: Vec<Item>) {
        for item in items {
            match item {
                Item::Command(_) => {}
                Item::Question(_, reply) => drop(reply.send(Ok(Reply::Missing))),
                Item::SameName(start) => self.same_names.push(*start),
            }
        }
    }
}

async fn read_execution(shared: &Shared, entity: EntityId) -> Result<Option<Loaded>, String> {
    let store = &shared.store;
    let (mut envelope, mut begun) = (None, None);
    if let Some(stored) = store.head(entity).await.map_err(|error| error.to_string())?
        && let Some(head) = Head::decode(&stored.bytes)
    {
        envelope = Some(head.envelope);
        if let Some(folded) = head.folded {
            begun = at_head(shared, stored.position, &folded).await?;
        }
    }
    let is_checked = cfg!(debug_assertions) && begun.is_some();
    let Some(execution) = fold_rest(shared, entity, begun).await? else { return Ok(None) };
    if is_checked {
        // Whatever tests run shows that heads say what journals say.
        let folded = fold_rest(shared, entity, None).await?;
        assert_eq!(Some(&execution), folded.as_ref(), "from the head on, and from the beginning");
    }
    let identity = execution.identity().ok_or("the journal does not begin with its origin")?;
    let origin = &identity.origin;
    let scope = Scope { partition: origin.partition.clone(), account: origin.account.clone(), region: origin.region.clone() };
    let prefix: Arc<[u8]> = keys::machine_prefix(&scope, &origin.machine_name, origin.machine_incarnation).into();
    let fate = shared.book.fate(origin.machine_incarnation);
    let logging = shared.book.revision(origin.revision).await.map_err(|fault| fault.0)?.logging.clone();
    let awake = store.get(Table::Awake, &keys::awake(entity)).await.map_err(|error| error.to_string())?.is_some();
    let (listed, timer_due) = match envelope {
        Some(envelope) => (envelope.listed, envelope.timer_due),
        // Heads may be lost: the tables know.
        None => {
            let row = keys::list(&prefix, ListKind::All, identity.started_at, entity);
            let listed = store.get(Table::Lists, &row).await.map_err(|error| error.to_string())?.is_some();
            (listed, execution.next_due().filter(|_| listed))
        }
    };
    // An awake entity has no timer row: the record that woke it removed it.
    Ok(Some(Loaded { execution, fate, logging, prefix, awake, listed, timer_due: timer_due.filter(|_| !awake) }))
}

/// The execution as its head has it; none when the head does not help.
async fn at_head(shared: &Shared, position: Position, folded: &Folded) -> Result<Option<Execution>, String> {
    let revision = shared.book.revision(folded.revision).await.map_err(|fault| fault.0)?;
    match snapshot::decode(&folded.snapshot, Arc::clone(&revision.definition)) {
        Ok(execution) if execution.position() == position.0 => Ok(Some(execution)),
        Ok(execution) => {
            tracing::warn!(
                head = position.0,
                snapshot = execution.position(),
                "a head's state is of another position: folding the journal"
            );
            Ok(None)
        }
        Err(snapshot::DecodeError::UnknownVersion { .. }) => Ok(None),
        Err(snapshot::DecodeError::Broken(error)) => {
            tracing::warn!(%error, "a head's state cannot be read: folding the journal");
            Ok(None)
        }
    }
}

/// Folds the records that follow what is folded already, or all of them; none when there are none.
async fn fold_rest(shared: &Shared, entity: EntityId, mut execution: Option<Execution>) -> Result<Option<Execution>, String> {
    let mut position = Position(execution.as_ref().map_or(0, Execution::position));
    loop {
        let chunks = shared.store.read(entity, position, READ_BYTES).await.map_err(|error| error.to_string())?;
        let Some(last) = chunks.last().map(StoredChunk::last) else { return Ok(execution) };
        for chunk in chunks {
            let records = journal::decode(&chunk.bytes, chunk.count).map_err(|error| error.to_string())?;
            let folding = match &mut execution {
                Some(execution) => execution,
                None => execution.insert(unborn(shared, &records).await?),
            };
            for (at, record) in (chunk.first.0..).zip(&records) {
                // A chunk may begin before what is folded already.
                if at > position.0 {
                    folding.apply(record);
                }
            }
        }
        position = last;
    }
}

/// The execution that a journal's first record names.
async fn unborn(shared: &Shared, records: &[Record]) -> Result<Execution, String> {
    let Some(Record::Note(Note::Created(origin))) = records.first() else {
        return Err("the journal does not begin with its origin".to_owned());
    };
    let revision = shared.book.revision(origin.revision).await.map_err(|fault| fault.0)?;
    Ok(Execution::unborn(Arc::clone(&revision.definition)))
}
