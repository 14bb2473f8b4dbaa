//! Loading: an execution becomes live again, whether it was parked, awake at a crash, or dropped.
//!
//! Its head carries the state as it was folded then: only the records after it are read. A head may be lost, or written by
//! a release that folded otherwise: the whole journal says the same.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use skald_asl::Timestamp;
use skald_interpreter::{Execution, Note, Record, journal, snapshot};
use skald_store::{EntityId, Position, StoredChunk, Table};
use tokio::task::JoinError;

use super::Owner;
use super::decide::standing_offers;
use super::entity::{Entity, Item};
use super::message::Reply;
use crate::keys;
use crate::scope::Scope;
use crate::shared::Shared;
use crate::stored::{Folded, Head};

/// How much of a journal is read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// An execution read from the store.
pub(crate) struct Loaded {
    execution: Execution,
    deleting: Arc<AtomicBool>,
    prefix: Arc<[u8]>,
    awake: bool,
    listed: bool,
    timer_due: Option<Timestamp>,
}

impl Owner {
    /// Begins to read an entity.
    pub(super) fn load(&mut self, entity: EntityId) {
        if self.loading.contains_key(&entity) {
            return;
        }
        self.loading.insert(entity, Vec::new());
        let shared = Arc::clone(&self.shared);
        self.loads.spawn(async move { (entity, read_execution(&shared, entity).await) });
    }

    pub(super) fn take_loaded(&mut self, loaded: Result<(EntityId, Result<Option<Loaded>, String>), JoinError>) {
        let (entity, loaded) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(%error, "reading an execution panicked");
                return;
            }
        };
        let items = self.loading.remove(&entity).unwrap_or_default();
        match loaded {
            Ok(Some(loaded)) => {
                self.bring_in(entity, loaded, items);
            }
            Ok(None) => self.answer_missing(items, None),
            Err(reason) => {
                tracing::error!(entity = %format_args!("{:032x}", entity.0), reason, "an execution cannot be read");
                self.answer_missing(items, Some(&reason));
            }
        }
    }

    fn bring_in(&mut self, entity: EntityId, loaded: Loaded, items: Vec<Item>) {
        let now = self.shared.now();
        let Loaded { execution, deleting, prefix, awake, listed, timer_due } = loaded;
        let mut live = Entity::new(execution, deleting, prefix, now);
        live.awake = awake;
        live.listed = listed;
        live.timer_due = timer_due;
        live.offers = standing_offers(live.execution(), entity).into_iter().collect();
        // Before settling: a settled execution stays only as long as something is asked of it.
        live.queue.extend(items);
        self.entities.insert(entity, live);
        self.settle(entity);
    }

    fn answer_missing(&mut self, items: Vec<Item>, reason: Option<&str>) {
        for item in items {
            match item {
                Item::Command(_) => {}
                Item::Question(_, reply) => {
                    let answer = match reason {
                        None => Ok(Reply::Missing),
                        Some(reason) => Err(crate::error::Fault(reason.to_owned())),
                    };
                    drop(reply.send(answer));
                }
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
    let prefix = keys::machine_prefix(&scope, &origin.machine_name, origin.machine_incarnation).into();
    let deleting = shared.book.deleting_flag(origin.machine_incarnation);
    let awake = store.get(Table::Awake, &keys::awake(entity)).await.map_err(|error| error.to_string())?.is_some();
    let (listed, timer_due) = envelope.map_or((false, None), |envelope| (envelope.listed, envelope.timer_due));
    // An awake entity has no timer row: the record that woke it removed it.
    Ok(Some(Loaded { execution, deleting, prefix, awake, listed, timer_due: timer_due.filter(|_| !awake) }))
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
