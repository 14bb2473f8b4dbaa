//! The crash at each write and each flush of the log, over a workload that fills segments and flushes the cold tree.

use super::*;

use std::collections::BTreeSet;

const BATCHES: usize = 40;

/// What one run came to before its disk crashed.
struct Run {
    folder: tempfile::TempDir,
    files: Arc<SimulatedFiles>,
    submitted: Vec<Step>,
    /// How many steps were answered `Ok`: a prefix.
    acknowledged: usize,
    epoch: Option<Epoch>,
}

#[derive(Clone)]
enum Step {
    Append(Batch),
    Remove(Removal),
}

impl Step {
    fn apply(&self, model: &mut Model) {
        match self {
            Self::Append(batch) => model.apply(batch),
            Self::Remove(removal) => model.remove(removal),
        }
    }
}

/// Submits the same batches each time, some at once, some one by one, with flushes of the cold tree between.
async fn run(seed: u64, crash_at: u64) -> Run {
    let mut run = Run { folder: folder(), files: Arc::new(SimulatedFiles::new()), submitted: Vec::new(), acknowledged: 0, epoch: None };
    run.files.crash_at(crash_at);
    let options = Options { segment_bytes: 4 << 10, ..small() };
    let Ok(store) = EmbeddedStore::open_with(run.folder.path(), options, run.files.clone()) else { return run };
    let Ok(epoch) = store.claim(contract::HERE).await else { return run };
    run.epoch = Some(epoch);
    let (mut workload, mut random, mut model) = (Workload::new(seed), Random::new(seed), Model::default());
    while run.submitted.len() < BATCHES {
        let together: Vec<Batch> = (0..1 + random.below(4)).map(|_| workload.next_admitted(epoch)).collect();
        let flights: Vec<Appending> = together.iter().map(|batch| store.append(batch.clone())).collect();
        together.iter().for_each(|batch| model.apply(batch));
        run.submitted.extend(together.into_iter().map(Step::Append));
        for flight in flights {
            match flight.await {
                Ok(()) => run.acknowledged += 1,
                Err(Error::Damaged(_) | Error::Full(_)) => return run,
                Err(other) => panic!("seed {seed}, crash at {crash_at}: {other}"),
            }
        }
        if random.below(4) == 0 {
            store.checkpoint().await;
        }
        if random.below(4) == 0 {
            let entities: Vec<_> = [0, random.below(6)].map(entity).into_iter().collect::<BTreeSet<_>>().into_iter().collect();
            entities.iter().for_each(|entity| workload.forget(*entity));
            let entities = entities.into_iter().map(|entity| (entity, model.position(entity))).collect();
            let changes = vec![put(Table::Lists, "removed", &run.submitted.len().to_string())];
            let removal = Removal { partition: contract::HERE, epoch, at: 0, entities, changes };
            model.remove(&removal);
            run.submitted.push(Step::Remove(removal.clone()));
            match store.remove(removal).await {
                Ok(()) => run.acknowledged += 1,
                Err(Error::Damaged(_) | Error::Full(_)) => return run,
                Err(other) => panic!("seed {seed}, crash at {crash_at}: {other}"),
            }
        }
    }
    store.close().await.ok();
    run
}

impl Run {
    /// Opens what survived and compares it with every prefix that may have.
    async fn check(self, title: &str, dice: u64) {
        let files = Arc::new(self.files.survivors(&mut Random::new(dice)));
        let store: Arc<dyn Store> = match EmbeddedStore::open_with(self.folder.path(), small(), files.clone()) {
            Ok(store) => Arc::new(store),
            Err(error) => panic!("{title}: {error}"),
        };
        let mut model = Model::default();
        // A prefix must not pass for a shorter one that knows fewer entities.
        (0..6).for_each(|number| model.mention(entity(number)));
        let mut differences = Vec::new();
        for length in 0..=self.submitted.len() {
            if length > 0 {
                self.submitted[length - 1].apply(&mut model);
            }
            if length >= self.acknowledged {
                match model.difference(&store).await {
                    Ok(()) => {
                        self.go_on(store, files, model, &self.submitted[length..], title).await;
                        return;
                    }
                    Err(difference) => differences.push(difference),
                }
            }
        }
        panic!("{title}: no prefix from {} of {}: {differences:#?}", self.acknowledged, self.submitted.len());
    }

    /// The recovered store works: it takes the rest, and has everything when it is opened once more.
    async fn go_on(&self, store: Arc<dyn Store>, files: Arc<SimulatedFiles>, mut model: Model, rest: &[Step], title: &str) {
        let epoch = store.claim(contract::HERE).await.expect("claimed");
        assert!(self.epoch.is_none_or(|before| epoch > before), "{title}: an epoch came twice");
        for step in rest {
            match step.clone() {
                Step::Append(batch) => store.append(Batch { epoch, ..batch }).await.expect("appended"),
                Step::Remove(removal) => store.remove(Removal { epoch, ..removal }).await.expect("removed"),
            }
            step.apply(&mut model);
        }
        model.compare(&store).await;
        drop(store);
        let again = EmbeddedStore::open_with(self.folder.path(), small(), files);
        let again: Arc<dyn Store> = Arc::new(again.unwrap_or_else(|error| panic!("{title}, opened again: {error}")));
        model.compare(&again).await;
    }
}

/// Every operation of the workload, and some dice for each.
#[tokio::test]
async fn a_crash_at_each_operation_loses_nothing_that_was_answered() {
    const SEED: u64 = 7;
    let whole = run(SEED, u64::MAX).await;
    assert_eq!(whole.acknowledged, whole.submitted.len());
    let operations = whole.files.operations();
    assert!(operations > 60, "{operations} operations");
    assert!(whole.files.creations() < whole.files.renames(), "segments are written over");
    for crash_at in 1..=operations {
        for dice in 0..2 {
            let title = format!("seed {SEED}, crash at {crash_at} of {operations}, dice {dice}");
            run(SEED, crash_at).await.check(&title, crash_at * 31 + dice).await;
        }
    }
}

/// Other workloads, crashed somewhere.
#[tokio::test]
async fn crashes_of_random_workloads_lose_nothing_that_was_answered() {
    for seed in 100..140 {
        let mut random = Random::new(seed);
        let crash_at = 1 + random.below(120);
        run(seed, crash_at).await.check(&format!("seed {seed}, crash at {crash_at}"), random.roll()).await;
    }
}

/// The first crash leaves a torn frame, unused segments, or both; the second comes while these are put away.
#[tokio::test]
async fn a_crash_while_opening_after_a_crash_loses_nothing() {
    const SEED: u64 = 7;
    for crash_at in (1..90).step_by(4) {
        for second in 1..=4 {
            let mut run = run(SEED, crash_at).await;
            let mut random = Random::new(crash_at * 31 + second);
            let files = Arc::new(run.files.survivors(&mut random));
            files.crash_at(second);
            drop(EmbeddedStore::open_with(run.folder.path(), small(), files.clone()));
            run.files = files;
            run.check(&format!("crash at {crash_at}, then at {second}"), random.roll()).await;
        }
    }
}

/// A crash during the first write into a segment, while the one after it is allocated, leaves two that are unused.
#[tokio::test]
async fn a_crash_while_unused_segments_are_put_away_loses_nothing() {
    for crash_at in 1..=4 {
        let (folder, files) = (folder(), SimulatedFiles::new());
        let open = |files: &SimulatedFiles| EmbeddedStore::open_with(folder.path(), small(), Arc::new(files.clone()));
        let store = open(&files).expect("the store opens");
        let epoch = store.claim(contract::HERE).await.expect("claimed");
        store.append(batch(epoch).entry(records(entity(1), 0, 1, "x"))).await.expect("appended");
        drop(store);
        let header = frame::SegmentHeader { generation: 3, salt: 3 };
        files.create("made", small().segment_bytes, files::Fill::Anything).expect("created");
        let mut made = files.open("made").expect("opened");
        made.write_at(0, &header.encode()).and_then(|()| made.sync()).expect("written");
        files.rename("made", &log::name(3)).expect("renamed");
        files.crash_at(files.operations() + crash_at);
        drop(open(&files));
        let store = open(&files.survivors(&mut Random::new(crash_at))).expect("the store opens again");
        assert_eq!(store.position(entity(1)).await, Ok(Position(1)));
    }
}
