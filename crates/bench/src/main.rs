//! What a server can do: throughput, latency, CPU, memory and disk, measured over HTTP from outside. Run by `make bench`.
//!
//! [`workload`] is what is measured, one file each; [`peer`] measures others by the same client. [`load`] is the load
//! generator, [`lane`] what it does on each connection, [`meter`] what that costs. It all runs on one thread, because it
//! shares the machine with the server. `docs/benchmarks.md` says how each figure is to be read.

mod bar;
mod client;
mod endpoint;
mod http;
mod lane;
mod latency;
mod load;
mod machine;
mod meter;
mod own;
mod peer;
mod process;
mod relay;
mod report;
mod server;
mod workload;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Parser, ValueEnum};

use crate::own::OwnServer;
use crate::report::Report;
use crate::workload::saga::By;
use crate::workload::scale::{backlog, fairness, heartbeats, polls, retries, timers};
use crate::workload::{Ground, ceiling, chain, express, finished, idle, loops, overload, parked, payload, readers, reads, saga};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures a `skald server` over HTTP.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server's program.
    #[arg(long, default_value = "target/release/skald")]
    binary: PathBuf,
    /// How long each measurement runs.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// What to measure [default: all]; the ceiling always is.
    #[arg(long, value_enum, value_delimiter = ',', ignore_case = true)]
    only: Vec<Workload>,
    /// How many workflows are in flight, one measurement each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64])]
    in_flight: Vec<usize>,
    /// How many executions are parked.
    #[arg(long, default_value_t = 100_000)]
    parked: u64,
    /// How many timers are due at one instant.
    #[arg(long, default_value_t = 100_000)]
    timers: u64,
    /// How many tasks wait in one queue.
    #[arg(long, default_value_t = 100_000)]
    backlog: u64,
    /// How many executions have ended.
    #[arg(long, default_value_t = 100_000)]
    finished: u64,
    /// Where all figures go as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where temporary data folders are made. Must be on a disk, or flushes cost nothing.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Where other products are installed.
    #[arg(long, env = "SKALD_BENCH_PEERS", default_value = "target/peers")]
    peers: PathBuf,
    /// Keeps nothing on disk.
    #[arg(long)]
    memory: bool,
    /// Is one of the servers that the others are measured with.
    #[arg(value_enum, hide = true)]
    serve: Option<OwnServer>,
    /// Whom that server calls.
    #[arg(long, hide = true)]
    called: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    Machine,
    /// A chain of ten Pass states.
    W1,
    /// A saga of four Tasks, by whatever performs them.
    W2,
    W2Endpoint,
    W2Activity,
    W2Python,
    /// Parked executions.
    W3,
    /// A server without work.
    W4,
    Express,
    Reads,
    Payloads,
    Loops,
    /// All of the following six.
    Scale,
    Timers,
    Heartbeats,
    Backlog,
    Retries,
    Polls,
    Fairness,
    /// A hundred times the connections of full load.
    Overload,
    /// A hundred readers of the longest histories.
    Readers,
    /// Executions that have ended.
    Finished,
    Restate,
    Fakecloud,
}

impl Arguments {
    fn wants(&self, workload: Workload) -> bool {
        use Workload::{Backlog, Fairness, Heartbeats, Polls, Retries, Scale, Timers, W2, W2Activity, W2Endpoint, W2Python};
        let is_saga = matches!(workload, W2Endpoint | W2Activity | W2Python) && self.only.contains(&W2);
        let is_scale = matches!(workload, Timers | Heartbeats | Backlog | Retries | Polls | Fairness) && self.only.contains(&Scale);
        self.only.is_empty() || self.only.contains(&workload) || is_saga || is_scale
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(server) = arguments.serve {
        return own::serve(server, arguments.called.as_deref());
    }
    let began = Instant::now();
    let mut report = Report::default();
    eprint!("{}", report::headings());
    measure(&mut report, &arguments)?;
    eprintln!();
    print!("{}", report.table());
    println!("{:.0} s in all", began.elapsed().as_secs_f64());
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{:#}\n", report.json())).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn measure(report: &mut Report, arguments: &Arguments) -> anyhow::Result<()> {
    let duration = Duration::from_secs(arguments.seconds);
    let ground = &Ground { binary: arguments.binary.clone(), folder: arguments.folder.clone(), in_memory: arguments.memory, duration };
    let in_flights = arguments.in_flight.as_slice();
    let wants = |workload| arguments.wants(workload);
    ceiling::measure(report, ground, in_flights)?;
    if wants(Workload::Machine) {
        machine::measure(report, &arguments.folder, duration.min(Duration::from_secs(2)))?;
    }
    if wants(Workload::W4) {
        attempt(report, "W4", |report| idle::measure(report, ground));
    }
    if wants(Workload::W1) {
        attempt(report, "W1", |report| chain::measure(report, ground, in_flights));
    }
    if wants(Workload::Fakecloud) {
        attempt(report, "fakecloud", |report| peer::fakecloud::measure(report, ground, &arguments.peers, in_flights));
    }
    if wants(Workload::W2Endpoint) || wants(Workload::Restate) {
        attempt(report, "the relay", |report| saga::measure_relay(report, ground, in_flights));
    }
    for (workload, by) in [(Workload::W2Endpoint, By::Endpoint), (Workload::W2Activity, By::Activity), (Workload::W2Python, By::Python)] {
        if wants(workload) {
            attempt(report, "W2", |report| saga::measure(report, ground, by, in_flights));
        }
    }
    if wants(Workload::Restate) {
        attempt(report, "Restate", |report| peer::restate::measure(report, ground, &arguments.peers, in_flights));
    }
    if wants(Workload::Express) {
        attempt(report, "Express", |report| express::measure(report, ground, in_flights));
    }
    if wants(Workload::Reads) {
        attempt(report, "reads", |report| reads::measure(report, ground));
    }
    if wants(Workload::Payloads) {
        attempt(report, "payloads", |report| payload::measure(report, ground));
    }
    if wants(Workload::Loops) {
        attempt(report, "loops", |report| loops::measure(report, ground));
    }
    if wants(Workload::Timers) {
        attempt(report, "timers", |report| timers::measure(report, ground, arguments.timers));
    }
    if wants(Workload::Heartbeats) {
        attempt(report, "heartbeats", |report| heartbeats::measure(report, ground));
    }
    if wants(Workload::Backlog) {
        attempt(report, "backlog", |report| backlog::measure(report, ground, arguments.backlog));
    }
    if wants(Workload::Retries) {
        attempt(report, "retries", |report| retries::measure(report, ground));
    }
    if wants(Workload::Polls) {
        attempt(report, "polls", |report| polls::measure(report, ground));
    }
    if wants(Workload::Fairness) {
        attempt(report, "fairness", |report| fairness::measure(report, ground));
    }
    if wants(Workload::Overload) {
        attempt(report, "overload", |report| overload::measure(report, ground));
    }
    if wants(Workload::Readers) {
        attempt(report, "readers", |report| readers::measure(report, ground));
    }
    if wants(Workload::Finished) {
        attempt(report, "finished", |report| finished::measure(report, ground, arguments.finished));
    }
    if wants(Workload::W3) {
        attempt(report, "W3", |report| parked::measure(report, ground, arguments.parked));
    }
    Ok(())
}

/// One workload that breaks does not take the others' figures with it.
fn attempt(report: &mut Report, name: &str, measure: impl FnOnce(&mut Report) -> anyhow::Result<()>) {
    if let Err(error) = measure(report) {
        report.remark(format!("{name} BROKE: {error:#}"));
    }
}
