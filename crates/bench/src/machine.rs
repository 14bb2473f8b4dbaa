//! The machine's own limits: what its processor, its disk and its file system let anybody do.
//!
//! There is no server here: the processor's time is the load generator's own.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::latency::Latencies;
use crate::meter::{Done, Meter};
use crate::report::{Report, Row};

const BLOCK_BYTES: usize = 4096;
const FILE_BYTES: usize = 64 * 1024 * 1024;

/// A transition of a workflow with an order in it, as it was measured for the design of the store.
const TRANSITION_BYTES: usize = 736;
const TRANSITIONS_A_FLUSH: usize = 256;

const DOCUMENT: &str = r#"{"product":"cup","quantity":4,"price":6.5,"gift":true,"tags":["kitchen","new"],"note":null},"#;
const DOCUMENT_REPEATS: usize = 11;

pub fn measure(report: &mut Report, folder: &Path, duration: Duration) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(folder)?;
    report.add(parsing(duration)?);
    report.add(flushes(&folder.path().join("block"), duration)?);
    report.add(log(&folder.path().join("log"), duration)?);
    Ok(())
}

/// How fast one core is, by what everybody has to do: a document is parsed and printed.
fn parsing(duration: Duration) -> anyhow::Result<Row> {
    let document = DOCUMENT.repeat(DOCUMENT_REPEATS);
    let document = format!("[{}]", document.trim_end_matches(','));
    let mut row = Row::new("machine: parse and print 1 KB of JSON", 1);
    let (meter, began) = (Meter::default(), Instant::now());
    let (before, mut count) = (meter.read()?, 0);
    while began.elapsed() < duration {
        let parsed: serde_json::Value = serde_json::from_str(std::hint::black_box(&document))?;
        std::hint::black_box(parsed.to_string());
        count += 1;
    }
    meter.account(&mut row, &before, Done { operations: count, received_bytes: 0 })?;
    row.set("per_second", count as f64 / began.elapsed().as_secs_f64());
    Ok(row)
}

/// One block after the other, each flushed, in a file that was written before.
fn flushes(path: &Path, duration: Duration) -> anyhow::Result<Row> {
    let mut file = written_file(path)?;
    let mut row = Row::new("machine: write 4 KiB, fdatasync", 1);
    let (latencies, elapsed) = append(&mut file, &[b'x'; BLOCK_BYTES], duration, &mut row)?;
    row.set("per_second", latencies.count() as f64 / elapsed.as_secs_f64());
    row.set_latencies(&latencies);
    Ok(row)
}

/// A plain log: transitions, one flush for many.
fn log(path: &Path, duration: Duration) -> anyhow::Result<Row> {
    let mut file = written_file(path)?;
    let mut row = Row::new("machine: log, transitions of 736 B", TRANSITIONS_A_FLUSH);
    let batch = vec![b'x'; TRANSITION_BYTES * TRANSITIONS_A_FLUSH];
    let (latencies, elapsed) = append(&mut file, &batch, duration, &mut row)?;
    row.set("per_second", (latencies.count() * TRANSITIONS_A_FLUSH) as f64 / elapsed.as_secs_f64());
    row.set_latencies(&latencies);
    Ok(row)
}

/// Accounts for what it did in `row`.
fn append(file: &mut File, bytes: &[u8], duration: Duration, row: &mut Row) -> anyhow::Result<(Latencies, Duration)> {
    let meter = Meter::default();
    let before = meter.read()?;
    let began = Instant::now();
    let (mut latencies, mut position) = (Latencies::default(), 0);
    while began.elapsed() < duration {
        if position + bytes.len() > FILE_BYTES {
            file.seek(SeekFrom::Start(0))?;
            position = 0;
        }
        let at = Instant::now();
        file.write_all(bytes)?;
        file.sync_data()?;
        latencies.add(at.elapsed());
        position += bytes.len();
    }
    let elapsed = began.elapsed();
    meter.account(row, &before, Done { operations: latencies.count() as u64, received_bytes: 0 })?;
    Ok((latencies, elapsed))
}

/// Its blocks are on the disk, so that writing them again changes neither size nor extents.
fn written_file(path: &Path) -> anyhow::Result<File> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    let piece = vec![0; 1024 * 1024];
    for _ in 0..FILE_BYTES / piece.len() {
        file.write_all(&piece)?;
    }
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}
