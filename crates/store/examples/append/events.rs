//! 256 appends at a time, two events of 350 bytes each.

use super::*;

const DRIVERS: u64 = 2;
const TOGETHER: u64 = 256;
const CHUNK_EVENTS: u64 = 2;
const CHUNK_BYTES: usize = 700;
const EXECUTION_APPENDS: u64 = 12;
const HEAD_BYTES: usize = 300;
const ENVELOPE_BYTES: usize = 180;
const PARTITIONS: u64 = 256;
/// Events without a head stay in memory.
const LOG_ONLY_EVENTS_MAX: u64 = 1_500_000;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    LogOnly,
    Executions,
}

pub(crate) async fn measure(folder: &Path, time: Duration) {
    println!(
        "{:<11} {:>10} {:>11} {:>11} {:>13} {:>14} {:>12} {:>9} {:>9}",
        "load", "events", "events/s", "CPU µs each", "of these sys", "settled after", "bytes each", "p50 µs", "p99 µs"
    );
    for load in [Load::LogOnly, Load::Executions] {
        measure_load(&folder.join(format!("events-{load:?}")), load, time).await;
    }
}

async fn measure_load(folder: &Path, load: Load, time: Duration) {
    let mut options = Options::default();
    if load == Load::LogOnly {
        options.log_bytes_max = u64::MAX;
    }
    let store = Arc::new(EmbeddedStore::open(folder, options).expect("the store opens"));
    let mut epoch = Epoch(0);
    for partition in 0..PARTITIONS {
        epoch = store.claim(PartitionId(partition as u16)).await.expect("the partition can be claimed");
    }
    let (began, before) = (Instant::now(), Usage::now());
    let drivers: Vec<_> = (0..DRIVERS).map(|driver| tokio::spawn(drive(Arc::clone(&store), epoch, load, driver, began + time))).collect();
    let (mut appends, mut latencies) = (0, Vec::new());
    for driver in drivers {
        let (count, times) = driver.await.expect("the driver ends well");
        appends += count;
        latencies.extend(times);
    }
    let elapsed = began.elapsed();
    if load == Load::Executions {
        store.settle().await.expect("the store settles");
    }
    let (settled, used) = (began.elapsed(), Usage::now().since(&before));
    let events = appends * CHUNK_EVENTS;
    let rate = events as f64 / elapsed.as_secs_f64();
    let (all, system) = (used.micros_each(events), used.system_micros_each(events));
    latencies.sort_unstable();
    let percentile = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    let (p50, p99) = (percentile(0.5), percentile(0.99));
    let settled = settled.as_secs_f64();
    let bytes = folder_bytes(folder) / events;
    let name = format!("{load:?}");
    println!("{name:<11} {events:>10} {rate:>11.0} {all:>11.2} {system:>13.2} {settled:>12.2} s {bytes:>12} {p50:>9} {p99:>9}");
    store.close().await.expect("the store closes");
}

/// How many appends, and the time of each round in microseconds.
async fn drive(store: Arc<EmbeddedStore>, epoch: Epoch, load: Load, driver: u64, end: Instant) -> (u64, Vec<u32>) {
    let (mut appends, mut latencies) = (0, Vec::new());
    let text = Bytes::from(payload());
    let mut round = 0;
    let is_over = |appends: u64, round: u64| match load {
        Load::LogOnly => Instant::now() >= end || appends * CHUNK_EVENTS >= LOG_ONLY_EVENTS_MAX / DRIVERS,
        // Every execution comes to its end.
        Load::Executions => Instant::now() >= end && round.is_multiple_of(EXECUTION_APPENDS),
    };
    while !is_over(appends, round) {
        let began = Instant::now();
        let flights: Vec<_> = (0..TOGETHER).map(|slot| store.append(batch(epoch, load, driver * TOGETHER + slot, round, &text))).collect();
        for flight in flights {
            flight.await.expect("the batch can be appended");
        }
        latencies.push(began.elapsed().as_micros() as u32);
        appends += TOGETHER;
        round += 1;
    }
    (appends, latencies)
}

fn batch(epoch: Epoch, load: Load, slot: u64, round: u64, text: &Bytes) -> Batch {
    let (number, step) = match load {
        Load::LogOnly => (0, round),
        Load::Executions => (round / EXECUTION_APPENDS, round % EXECUTION_APPENDS),
    };
    // As ids do: the partition and the rest from the name, the time in between.
    let spread = (slot + number * DRIVERS * TOGETHER).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let partition = PartitionId((spread % PARTITIONS) as u16);
    let entity = EntityId::new(partition, 1_700_000_000_000 + number * 4, spread);
    let begin = (spread >> 16) as usize % 300;
    let chunk = Chunk { count: CHUNK_EVENTS as u32, bytes: text.slice(begin..begin + CHUNK_BYTES) };
    let is_last = load == Load::Executions && step + 1 == EXECUTION_APPENDS;
    let head = is_last.then(|| text.slice(begin..begin + HEAD_BYTES));
    let entry = Entry { entity, expected: Position(step * CHUNK_EVENTS), chunk: Some(chunk), head };
    let changes = match load {
        Load::Executions if step == 0 => vec![
            change(Table::Names, format!("123456789012/us-east-1/machine/1/{spread:016x}"), Operation::PutIfAbsent(text.slice(..48))),
            change(Table::Awake, format!("{:032x}", entity.0), Operation::Put(Bytes::new())),
        ],
        Load::Executions if is_last => {
            let key = |kind: char| format!("123456789012/us-east-1/machine/1/{kind}/{:08x}/{:032x}", u32::MAX - number as u32, entity.0);
            let envelope = text.slice(begin..begin + ENVELOPE_BYTES);
            vec![
                change(Table::Awake, format!("{:032x}", entity.0), Operation::Delete),
                change(Table::Lists, key('a'), Operation::Put(envelope.clone())),
                change(Table::Lists, key('s'), Operation::Put(envelope)),
            ]
        }
        Load::Executions | Load::LogOnly => Vec::new(),
    };
    let urgency = if step == 0 { Urgency::Start } else { Urgency::RunningWork };
    Batch { partition, epoch, urgency, at: 1_700_000_000_000 + number as i64 * 4, entries: vec![entry], changes }
}

fn change(table: Table, key: String, operation: Operation) -> Change {
    Change { table, key: Bytes::from(key), operation }
}

/// As compressible as JSON about.
fn payload() -> Vec<u8> {
    (0..)
        .flat_map(|number: u32| format!(r#"{{"order":{},"state":"Reserve"}},"#, number.wrapping_mul(2_654_435_761)).into_bytes())
        .take(2000)
        .collect()
}
