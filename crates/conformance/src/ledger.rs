//! The ledger: what became durable, as an observer beside the store saw it. Promises about journals are checked here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skald_asl::Definition;
use skald_interpreter::event::Completion;
use skald_interpreter::{Effect, Event, EventId, EventKind, Execution, Note, Record, journal};
use skald_store::{Batch, EntityId, Epoch, PartitionId};

/// Every durable record, and the executions that they make.
pub(crate) struct Ledger {
    definition: Arc<Definition>,
    journals: BTreeMap<EntityId, Journal>,
    claims: BTreeMap<PartitionId, Epoch>,
    /// Promises that were broken.
    pub(crate) violations: Vec<String>,
}

/// One execution's durable records.
pub(crate) struct Journal {
    pub(crate) arn: String,
    pub(crate) records: Vec<Record>,
    /// Their fold: rebuilt record by record, never decided.
    pub(crate) execution: Execution,
}

impl Ledger {
    pub(crate) fn new(definition: Arc<Definition>) -> Self {
        Self { definition, journals: BTreeMap::new(), claims: BTreeMap::new(), violations: Vec::new() }
    }

    pub(crate) fn claimed(&mut self, partition: PartitionId, epoch: Epoch) {
        self.claims.insert(partition, epoch);
    }

    /// The batch is durable.
    pub(crate) fn enter(&mut self, batch: &Batch) {
        if let Some(newest) = self.claims.get(&batch.partition).filter(|newest| batch.epoch < **newest) {
            self.violations.push(format!("an append of {:?} took effect after {newest:?} was claimed", batch.epoch));
        }
        for entry in &batch.entries {
            let Some(chunk) = &entry.chunk else { continue };
            let records = match journal::decode(&chunk.bytes, chunk.count) {
                Ok(records) => records,
                Err(error) => {
                    self.violations.push(format!("a chunk cannot be decoded: {error}"));
                    continue;
                }
            };
            let definition = &self.definition;
            let journal = self.journals.entry(entry.entity).or_insert_with(|| Journal {
                arn: String::new(),
                records: Vec::new(),
                execution: Execution::unborn(Arc::clone(definition)),
            });
            if journal.records.len() as u64 != entry.expected.0 {
                self.violations.push(format!("{}: appended at {:?}, which is not the end", journal.arn, entry.expected));
            }
            for record in records {
                if let Some(violation) = journal.add(record) {
                    self.violations.push(format!("{}: {violation}", journal.arn));
                }
            }
        }
    }

    pub(crate) fn journals(&self) -> impl Iterator<Item = (&EntityId, &Journal)> {
        self.journals.iter()
    }

    pub(crate) fn journal(&self, entity: EntityId) -> Option<&Journal> {
        self.journals.get(&entity)
    }

    pub(crate) fn by_arn(&self, arn: &str) -> Option<&Journal> {
        self.journals.values().find(|journal| journal.arn == arn)
    }

    /// Whether there are `executions` of them, all settled.
    pub(crate) fn is_settled(&self, executions: usize) -> bool {
        self.journals.len() >= executions && self.journals.values().all(|journal| journal.execution.is_settled())
    }
}

impl Journal {
    fn add(&mut self, record: Record) -> Option<String> {
        if let Record::Note(Note::Created(origin)) = &record {
            self.arn = origin.execution_arn();
        }
        let violation = match &record {
            Record::Event(event) => self.check(event),
            Record::Note(Note::Created(_)) if !self.records.is_empty() => Some("it was created twice".to_owned()),
            Record::Note(_) => None,
        };
        self.execution.apply(&record);
        self.records.push(record);
        violation
    }

    fn check(&self, event: &Event) -> Option<String> {
        let before = self.events().next_back();
        let id = before.map_or(1, |before| before.id + 1);
        if event.id != id {
            return Some(format!("event {} comes where {id} should", event.id));
        }
        if event.previous >= event.id {
            return Some(format!("event {id} follows {}", event.previous));
        }
        if before.is_some_and(|before| event.at < before.at) {
            return Some(format!("event {id} is earlier than the one before"));
        }
        if before.is_some_and(|before| before.kind.is_terminal()) {
            return Some(format!("event {id} comes after the end"));
        }
        None
    }

    pub(crate) fn records(&self) -> u64 {
        self.records.len() as u64
    }

    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.records.iter().filter_map(|record| match record {
            Record::Event(event) => Some(event),
            Record::Note(_) => None,
        })
    }

    /// The effect that is outstanding for this scheduled event.
    pub(crate) fn outstanding(&self, scheduled: EventId) -> Option<Effect> {
        self.execution.outstanding().into_iter().find(|effect| effect.scheduled() == scheduled)
    }

    /// Jobs that were submitted and never ended by an answer: those must have been cancelled.
    pub(crate) fn abandoned_jobs(&self) -> BTreeSet<EventId> {
        let mut running = BTreeMap::new();
        let mut submitted = BTreeSet::new();
        for event in self.events() {
            match &event.kind {
                // Children are stopped by the engine itself: they would run on, and not be settled.
                EventKind::TaskScheduled { completion: Completion::Job, resource, .. } if &*resource.resource_type != "states" => {
                    running.insert(event.frame, event.id);
                }
                EventKind::TaskSubmitted { .. } => {
                    submitted.extend(running.get(&event.frame));
                }
                EventKind::TaskSucceeded { .. } | EventKind::TaskFailed { .. } => {
                    if let Some(scheduled) = running.remove(&event.frame) {
                        submitted.remove(&scheduled);
                    }
                }
                _ => {}
            }
        }
        submitted
    }
}
