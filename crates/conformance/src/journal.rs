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
    done: Done,
}

/// Where an append is answered.
type Done = oneshot::Sender<Result<(), Error>>;

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
    let waiting = std::mem::take(&mut *pending.lock().expect("no panic while appending"));
    let mut group = Group { world: &world, disk: &*disk, batches: Vec::new(), done: Vec::new(), answers: Vec::new() };
    for Pending { batch, done } in waiting {
        if world.is_crashed() {
            // Nobody is ever told.
            std::future::pending::<()>().await;
        }
        match world.next_fault() {
            Some(FaultKind::CrashBefore) => {
                group.write().await;
                world.crash();
                std::future::pending::<()>().await;
            }
            Some(FaultKind::CrashAfter) => {
                group.add(batch, done);
                group.write().await;
                world.crash();
                std::future::pending::<()>().await;
            }
            Some(FaultKind::Full { .. }) => group.refuse(done, Error::Full("the disk is full".to_owned())).await,
            Some(FaultKind::Conflict) => group.refuse(done, Error::Conflict("a simulated one".to_owned())).await,
            Some(FaultKind::UnknownLost) => group.refuse(done, Error::Unknown("a simulated loss".to_owned())).await,
            Some(FaultKind::UnknownWritten) => {
                group.add(batch, done);
                group.write().await;
                if let Some((_, written @ Ok(()))) = group.answers.last_mut() {
                    *written = Err(Error::Unknown("a simulated one, written".to_owned()));
                }
            }
            Some(FaultKind::Takeover) => {
                group.add(batch, done);
                group.write().await;
                world.takeover.notify_one();
            }
            None => group.add(batch, done),
        }
    }
    group.write().await;
    for (done, result) in group.answers {
        if result == Err(Error::Fenced) {
            world.memory().deposed.insert(life);
        }
        // An engine that is gone needs no answer.
        let _ = done.send(result);
    }
}

/// What the store is given in one call.
struct Group<'a> {
    world: &'a World,
    disk: &'a dyn Store,
    batches: Vec<Batch>,
    done: Vec<Done>,
    /// Of what was written before.
    answers: Vec<(Done, Result<(), Error>)>,
}

impl Group<'_> {
    fn add(&mut self, batch: Batch, done: Done) {
        self.batches.push(batch);
        self.done.push(done);
    }

    /// Answers in turn, and writes nothing.
    async fn refuse(&mut self, done: Done, error: Error) {
        self.write().await;
        self.answers.push((done, Err(error)));
    }

    async fn write(&mut self) {
        let batches = std::mem::take(&mut self.batches);
        let results = self.disk.append_all(batches.clone()).await;
        if results.iter().any(|result| matches!(result, Err(Error::Damaged(_)))) {
            // The server would end now. What became of these is seen when the store is opened again.
            for batch in batches {
                self.world.leave_in_doubt(batch);
            }
            self.world.crash();
            return std::future::pending().await;
        }
        for ((batch, done), result) in batches.iter().zip(self.done.drain(..)).zip(results) {
            if result.is_ok() {
                self.world.became_durable(batch);
            }
            self.answers.push((done, result));
        }
    }
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
