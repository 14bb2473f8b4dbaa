//! Starting: one name, one execution.

use std::sync::Arc;

use skald_interpreter::note::Origin;
use skald_interpreter::{Command, Execution};
use skald_store::{EntityId, Table};

use super::Owner;
use super::entity::{Birth, Entity, Item, Waiting};
use super::message::Start;
use crate::error::{Fault, StartExecutionError};
use crate::execution::{ExecutionStatus, Started};
use crate::keys;
use crate::live;
use crate::stored::{Head, NameRecord};

impl Owner {
    /// Starts an execution, or answers as the one that has the name already.
    pub(super) async fn start(&mut self, start: Start) {
        let key = keys::name(&start.machine.prefix, &start.name);
        if let Some(entity) = self.starting.get(&key).copied() {
            // Not durable yet: whether it will be decides what this one is told.
            self.enqueue(entity, Item::SameName(Box::new(start)));
            return;
        }
        match self.shared.store.get(Table::Names, &key).await {
            Err(error) => drop(start.reply.send(Err(Fault::from(error).into()))),
            Ok(Some(bytes)) => match NameRecord::decode(&bytes) {
                Some(existing) => self.answer_same_name(start, existing).await,
                None => drop(start.reply.send(Err(Fault("a name's record cannot be read".to_owned()).into()))),
            },
            Ok(None) => self.begin(start, key),
        }
    }

    /// The name is taken by a durable execution.
    pub(super) async fn answer_same_name(&mut self, start: Start, existing: NameRecord) {
        let status = match self.entities.get(&existing.entity) {
            Some(live) if live.busy => {
                self.enqueue(existing.entity, Item::SameName(Box::new(start)));
                return;
            }
            Some(live) => Ok(live::status_of(live.execution().status())),
            None => self.stored_status(existing.entity).await,
        };
        let answer = match status {
            Ok(status) => same_name_answer(&start, &existing, status),
            Err(fault) => Err(fault.into()),
        };
        drop(start.reply.send(answer));
    }

    async fn stored_status(&self, entity: EntityId) -> Result<ExecutionStatus, Fault> {
        let head = self.shared.store.head(entity).await?;
        // An entity without a head was never parked nor closed: it runs, and is being loaded.
        Ok(head.and_then(|head| Head::decode(&head.bytes)).map_or(ExecutionStatus::Running, |head| head.envelope.status))
    }

    fn begin(&mut self, start: Start, key: bytes::Bytes) {
        let Start { machine, name, input, trace_header, parent, input_hash, starter_hash, reply } = start;
        // Counted before it is looked at: a deletion sees the one or the other.
        let counted = machine.fate.begin_start();
        if machine.fate.is_deleting() {
            drop(reply.send(Err(StartExecutionError::StateMachineDeleting(machine.arn()))));
            return;
        }
        let now = self.shared.now();
        let arn = machine.arn();
        let partition = keys::partition_of(&arn, &name);
        let entity = EntityId::new(partition, u64::try_from(now.millis).unwrap_or(0), self.shared.entropy.draw());
        let origin = Origin { parent, ..machine.origin(name, trace_header) };
        let started = Started { execution_arn: origin.execution_arn(), started_at: now };
        let reserved = NameRecord { entity, started_at: now, input_hash, starter_hash };
        let execution = Execution::unborn(Arc::clone(&machine.revision.definition));
        let weight = self.shared.live_bytes.weigh(input.byte_count());
        let mut live = Entity::new(execution, Arc::clone(&machine.fate), machine.prefix.as_slice().into(), now, weight);
        live.birth = Some(Birth { at: now, name: key.clone(), record: reserved.encode(), _counted: counted });
        live.logging.clone_from(&machine.revision.logging);
        live.waiting.push(Waiting::Started(reply, started));
        live.queue.push_back(Item::Command(Command::Start { origin: Arc::new(origin), input }));
        self.entities.insert(entity, live);
        self.starting.insert(key, entity);
        self.decide(entity);
    }
}

/// Same name and input while it runs, or the same starter whatever became of it: the same answer.
fn same_name_answer(start: &Start, existing: &NameRecord, status: ExecutionStatus) -> Result<Started, StartExecutionError> {
    let arn = start.execution_arn();
    let same_starter = start.starter_hash != [0; 32] && start.starter_hash == existing.starter_hash;
    let same_input = start.input_hash == existing.input_hash;
    if same_starter || (same_input && status == ExecutionStatus::Running) {
        return Ok(Started { execution_arn: arn, started_at: existing.started_at });
    }
    Err(StartExecutionError::ExecutionAlreadyExists(arn))
}

impl Start {
    fn execution_arn(&self) -> String {
        let scope = &self.machine.record.scope;
        skald_aws::arn::Arn::execution(&scope.partition, &scope.region, &scope.account, &self.machine.record.name, &self.name)
    }
}
