//! What readers see of executions in memory: immutable, published after a flush and before its replies.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, RwLock};

use skald_interpreter::{Execution, Identity, Status};
use skald_store::{EntityId, EntityMap};

use crate::execution::{Described, ExecutionStatus, Listed};
use crate::keys::list_suffix;

/// One execution as its last durable record left it.
pub(crate) struct Summary {
    pub(crate) entity: EntityId,
    pub(crate) identity: Arc<Identity>,
    pub(crate) status: Status,
    /// What its machine's list keys begin with.
    pub(crate) prefix: Arc<[u8]>,
}

/// Bytes of ended executions that are remembered: whoever waits for an end asks soon after it.
const ENDED_BYTES_MAX: usize = 4 << 20;
/// What an ended execution is counted with, beside its input and output.
const ENDED_BYTES: usize = 1_024;

/// All of them.
#[derive(Default)]
pub(crate) struct Live {
    published: RwLock<Published>,
    ended: RwLock<Ended>,
}

/// Executions that ended a short while ago, as the store has them.
#[derive(Default)]
struct Ended {
    by_entity: EntityMap<Arc<Summary>>,
    /// By a hash of machine and name: whoever asks for one asks by these.
    by_name: HashMap<u64, EntityId>,
    hasher: RandomState,
    in_turn: VecDeque<EntityId>,
    bytes: usize,
}

#[derive(Default)]
struct Published {
    by_entity: EntityMap<Arc<Summary>>,
    /// By machine, in list order.
    by_machine: HashMap<Arc<[u8]>, BTreeMap<[u8; 24], EntityId>>,
}

impl Live {
    pub(crate) fn publish(&self, summary: Summary) {
        let mut published = self.published.write().expect("no panic while publishing");
        if let Some(before) = published.by_entity.remove(&summary.entity) {
            published.unlist(&before);
        }
        let suffix = list_suffix(summary.sort_time(), summary.entity);
        published.by_machine.entry(Arc::clone(&summary.prefix)).or_default().insert(suffix, summary.entity);
        published.by_entity.insert(summary.entity, Arc::new(summary));
    }

    /// The store's tables have it now.
    pub(crate) fn withdraw(&self, entity: EntityId) {
        let mut published = self.published.write().expect("no panic while publishing");
        if let Some(before) = published.by_entity.remove(&entity) {
            published.unlist(&before);
        }
    }

    /// Keeps an ended execution for a while, for readers of what it was.
    pub(crate) fn remember(&self, summary: Summary) {
        let mut ended = self.ended.write().expect("no panic while remembering");
        if !ended.forget(summary.entity) {
            ended.in_turn.push_back(summary.entity);
        }
        ended.keep(summary);
        while ended.bytes > ENDED_BYTES_MAX {
            let Some(oldest) = ended.in_turn.pop_front() else { return };
            ended.forget(oldest);
        }
    }

    /// It is no longer in the store.
    pub(crate) fn forget(&self, entity: EntityId) {
        self.ended.write().expect("no panic while remembering").forget(entity);
    }

    /// The machine's execution of this name, if it ended a short while ago.
    pub(crate) fn ended_by_name(&self, prefix: &[u8], name: &str) -> Option<EntityId> {
        self.ended.read().expect("no panic while remembering").find(prefix, name)
    }

    /// An execution in memory, or one that ended a short while ago.
    pub(crate) fn known(&self, entity: EntityId) -> Option<Arc<Summary>> {
        self.get(entity).or_else(|| self.ended.read().expect("no panic while remembering").by_entity.get(&entity).cloned())
    }

    pub(crate) fn get(&self, entity: EntityId) -> Option<Arc<Summary>> {
        self.published.read().expect("no panic while publishing").by_entity.get(&entity).cloned()
    }

    /// Up to `limit` of a machine's in list order, after a suffix, of one status or any.
    pub(crate) fn list(
        &self,
        prefix: &[u8],
        status: Option<ExecutionStatus>,
        after: Option<[u8; 24]>,
        limit: usize,
    ) -> Vec<([u8; 24], Arc<Summary>)> {
        let published = self.published.read().expect("no panic while publishing");
        let Some(machine) = published.by_machine.get(prefix) else { return Vec::new() };
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        machine
            .range((from, std::ops::Bound::Unbounded))
            .filter_map(|(suffix, entity)| Some((*suffix, Arc::clone(published.by_entity.get(entity)?))))
            .filter(|(_, summary)| status.is_none_or(|status| summary.shown_status() == status))
            .take(limit)
            .collect()
    }

    /// Whether a machine has an execution in memory that is open.
    pub(crate) fn any_open(&self, prefix: &[u8]) -> bool {
        !self.list(prefix, Some(ExecutionStatus::Running), None, 1).is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.published.read().expect("no panic while publishing").by_entity.len()
    }
}

impl Ended {
    fn keep(&mut self, summary: Summary) {
        self.bytes += summary.bytes();
        let hash = self.hash(&summary.prefix, summary.name());
        self.by_name.insert(hash, summary.entity);
        self.by_entity.insert(summary.entity, Arc::new(summary));
    }

    /// Whether it was there.
    fn forget(&mut self, entity: EntityId) -> bool {
        let Some(forgotten) = self.by_entity.remove(&entity) else { return false };
        self.bytes -= forgotten.bytes();
        let hash = self.hash(&forgotten.prefix, forgotten.name());
        // The name may be another's by now.
        if self.by_name.get(&hash) == Some(&entity) {
            self.by_name.remove(&hash);
        }
        true
    }

    fn find(&self, prefix: &[u8], name: &str) -> Option<EntityId> {
        let entity = *self.by_name.get(&self.hash(prefix, name))?;
        let summary = self.by_entity.get(&entity)?;
        (*summary.prefix == *prefix && summary.name() == name).then_some(entity)
    }

    fn hash(&self, prefix: &[u8], name: &str) -> u64 {
        self.hasher.hash_one((prefix, name))
    }
}

impl Published {
    fn unlist(&mut self, summary: &Summary) {
        if let Some(machine) = self.by_machine.get_mut(&summary.prefix) {
            machine.remove(&list_suffix(summary.sort_time(), summary.entity));
            if machine.is_empty() {
                self.by_machine.remove(&summary.prefix);
            }
        }
    }
}

impl Summary {
    pub(crate) fn of(entity: EntityId, execution: &Execution, prefix: &Arc<[u8]>) -> Option<Self> {
        let identity = Arc::clone(execution.identity()?);
        Some(Self { entity, identity, status: execution.status().clone(), prefix: Arc::clone(prefix) })
    }

    fn name(&self) -> &str {
        &self.identity.origin.execution_name
    }

    fn bytes(&self) -> usize {
        let output = match &self.status {
            Status::Succeeded { output, .. } => output.byte_count(),
            Status::Failed { cause, .. } | Status::Aborted { cause, .. } => cause.as_ref().map_or(0, String::len),
            Status::Unborn | Status::Running | Status::TimedOut { .. } => 0,
        };
        ENDED_BYTES + self.identity.input.byte_count() + output
    }

    pub(crate) fn shown_status(&self) -> ExecutionStatus {
        status_of(&self.status)
    }

    /// Lists sort by the stop, else by the start.
    pub(crate) fn sort_time(&self) -> skald_asl::Timestamp {
        stopped_at(&self.status).unwrap_or(self.identity.started_at)
    }

    pub(crate) fn listed(&self) -> Listed {
        Listed {
            execution_arn: self.identity.execution_arn.clone(),
            machine_arn: self.identity.machine_arn.clone(),
            name: self.identity.origin.execution_name.clone(),
            status: self.shown_status(),
            started_at: self.identity.started_at,
            stopped_at: stopped_at(&self.status),
        }
    }

    pub(crate) fn described(&self) -> Described {
        describe(&self.identity, &self.status)
    }
}

/// What `DescribeExecution` shows of an identity and where it stands.
pub(crate) fn describe(identity: &Identity, status: &Status) -> Described {
    let (output, error, cause) = match status {
        Status::Unborn | Status::Running | Status::TimedOut { .. } => (None, None, None),
        Status::Succeeded { output, .. } => (Some(output.clone()), None, None),
        Status::Failed { error, cause, .. } | Status::Aborted { error, cause, .. } => (None, error.clone(), cause.clone()),
    };
    Described {
        listed: Listed {
            execution_arn: identity.execution_arn.clone(),
            machine_arn: identity.machine_arn.clone(),
            name: identity.origin.execution_name.clone(),
            status: status_of(status),
            started_at: identity.started_at,
            stopped_at: stopped_at(status),
        },
        role_arn: identity.origin.role_arn.clone(),
        input: identity.input.clone(),
        output,
        error,
        cause,
        trace_header: identity.origin.trace_header.clone(),
    }
}

pub(crate) fn status_of(status: &Status) -> ExecutionStatus {
    match status {
        Status::Unborn | Status::Running => ExecutionStatus::Running,
        Status::Succeeded { .. } => ExecutionStatus::Succeeded,
        Status::Failed { .. } => ExecutionStatus::Failed,
        Status::TimedOut { .. } => ExecutionStatus::TimedOut,
        Status::Aborted { .. } => ExecutionStatus::Aborted,
    }
}

pub(crate) fn stopped_at(status: &Status) -> Option<skald_asl::Timestamp> {
    match status {
        Status::Unborn | Status::Running => None,
        Status::Succeeded { at, .. } | Status::Failed { at, .. } | Status::TimedOut { at } | Status::Aborted { at, .. } => Some(*at),
    }
}
