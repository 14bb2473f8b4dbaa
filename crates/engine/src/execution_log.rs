//! The execution log: events as `loggingConfiguration` asks for them, in AWS's form, best effort.
//!
//! Whoever has events hands them over and goes on: a thread of its own renders and writes them, and what its queue has no
//! room for is dropped and counted. The events of a Standard execution come from durable records only.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;
use skald_interpreter::history::Include;
use skald_interpreter::history::log::{self, Level};
use skald_interpreter::{Event, Identity, Record};

/// Batches that wait for the writer …
const QUEUE_BATCHES_MAX: usize = 8_192;
/// … and the bytes they keep in memory, about.
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a stop waits for what is queued.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// The target of [`ServerLog`]'s lines.
pub const TARGET: &str = "skald::execution_log";

/// Where records of events go.
pub trait ExecutionLog: Send + Sync + 'static {
    /// Writes a record, one line of JSON, for the log group that the machine names. May take its time.
    fn write(&self, log_group_arn: &str, line: &str);
}

/// The server's own log.
pub struct ServerLog;

impl ExecutionLog for ServerLog {
    fn write(&self, log_group_arn: &str, line: &str) {
        tracing::info!(target: TARGET, log_group_arn, "{line}");
    }
}

/// What a machine wants logged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Logging {
    level: Level,
    include: Include,
    log_group_arn: String,
}

impl Logging {
    /// Reads a stored configuration; none when nothing is to be logged.
    pub(crate) fn of(configuration: &str) -> Option<Self> {
        let configuration: Value = serde_json::from_str(configuration).ok()?;
        let level = match configuration["level"].as_str()? {
            "ALL" => Level::All,
            "ERROR" => Level::Error,
            "FATAL" => Level::Fatal,
            _ => return None,
        };
        let include = if configuration["includeExecutionData"] == true { Include::Data } else { Include::NoData };
        let log_group_arn = configuration["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"].as_str().unwrap_or_default();
        Some(Self { level, include, log_group_arn: log_group_arn.to_owned() })
    }

    fn wants(&self, event: &Event) -> bool {
        log::level(&event.kind) >= self.level
    }
}

/// The queue before the writer, which begins with the first event.
#[derive(Default)]
pub(crate) struct Log {
    queue: OnceLock<SyncSender<Message>>,
    queued_bytes: Arc<AtomicUsize>,
}

enum Message {
    Events(Batch),
    /// Say when everything before this is written.
    Flush(tokio::sync::oneshot::Sender<()>),
}

/// Events of one execution, in order.
struct Batch {
    logging: Arc<Logging>,
    identity: Arc<Identity>,
    events: Vec<Event>,
    bytes: usize,
}

impl Log {
    /// Queues the events that are wanted; how many were dropped.
    pub(crate) fn take(&self, sink: &Arc<dyn ExecutionLog>, logging: &Arc<Logging>, identity: &Arc<Identity>, records: Vec<Record>) -> u64 {
        let wanted = records.into_iter().filter_map(|record| match record {
            Record::Event(event) => logging.wants(&event).then_some(event),
            Record::Note(_) => None,
        });
        let events: Vec<Event> = wanted.collect();
        if events.is_empty() {
            return 0;
        }
        let bytes = events.iter().map(log::kept_bytes).sum();
        let batch = Batch { logging: Arc::clone(logging), identity: Arc::clone(identity), events, bytes };
        let count = batch.events.len() as u64;
        if self.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUE_BYTES_MAX
            && let Ok(()) = self.queue.get_or_init(|| self.begin(Arc::clone(sink))).try_send(Message::Events(batch))
        {
            return 0;
        }
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        count
    }

    /// Waits for a while until what is queued is written.
    pub(crate) async fn flush(&self) {
        let Some(queue) = self.queue.get() else { return };
        let (done, written) = tokio::sync::oneshot::channel();
        let mut message = Message::Flush(done);
        let flushing = async {
            while let Err(TrySendError::Full(refused)) = queue.try_send(message) {
                message = refused;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let _ = written.await;
        };
        if tokio::time::timeout(FLUSH_PATIENCE, flushing).await.is_err() {
            tracing::warn!("not all events of the execution log were written");
        }
    }

    fn begin(&self, sink: Arc<dyn ExecutionLog>) -> SyncSender<Message> {
        let (queue, messages) = sync_channel(QUEUE_BATCHES_MAX);
        let queued_bytes = Arc::clone(&self.queued_bytes);
        let writing = std::thread::Builder::new().name("execution-log".to_owned()).spawn(move || write(&*sink, &messages, &queued_bytes));
        if let Err(error) = writing {
            // Its channel is closed with it: every event is counted as dropped.
            tracing::error!(%error, "the execution log's thread did not start");
        }
        queue
    }
}

/// Writes until every sender is gone.
fn write(sink: &dyn ExecutionLog, messages: &Receiver<Message>, queued_bytes: &AtomicUsize) {
    while let Ok(message) = messages.recv() {
        match message {
            Message::Events(Batch { logging, identity, events, bytes }) => {
                for event in &events {
                    let record = log::record(event, &identity.execution_arn, logging.include);
                    sink.write(&logging.log_group_arn, &Value::Object(record).to_string());
                }
                queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
            Message::Flush(done) => drop(done.send(())),
        }
    }
}
