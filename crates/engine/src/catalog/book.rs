//! The catalog in memory and in the store: written by one at a time, read by everyone.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use skald_asl::{Definition, Timestamp, parse};
use skald_interpreter::note::Origin;
use skald_store::{Batch, Change, Direction, Epoch, Operation, Store, Table, Urgency};

use super::fate::Fate;
use super::record::{MachineRecord, RevisionRecord, decode_activity, encode_activity};
use super::{Activity, Configuration, CreateMachine, Machine, MachineStatus, MachineType, UpdateMachine, UpdatedMachine};
use crate::error::{CreateActivityError, CreateMachineError, Fault, ListError, OpenError, UpdateMachineError};
use crate::execution_log::Logging;
use crate::keys::{self, CATALOG_PARTITION};
use crate::page::{Page, PageRequest};
use crate::scope::Scope;

/// A machine with its current revision, shared by everyone who starts it. Replaced as a whole by an update.
pub(crate) struct Machined {
    pub(crate) record: MachineRecord,
    pub(crate) revision: Arc<Revision>,
    /// Shared by all replacements.
    pub(crate) fate: Arc<Fate>,
    /// What its executions' keys begin with.
    pub(crate) prefix: Vec<u8>,
}

/// A revision, compiled.
pub(crate) struct Revision {
    pub(crate) record: RevisionRecord,
    pub(crate) definition: Arc<Definition>,
    /// None: nothing is logged.
    pub(crate) logging: Option<Arc<Logging>>,
}

impl Revision {
    pub(crate) fn of(record: RevisionRecord, definition: Arc<Definition>) -> Self {
        let logging = Logging::of(&record.configuration.logging).map(Arc::new);
        Self { record, definition, logging }
    }
}

/// Machines by scope and name. Two steps: every request looks one up, and makes no key for that.
#[derive(Default)]
struct Shelf(BTreeMap<Scope, BTreeMap<String, Arc<Machined>>>);

impl Shelf {
    fn find(&self, scope: &Scope, name: &str) -> Option<Arc<Machined>> {
        self.0.get(scope)?.get(name).cloned()
    }

    /// In the place of one of its name.
    fn put(&mut self, machine: Arc<Machined>) {
        let MachineRecord { scope, name, .. } = &machine.record;
        self.0.entry(scope.clone()).or_default().insert(name.clone(), machine);
    }

    fn take(&mut self, record: &MachineRecord) -> Option<Arc<Machined>> {
        self.0.get_mut(&record.scope)?.remove(&record.name)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Machined>> {
        self.0.values().flat_map(BTreeMap::values)
    }

    /// In the order of their names, those behind `after`.
    fn after(&self, scope: &Scope, after: Option<&str>) -> impl Iterator<Item = &Arc<Machined>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.0.get(scope).into_iter().flat_map(move |names| names.range::<str, _>((from, Bound::Unbounded))).map(|(_, machine)| machine)
    }
}

/// All machines, revisions and activities.
pub(crate) struct Book {
    store: Arc<dyn Store>,
    epoch: Epoch,
    /// One writer at a time; holds the next incarnation or revision number.
    writer: tokio::sync::Mutex<u64>,
    machines: RwLock<Shelf>,
    /// Deleted ones: their executions can still be looked at, until the name is used again.
    departed: RwLock<Shelf>,
    revisions: RwLock<HashMap<u64, Arc<Revision>>>,
    /// By ARN.
    activities: RwLock<BTreeMap<String, (Scope, Activity)>>,
    /// By incarnation: executions outlive the machine's entry under its name.
    fates: RwLock<HashMap<u64, Arc<Fate>>>,
}

impl Machined {
    fn new(record: MachineRecord, revision: Arc<Revision>, fate: Arc<Fate>) -> Self {
        let prefix = keys::machine_prefix(&record.scope, &record.name, record.incarnation);
        Self { record, revision, fate, prefix }
    }

    /// What one of its executions is, if nothing special is asked for.
    pub(crate) fn origin(&self, execution_name: String, trace_header: Option<String>) -> Origin {
        let record = &self.record;
        Origin {
            partition: record.scope.partition.clone(),
            region: record.scope.region.clone(),
            account: record.scope.account.clone(),
            machine_name: record.name.clone(),
            machine_incarnation: record.incarnation,
            revision: self.revision.record.number,
            execution_name,
            role_arn: self.revision.record.role_arn.clone(),
            trace_header,
            express_id: None,
            parent: None,
        }
    }

    pub(crate) fn arn(&self) -> String {
        let scope = &self.record.scope;
        skald_aws::arn::Arn::state_machine(&scope.partition, &scope.region, &scope.account, &self.record.name)
    }

    /// As it was when an execution of this revision started.
    pub(crate) fn shown_at(&self, revision: &Revision) -> Machine {
        shown(&self.arn(), &self.record, revision)
    }

    pub(crate) fn shown(&self) -> Machine {
        shown(&self.arn(), &self.record, &self.revision)
    }
}

fn shown(arn: &str, machine: &MachineRecord, Revision { record: revision, definition, .. }: &Revision) -> Machine {
    Machine {
        arn: arn.to_owned(),
        name: machine.name.clone(),
        machine_type: machine.machine_type,
        status: machine.status,
        definition: revision.definition.clone(),
        compiled: Arc::clone(definition),
        role_arn: revision.role_arn.clone(),
        created_at: machine.created_at,
        updated_at: revision.updated_at,
        revision_id: revision.id.clone(),
        configuration: Configuration { tags: machine.tags.clone(), ..revision.configuration.clone() },
    }
}

impl Book {
    /// Reads everything.
    pub(crate) async fn open(store: Arc<dyn Store>) -> Result<Self, OpenError> {
        let epoch = store.claim(CATALOG_PARTITION).await?;
        let unreadable = |what: &str| OpenError::Unreadable(format!("a {what} of the catalog"));
        let next = match store.get(Table::Meta, keys::NEXT_NUMBER).await? {
            Some(bytes) => u64::from_be_bytes(bytes.as_ref().try_into().map_err(|_| unreadable("number"))?),
            None => 1,
        };
        let book = Self {
            epoch,
            writer: tokio::sync::Mutex::new(next),
            machines: RwLock::default(),
            departed: RwLock::default(),
            revisions: RwLock::default(),
            activities: RwLock::default(),
            fates: RwLock::default(),
            store: Arc::clone(&store),
        };
        for (_, value) in all(&store, b'a').await? {
            let (scope, activity) = decode_activity(&value).ok_or_else(|| unreadable("activity"))?;
            write(&book.activities).insert(activity.arn.clone(), (scope, activity));
        }
        for (_, value) in all(&store, b'm').await? {
            let record = MachineRecord::decode(&value).ok_or_else(|| unreadable("machine"))?;
            let revision = book.revision(record.current_revision).await.map_err(|fault| OpenError::Unreadable(fault.0))?;
            book.shelve(record, revision);
        }
        for (_, value) in all(&store, b'd').await? {
            let record = MachineRecord::decode(&value).ok_or_else(|| unreadable("deleted machine"))?;
            let revision = book.revision(record.current_revision).await.map_err(|fault| OpenError::Unreadable(fault.0))?;
            let departed = Arc::new(Machined::new(record, revision, Fate::of(true)));
            write(&book.departed).put(departed);
        }
        Ok(book)
    }

    /// The machine of this name.
    pub(crate) fn machine(&self, scope: &Scope, name: &str) -> Option<Arc<Machined>> {
        read(&self.machines).find(scope, name)
    }

    /// The machine of this name, or the one that had it last.
    pub(crate) fn machine_or_departed(&self, scope: &Scope, name: &str) -> Option<Arc<Machined>> {
        self.machine(scope, name).or_else(|| read(&self.departed).find(scope, name))
    }

    /// A revision by its number, compiled once.
    pub(crate) async fn revision(&self, number: u64) -> Result<Arc<Revision>, Fault> {
        if let Some(revision) = read(&self.revisions).get(&number) {
            return Ok(Arc::clone(revision));
        }
        let bytes = self.store.get(Table::Catalog, &keys::revision(number)).await?;
        let record =
            bytes.and_then(|bytes| RevisionRecord::decode(&bytes)).ok_or_else(|| Fault(format!("revision {number} is missing")))?;
        let parsed = parse::parse(&record.definition, &parse::Options { machine_type: parse::MachineType::Standard })
            .map_err(|diagnostics| Fault(format!("revision {number} does not parse any more: {}", super::join(&diagnostics))))?;
        let revision = Arc::new(Revision::of(record, Arc::new(parsed.definition)));
        write(&self.revisions).insert(number, Arc::clone(&revision));
        Ok(revision)
    }

    /// What becomes of the machine of this incarnation.
    pub(crate) fn fate(&self, incarnation: u64) -> Arc<Fate> {
        // No machine of this incarnation: it was deleted, its execution is about to see that.
        read(&self.fates).get(&incarnation).map_or_else(|| Fate::of(true), Arc::clone)
    }

    pub(crate) async fn create(&self, scope: &Scope, request: CreateMachine, now: Timestamp) -> Result<Machine, CreateMachineError> {
        if skald_aws::name::check(&request.name).is_err() {
            return Err(CreateMachineError::InvalidName(request.name));
        }
        let definition = compile(&request.definition, request.machine_type).map_err(CreateMachineError::InvalidDefinition)?;
        let mut next = self.writer.lock().await;
        if let Some(existing) = self.machine(scope, &request.name) {
            return same_or_refused(&existing, &request);
        }
        let (incarnation, number) = (*next, *next + 1);
        let revision = RevisionRecord {
            number,
            id: None,
            definition: request.definition,
            role_arn: request.role_arn,
            updated_at: now,
            configuration: request.configuration.clone(),
        };
        let record = MachineRecord {
            scope: scope.clone(),
            name: request.name,
            incarnation,
            machine_type: request.machine_type,
            status: MachineStatus::Active,
            created_at: now,
            current_revision: number,
            tags: request.configuration.tags,
        };
        let changes = vec![
            put(Table::Catalog, keys::revision(number), revision.encode()),
            put(Table::Catalog, keys::machine(scope, &record.name), record.encode()),
            put(Table::Meta, Bytes::from_static(keys::NEXT_NUMBER), (number + 1).to_be_bytes().to_vec()),
        ];
        self.append(now, changes).await?;
        *next = number + 1;
        let revision = Arc::new(Revision::of(revision, Arc::new(definition)));
        write(&self.revisions).insert(number, Arc::clone(&revision));
        Ok(self.shelve(record, revision).shown())
    }

    pub(crate) async fn update(
        &self,
        scope: &Scope,
        arn: &str,
        name: &str,
        request: UpdateMachine,
        now: Timestamp,
        revision_id: String,
    ) -> Result<UpdatedMachine, UpdateMachineError> {
        let mut next = self.writer.lock().await;
        let machine = self.machine(scope, name).ok_or_else(|| UpdateMachineError::StateMachineDoesNotExist(arn.to_owned()))?;
        if machine.record.status == MachineStatus::Deleting {
            return Err(UpdateMachineError::StateMachineDeleting(arn.to_owned()));
        }
        let old = &machine.revision.record;
        let mut revision = old.clone();
        let definition = match request.definition {
            Some(text) => {
                let definition = compile(&text, machine.record.machine_type).map_err(UpdateMachineError::InvalidDefinition)?;
                revision.definition = text;
                Arc::new(definition)
            }
            None => Arc::clone(&machine.revision.definition),
        };
        revision.role_arn = request.role_arn.unwrap_or(revision.role_arn);
        revision.configuration.logging = request.logging.unwrap_or(revision.configuration.logging);
        revision.configuration.tracing = request.tracing.unwrap_or(revision.configuration.tracing);
        revision.configuration.encryption = request.encryption.unwrap_or(revision.configuration.encryption);
        if revision == *old {
            return Ok(UpdatedMachine { updated_at: now, revision_id: old.id.clone() });
        }
        revision.number = *next;
        revision.updated_at = now;
        // SOURCE: recorded, `test_update_logging_configuration`: any real change makes a revision with a new id.
        revision.id = Some(revision_id);
        let record = MachineRecord { current_revision: revision.number, ..machine.record.clone() };
        let changes = vec![
            put(Table::Catalog, keys::revision(revision.number), revision.encode()),
            put(Table::Catalog, keys::machine(scope, name), record.encode()),
            put(Table::Meta, Bytes::from_static(keys::NEXT_NUMBER), (*next + 1).to_be_bytes().to_vec()),
        ];
        self.append(now, changes).await?;
        *next += 1;
        let updated = UpdatedMachine { updated_at: now, revision_id: revision.id.clone() };
        let revision = Arc::new(Revision::of(revision, definition));
        write(&self.revisions).insert(revision.record.number, Arc::clone(&revision));
        self.shelve(record, revision);
        Ok(updated)
    }

    /// Marks a machine as being deleted; it goes when none of its executions is open. Nothing happens when there is none.
    pub(crate) async fn begin_deletion(&self, scope: &Scope, name: &str, now: Timestamp) -> Result<Option<Arc<Machined>>, Fault> {
        let _writer = self.writer.lock().await;
        let Some(machine) = self.machine(scope, name) else { return Ok(None) };
        let record = MachineRecord { status: MachineStatus::Deleting, ..machine.record.clone() };
        self.append(now, vec![put(Table::Catalog, keys::machine(scope, name), record.encode())]).await?;
        machine.fate.delete();
        Ok(Some(self.shelve(record, Arc::clone(&machine.revision))))
    }

    /// Removes a machine whose last execution ended.
    pub(crate) async fn finish_deletion(&self, machine: &Machined, now: Timestamp) -> Result<(), Fault> {
        let _writer = self.writer.lock().await;
        let (scope, name) = (&machine.record.scope, &machine.record.name);
        if self.machine(scope, name).is_none_or(|current| current.record.incarnation != machine.record.incarnation) {
            return Ok(());
        }
        let gone = Change { table: Table::Catalog, key: keys::machine(scope, name), operation: Operation::Delete };
        let departed = put(Table::Catalog, keys::departed(scope, name), machine.record.encode());
        self.append(now, vec![gone, departed]).await?;
        if let Some(machine) = write(&self.machines).take(&machine.record) {
            write(&self.departed).put(machine);
        }
        Ok(())
    }

    /// Machines that wait for their last execution to end.
    pub(crate) fn machines_being_deleted(&self) -> Vec<Arc<Machined>> {
        read(&self.machines).all().filter(|machine| machine.record.status == MachineStatus::Deleting).cloned().collect()
    }

    pub(crate) fn list_machines(&self, scope: &Scope, page: &PageRequest) -> Result<Page<Machine>, ListError> {
        let after = cursor_name(page)?;
        let machines = read(&self.machines);
        let mut found = machines.after(scope, after.as_deref()).map(|machine| machine.shown());
        let items: Vec<_> = found.by_ref().take(page.limit).collect();
        let next = found.next().and(items.last()).map(|last| last.name.clone().into_bytes());
        Ok(Page { items, next })
    }

    pub(crate) async fn create_activity(
        &self,
        scope: &Scope,
        name: &str,
        encryption: String,
        tags: &str,
        now: Timestamp,
    ) -> Result<Activity, CreateActivityError> {
        if skald_aws::name::check(name).is_err() {
            return Err(CreateActivityError::InvalidName(name.to_owned()));
        }
        let arn = skald_aws::arn::Arn::activity(&scope.partition, &scope.region, &scope.account, name);
        let _writer = self.writer.lock().await;
        if let Some(existing) = self.activity(&arn) {
            return if existing.encryption == encryption { Ok(existing) } else { Err(CreateActivityError::ActivityAlreadyExists(arn)) };
        }
        let activity = Activity { arn: arn.clone(), name: name.to_owned(), created_at: now, encryption };
        let change = put(Table::Catalog, keys::activity(scope, name), encode_activity(scope, &activity, tags));
        self.append(now, vec![change]).await?;
        write(&self.activities).insert(arn, (scope.clone(), activity.clone()));
        Ok(activity)
    }

    pub(crate) fn activity(&self, arn: &str) -> Option<Activity> {
        read(&self.activities).get(arn).map(|(_, activity)| activity.clone())
    }

    /// The activity of this ARN, when it belongs to this scope.
    pub(crate) fn activity_in(&self, scope: &Scope, arn: &str) -> Option<Activity> {
        read(&self.activities).get(arn).filter(|(of, _)| of == scope).map(|(_, activity)| activity.clone())
    }

    pub(crate) async fn delete_activity(&self, scope: &Scope, activity: &Activity, now: Timestamp) -> Result<(), Fault> {
        let _writer = self.writer.lock().await;
        let gone = Change { table: Table::Catalog, key: keys::activity(scope, &activity.name), operation: Operation::Delete };
        self.append(now, vec![gone]).await?;
        write(&self.activities).remove(&activity.arn);
        Ok(())
    }

    pub(crate) fn list_activities(&self, scope: &Scope, page: &PageRequest) -> Result<Page<Activity>, ListError> {
        let after = cursor_name(page)?;
        let activities = read(&self.activities);
        let mut found = activities
            .values()
            .filter(|(of, activity)| of == scope && after.as_ref().is_none_or(|after| activity.name > *after))
            .map(|(_, activity)| activity.clone());
        let items: Vec<_> = found.by_ref().take(page.limit).collect();
        let next = found.next().and(items.last()).map(|last| last.name.clone().into_bytes());
        Ok(Page { items, next })
    }

    async fn append(&self, now: Timestamp, changes: Vec<Change>) -> Result<(), Fault> {
        let batch = Batch {
            partition: CATALOG_PARTITION,
            epoch: self.epoch,
            urgency: Urgency::Start,
            at: now.millis,
            entries: Vec::new(),
            changes,
        };
        Ok(self.store.append(batch).await?)
    }

    fn shelve(&self, record: MachineRecord, revision: Arc<Revision>) -> Arc<Machined> {
        let is_deleting = record.status == MachineStatus::Deleting;
        let fate = Arc::clone(write(&self.fates).entry(record.incarnation).or_insert_with(|| Fate::of(is_deleting)));
        fate.set_retention(crate::retention::of_tags(&record.tags));
        let machine = Arc::new(Machined::new(record, revision, fate));
        write(&self.machines).put(Arc::clone(&machine));
        machine
    }
}

/// The same request again gets the same answer; role and tags are not compared. SOURCE: api.md, CreateStateMachine.
fn same_or_refused(existing: &Machined, request: &CreateMachine) -> Result<Machine, CreateMachineError> {
    let arn = existing.arn();
    if existing.record.status == MachineStatus::Deleting {
        return Err(CreateMachineError::StateMachineDeleting(arn));
    }
    let (old, new) = (&existing.revision.record, &request.configuration);
    let same = old.definition == request.definition
        && existing.record.machine_type == request.machine_type
        && old.configuration.logging == new.logging
        && old.configuration.tracing == new.tracing
        && old.configuration.encryption == new.encryption;
    if same { Ok(existing.shown()) } else { Err(CreateMachineError::StateMachineAlreadyExists(arn)) }
}

fn compile(text: &str, machine_type: MachineType) -> Result<Definition, Vec<skald_asl::Diagnostic>> {
    let machine_type = match machine_type {
        MachineType::Standard => parse::MachineType::Standard,
        MachineType::Express => parse::MachineType::Express,
    };
    parse::parse(text, &parse::Options { machine_type }).map(|parsed| parsed.definition)
}

async fn all(store: &Arc<dyn Store>, kind: u8) -> Result<Vec<(Bytes, Bytes)>, skald_store::Error> {
    let (mut from, to) = keys::catalog_range(kind);
    let mut pairs = Vec::new();
    loop {
        let page = store.scan(Table::Catalog, &from, &to, Direction::Forward, 1_000).await?;
        let Some((last, _)) = page.last() else { return Ok(pairs) };
        from = last.to_vec();
        from.push(0);
        pairs.extend(page);
    }
}

fn put(table: Table, key: Bytes, value: Vec<u8>) -> Change {
    Change { table, key, operation: Operation::Put(Bytes::from(value)) }
}

fn cursor_name(page: &PageRequest) -> Result<Option<String>, ListError> {
    page.cursor.clone().map(String::from_utf8).transpose().map_err(|_| ListError::InvalidToken)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().expect("no panic while holding the catalog")
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().expect("no panic while holding the catalog")
}
