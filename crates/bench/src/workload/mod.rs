//! What is measured, one file a workload. Each starts a server of its own, on an empty folder.

pub mod ceiling;
pub mod chain;
pub mod express;
pub mod finished;
pub mod idle;
pub mod loops;
pub mod overload;
pub mod parked;
pub mod payload;
pub mod readers;
pub mod reads;
pub mod saga;
pub mod scale;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use crate::lane::{Repeat, Started, Tally, Workflow};
use crate::latency::Latencies;
use crate::load::{self, Lanes};
use crate::meter::{Done, Meter, Tells};
use crate::report::{Report, Row};
use crate::server::{Server, Setup};

/// How long before a measurement the same load runs unmeasured.
pub const WARM_UP: Duration = Duration::from_secs(1);

/// An order, as small as they come.
pub const ORDER: &str = r#"{"orderId":"o-1","customer":"c-42","items":[{"product":"cup","quantity":4}],"total":26.0}"#;

const PASS_STATES: usize = 10;

/// What every workload is given.
#[derive(Debug, Clone)]
pub struct Ground {
    pub binary: PathBuf,
    /// Where temporary data folders are made.
    pub folder: PathBuf,
    pub in_memory: bool,
    /// How long each measurement runs.
    pub duration: Duration,
}

/// A server with its folder, which goes with it.
pub struct Subject {
    pub server: Server,
    _folder: tempfile::TempDir,
}

impl Ground {
    pub fn folder(&self) -> anyhow::Result<tempfile::TempDir> {
        tempfile::Builder::new().prefix("bench-").tempdir_in(&self.folder).context("a temporary data folder")
    }

    pub fn setup(&self, folder: &tempfile::TempDir) -> Setup {
        let data = folder.path().join("data");
        Setup { binary: self.binary.clone(), data, in_memory: self.in_memory, config: None, lambda_endpoint: None }
    }

    pub fn start(&self) -> anyhow::Result<Subject> {
        let folder = self.folder()?;
        let server = Server::start(&self.setup(&folder))?;
        server.settle()?;
        Ok(Subject { server, _folder: folder })
    }
}

/// A server's processor time, files and metrics.
pub fn meter(server: &Server) -> Meter {
    Meter { server: vec![server.id()], beside: Vec::new(), metrics: Some(server.address.clone()), tells: Tells::TheClient }
}

/// Chains and sagas: each watched to its end, `in_flight` at a time. `background` makes the lanes that run beside.
pub fn run_workflows(
    row: &mut Row,
    meter: &Meter,
    started: &Started,
    duration: Duration,
    background: impl Fn() -> Lanes,
) -> anyhow::Result<Latencies> {
    let in_flight = row.in_flight;
    warm_and_measure(row, meter, &started.host, duration, |until, tally| (Workflow::lanes(started, in_flight, until, tally), background()))
}

/// The same requests over and over, `in_flight` at a time; each answer must hold `expected`.
pub fn repeat_requests(
    row: &mut Row,
    meter: &Meter,
    host: &str,
    requests: &[Vec<u8>],
    expected: &'static str,
    duration: Duration,
) -> anyhow::Result<Latencies> {
    let in_flight = row.in_flight;
    let lanes = |until, tally: &Tally| (Repeat::lanes(requests.to_vec(), expected, in_flight, until, tally), Lanes::new());
    warm_and_measure(row, meter, host, duration, lanes)
}

/// Runs what `lanes` makes twice: for a while to warm up, then for `duration`.
fn warm_and_measure(
    row: &mut Row,
    meter: &Meter,
    host: &str,
    duration: Duration,
    lanes: impl Fn(Instant, &Tally) -> (Lanes, Lanes),
) -> anyhow::Result<Latencies> {
    let pass = |duration: Duration| {
        let tally = Tally::default();
        let (lanes, background) = lanes(Instant::now() + duration, &tally);
        let ran = load::run(host, lanes, background)?;
        anyhow::Ok((tally.take(), ran))
    };
    pass(WARM_UP)?;
    let before = meter.read()?;
    let (latencies, ran) = pass(duration)?;
    meter.account(row, &before, Done { operations: latencies.count() as u64, received_bytes: ran.received_bytes })?;
    row.set("requests_each", ran.requests as f64 / latencies.count().max(1) as f64);
    row.set("per_second", latencies.count() as f64 / ran.elapsed.as_secs_f64());
    row.set_latencies(&latencies);
    Ok(latencies)
}

/// The rate as a share of what the server that does nothing reached, and what that share would be if processors were all
/// that anybody waits for: the server's and the client's time then decide.
pub fn compare_with_ceiling(report: &Report, row: &mut Row, ceiling: &str) {
    let Some(limit) = report.find(ceiling, row.in_flight) else { return };
    if let (Some(rate), Some(limit)) = (row.get("per_second"), limit.get("per_second")) {
        row.set("ceiling_percent", 100.0 * rate / limit);
    }
    let cpu = |row: &Row| Some(row.get("server_cpu_ms")? + row.get("client_cpu_ms")?);
    if let (Some(used), Some(limit)) = (cpu(row), cpu(limit)) {
        row.set("ceiling_cpu_percent", 100.0 * limit / used);
    }
}

pub fn chain_definition() -> Value {
    let mut states = serde_json::Map::new();
    for number in 1..PASS_STATES {
        states.insert(format!("S{number}"), json!({ "Type": "Pass", "Next": format!("S{}", number + 1) }));
    }
    states.insert(format!("S{PASS_STATES}"), json!({ "Type": "Pass", "End": true }));
    json!({ "StartAt": "S1", "States": states })
}
