//! A store in memory whose flushes take time, and whose appends fail where the plan says so.
//!
//! Appends wait for the next flush, take effect in order, and are answered together when it is over; what a crash leaves
//! behind is what the last flush wrote.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use skald_store::{
    Appending, Batch, Direction, EntityId, Epoch, Error, PartitionId, Position, Removal, Store, StoredChunk, StoredHead, Table,
};
use tokio::sync::oneshot;

use crate::faults::FaultKind;
use crate::world::World;

/// One engine's view of the disk.
pub(crate) struct FailingJournal {
    world: Arc<World>,
    life: u32,
    disk: Arc<dyn Store>,
    pending: Arc<Mutex<Vec<Pending>>>,
}

struct Pending {
    batch: Batch,
    done: oneshot::Sender<Result<(), Error>>,
}

impl FailingJournal {
    /// # Errors
    /// The disk's store does not open.
    pub(crate) async fn open(world: Arc<World>, life: u32) -> Result<Self, Error> {
        let disk = world.disk()?;
        world.check_recovered(&*disk).await?;
        // As the server does, which ends then.
        let (watched, watching) = (Arc::clone(&disk), Arc::clone(&world));
        tokio::spawn(async move {
            watched.broken().await;
            watching.crash();
        });
        Ok(Self { world, life, disk, pending: Arc::default() })
    }

    async fn pause(&self) {
        let read_ms = self.world.settings.read_ms;
        if read_ms > 0 {
            tokio::time::sleep(Duration::from_millis(read_ms)).await;
        }
    }
}

/// Writes what waits, in order; answers once all of it is written.
async fn flush(world: Arc<World>, life: u32, disk: Arc<dyn Store>, pending: Arc<Mutex<Vec<Pending>>>) {
    tokio::time::sleep(Duration::from_millis(world.settings.flush_ms)).await;
    let batches = std::mem::take(&mut *pending.lock().expect("no panic while appending"));
    let mut answers = Vec::new();
    for Pending { batch, done } in batches {
        if world.is_crashed() {
            // Nobody is ever told.
            std::future::pending::<()>().await;
        }
        let fault = world.next_fault();
        let result = match fault {
            Some(FaultKind::CrashBefore) => {
                world.crash();
                std::future::pending().await
            }
            Some(FaultKind::Full { .. }) => Err(Error::Full("the disk is full".to_owned())),
            Some(FaultKind::Conflict) => Err(Error::Conflict("a simulated one".to_owned())),
            Some(FaultKind::UnknownLost) => Err(Error::Unknown("a simulated loss".to_owned())),
            Some(FaultKind::CrashAfter | FaultKind::UnknownWritten | FaultKind::Takeover) | None => write(&world, &*disk, batch).await,
        };
        match fault {
            Some(FaultKind::CrashAfter) => {
                world.crash();
                std::future::pending::<()>().await;
            }
            Some(FaultKind::UnknownWritten) => {
                answers.push((done, result.and(Err(Error::Unknown("a simulated one, written".to_owned())))));
            }
            Some(FaultKind::Takeover) => {
                world.takeover.notify_one();
                answers.push((done, result));
            }
            Some(FaultKind::CrashBefore | FaultKind::Full { .. } | FaultKind::UnknownLost | FaultKind::Conflict) | None => {
                answers.push((done, result));
            }
        }
    }
    for (done, result) in answers {
        if result == Err(Error::Fenced) {
            world.memory().deposed.insert(life);
        }
        // An engine that is gone needs no answer.
        let _ = done.send(result);
    }
}

async fn write(world: &World, disk: &dyn Store, batch: Batch) -> Result<(), Error> {
    let result = disk.append(batch.clone()).await;
    match &result {
        Ok(()) => world.became_durable(&batch),
        Err(Error::Damaged(_)) => {
            // The server would end now. What became of the batch is seen when the store is opened again.
            world.leave_in_doubt(batch);
            world.crash();
            std::future::pending::<()>().await;
        }
        Err(Error::Conflict(_) | Error::Fenced | Error::Full(_) | Error::Unknown(_)) => {}
    }
    result
}

#[async_trait]
impl Store for FailingJournal {
    async fn claim(&self, partition: PartitionId) -> Result<Epoch, Error> {
        let epoch = self.disk.claim(partition).await?;
        self.world.ledger().claimed(partition, epoch);
        // From here on only this engine may act.
        self.world.owner.fetch_max(self.life, Ordering::Relaxed);
        Ok(epoch)
    }

    fn append(&self, batch: Batch) -> Appending {
        let (done, when) = oneshot::channel();
        let mut pending = self.pending.lock().expect("no panic while appending");
        pending.push(Pending { batch, done });
        if pending.len() == 1 {
            tokio::spawn(flush(Arc::clone(&self.world), self.life, self.disk.clone(), Arc::clone(&self.pending)));
        }
        Box::pin(async move {
            match when.await {
                Ok(result) => result,
                // The flush died with the process.
                Err(_) => std::future::pending().await,
            }
        })
    }

    async fn remove(&self, removal: Removal) -> Result<(), Error> {
        self.pause().await;
        self.disk.remove(removal).await
    }

    async fn read(&self, entity: EntityId, after: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        self.pause().await;
        self.disk.read(entity, after, bytes_max).await
    }

    async fn read_back(&self, entity: EntityId, before: Position, bytes_max: usize) -> Result<Vec<StoredChunk>, Error> {
        self.pause().await;
        self.disk.read_back(entity, before, bytes_max).await
    }

    async fn head(&self, entity: EntityId) -> Result<Option<StoredHead>, Error> {
        self.disk.head(entity).await
    }

    async fn position(&self, entity: EntityId) -> Result<Position, Error> {
        self.disk.position(entity).await
    }

    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.pause().await;
        self.disk.get(table, key).await
    }

    async fn scan(&self, table: Table, from: &[u8], to: &[u8], direction: Direction, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.disk.scan(table, from, to, direction, limit).await
    }

    fn pinned(&self, limit: usize) -> Vec<EntityId> {
        self.disk.pinned(limit)
    }

    fn latest_time(&self) -> i64 {
        self.disk.latest_time()
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
