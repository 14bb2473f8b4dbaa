//! What a measurement costs: readings before and after it, and their difference.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::client::Client;
use crate::endpoint;
use crate::process;
use crate::report::Row;

/// What is watched during a measurement.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    /// The server under test.
    pub server: Vec<u32>,
    /// What works for it beside it: endpoints, workers.
    pub beside: Vec<u32>,
    /// Where its metrics are, if it has them.
    pub metrics: Option<String>,
    /// What it tells others.
    pub tells: Tells,
}

/// Whom a server sends bytes that are not meant for its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tells {
    #[default]
    TheClient,
    /// An endpoint at this address, too, which counts what it gets.
    Endpoint(String),
    /// Others that do not count.
    Many,
}

/// What was done between two readings.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub operations: u64,
    /// What came for the client.
    pub received_bytes: u64,
}

#[derive(Debug, Clone)]
pub struct Reading {
    at: Instant,
    server_cpu: Duration,
    beside_cpu: Duration,
    client_cpu: Duration,
    busy: Duration,
    written_bytes: u64,
    /// Of these, what went to an endpoint.
    told_bytes: u64,
    counters: Option<Counters>,
}

/// From the server's metrics.
#[derive(Debug, Clone)]
struct Counters {
    records: u64,
    appends: u64,
    flush_seconds: f64,
    /// Upper bound in seconds, and how many flushes took no longer.
    flushes: Vec<(f64, u64)>,
}

impl Meter {
    /// # Errors
    /// Where `/proc` or the metrics cannot be read.
    pub fn read(&self) -> anyhow::Result<Reading> {
        let counters = match &self.metrics {
            Some(address) => Some(Counters::parse(&Client::connect(address)?.get("/metrics")?)?),
            None => None,
        };
        let told_bytes = match &self.tells {
            Tells::TheClient | Tells::Many => 0,
            Tells::Endpoint(address) => Client::connect(address)?.get(endpoint::RECEIVED_PATH)?.parse()?,
        };
        let total = |ids: &[u32]| ids.iter().map(|id| process::cpu_time(*id)).sum::<anyhow::Result<Duration>>();
        Ok(Reading {
            at: Instant::now(),
            server_cpu: total(&self.server)?,
            beside_cpu: total(&self.beside)?,
            client_cpu: process::cpu_time(std::process::id())?,
            busy: process::machine_busy()?,
            written_bytes: self.server.iter().map(|id| process::written_bytes(*id)).sum::<anyhow::Result<u64>>()?,
            told_bytes,
            counters,
        })
    }

    /// Adds what was `done` since `before`, and its cost, to `row`.
    pub fn account(&self, row: &mut Row, before: &Reading, done: Done) -> anyhow::Result<()> {
        let after = self.read()?;
        let each = |total: f64| total / done.operations.max(1) as f64;
        let (server, beside) = (after.server_cpu - before.server_cpu, after.beside_cpu - before.beside_cpu);
        let client = after.client_cpu - before.client_cpu;
        row.set("server_cpu_ms", each(server.as_secs_f64() * 1e3));
        row.set("client_cpu_ms", each(client.as_secs_f64() * 1e3));
        if !self.beside.is_empty() {
            row.set("beside_cpu_ms", each(beside.as_secs_f64() * 1e3));
        }
        let others = (after.busy - before.busy).saturating_sub(server + beside + client);
        row.set("others_cores", others.as_secs_f64() / (after.at - before.at).as_secs_f64());
        if let (Some(after_counters), Some(before_counters)) = (&after.counters, &before.counters) {
            let records = after_counters.account(row, before_counters, done.operations);
            let told = done.received_bytes + after.told_bytes - before.told_bytes;
            let to_files = (after.written_bytes - before.written_bytes).saturating_sub(told);
            if records > 0 && self.tells != Tells::Many {
                row.set("bytes_per_record", to_files as f64 / records as f64);
            }
        }
        Ok(())
    }
}

impl Counters {
    fn parse(page: &str) -> anyhow::Result<Self> {
        let bounds = page.lines().filter_map(|line| {
            let (bound, count) = line.strip_prefix("skald_flush_seconds_bucket{le=\"")?.split_once("\"} ")?;
            Some((bound.replace("+Inf", "inf").parse().ok()?, count.parse().ok()?))
        });
        Ok(Self {
            records: sample(page, "skald_records_total")?,
            appends: sample(page, "skald_appends_total")?,
            flush_seconds: sample(page, "skald_flush_seconds_sum")?,
            flushes: bounds.collect(),
        })
    }

    /// How many records were made durable.
    fn account(&self, row: &mut Row, before: &Self, operations: u64) -> u64 {
        let records = self.records - before.records;
        if records == 0 {
            return 0;
        }
        row.set("records_each", records as f64 / operations.max(1) as f64);
        row.set("appends_each", (self.appends - before.appends) as f64 / operations.max(1) as f64);
        let flushes: Vec<(f64, u64)> =
            self.flushes.iter().zip(&before.flushes).map(|((bound, after), (_, before))| (*bound, after - before)).collect();
        let count = flushes.last().map_or(0, |(_, count)| *count);
        if count > 0 {
            row.set("flush_mean_ms", (self.flush_seconds - before.flush_seconds) * 1e3 / count as f64);
            row.set("flush_p50_ms", quantile(&flushes, 0.5) * 1e3);
            row.set("flush_p99_ms", quantile(&flushes, 0.99) * 1e3);
        }
        records
    }
}

/// Within the bucket where it falls, a quantile is taken to lie in proportion.
fn quantile(cumulative: &[(f64, u64)], share: f64) -> f64 {
    let total = cumulative.last().map_or(0, |(_, count)| *count) as f64;
    let (mut lower, mut below) = (0.0, 0);
    for (bound, count) in cumulative {
        if *count as f64 >= share * total && *count > below {
            let upper = if bound.is_finite() { *bound } else { lower };
            return lower + (upper - lower) * (share * total - below as f64) / (*count - below) as f64;
        }
        (lower, below) = (*bound, *count);
    }
    lower
}

fn sample<T: std::str::FromStr>(page: &str, name: &str) -> anyhow::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.with_context(|| format!("no {name} in the metrics"))?.parse()?)
}

/// One number of a server's metrics.
pub fn gauge(address: &str, name: &str) -> anyhow::Result<f64> {
    sample(&Client::connect(address)?.get("/metrics")?, name)
}

/// Under which name the metrics count a machine's executions that ended in `status`; not there before the first.
pub fn ended(machine: &str, status: &str) -> String {
    format!("skald_executions_ended_total{{state_machine_arn=\"{machine}\",status=\"{status}\"}}")
}

/// A number of a page of metrics; zero where it is not.
pub fn count_in(page: &str, name: &str) -> u64 {
    sample(page, name).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_in_proportion_within_their_bucket() {
        let buckets = [(0.1, 10), (0.3, 10), (1.0, 20), (f64::INFINITY, 20)];
        assert!((quantile(&buckets, 0.25) - 0.05).abs() < 1e-9);
        assert!((quantile(&buckets, 0.75) - 0.65).abs() < 1e-9);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
