use super::*;
use crate::contract::{self, Disk as ContractDisk, batch, entity, records};

/// Crashing forgets the handles and keeps the disk, as of then.
struct Machine(MemoryStore);

#[async_trait]
impl ContractDisk for Machine {
    async fn open(&mut self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    fn crash(&mut self) {
        self.0 = self.0.fork();
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    contract::check(&|| Box::new(Machine(MemoryStore::new())), 0..200).await;
}

#[tokio::test]
async fn a_fork_goes_its_own_way() {
    let store = MemoryStore::new();
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    store.append(batch(epoch).entry(records(entity(1), 0, 1, "both"))).await.expect("appended");
    let fork = store.fork();
    store.append(batch(epoch).entry(records(entity(1), 1, 1, "here"))).await.expect("appended");
    fork.append(batch(epoch).entry(records(entity(1), 1, 2, "there"))).await.expect("appended");
    assert_eq!(store.position(entity(1)).await, Ok(Position(2)));
    assert_eq!(fork.position(entity(1)).await, Ok(Position(3)));
}

#[tokio::test]
async fn entities_without_a_head_are_pinned_oldest_first() {
    let store = MemoryStore::new().with_pin_threshold(4);
    let epoch = store.claim(contract::HERE).await.expect("claimed");
    for number in [7, 5, 9] {
        store.append(batch(epoch).entry(records(entity(number), 0, 2, "xx"))).await.expect("appended");
    }
    assert_eq!(store.pinned(10), [entity(7)]);
    store.append(batch(epoch).entry(records(entity(9), 2, 9, "x"))).await.expect("appended");
    assert_eq!(store.pinned(10), [entity(7), entity(5), entity(9)]);
    assert_eq!(store.pinned(2), [entity(7), entity(5)]);
    store.append(batch(epoch).entry(records(entity(5), 2, 1, "x").with_head("head"))).await.expect("appended");
    assert_eq!(store.pinned(10), [entity(7), entity(9)]);
    assert_eq!(MemoryStore::new().pinned(10), []);
}
