//! Bytes that must keep their meaning: journals, and the snapshots of what they fold into.
//!
//! `golden/v1.bin` holds executions in every kind of state, `golden/v1.txt` says which. When folding one of these journals
//! gives another state, or a state is written in another way, FOLD_VERSION has to be raised, and the files become what the
//! failed test prints.
//!
//! ```text
//! file  for each execution: count of records, length of the journal's chunk, chunk, length of the snapshot, snapshot;
//!       numbers: 4 bytes, little-endian
//! ```

use std::collections::BTreeSet;
use std::fmt::Write;

use super::*;
use crate::Record;
use crate::execution::{Owed, Status};
use crate::frame::{Doing, Phase, Step, Target};

const BYTES: &[u8] = include_bytes!("../golden/v1.bin");
const LISTING: &str = include_str!("../golden/v1.txt");

/// A journal, and the snapshot of what it folds into.
struct Case {
    records: Vec<Record>,
    snapshot: Vec<u8>,
}

#[test]
fn version_1_is_folded_and_written_as_ever() {
    let cases = cases();
    for (case, place) in cases.iter().zip(0..) {
        if encode(&folded(&case.records)) != case.snapshot {
            let journals = cases.iter().map(|case| case.records.as_slice());
            panic!("execution {place} is another one now: raise FOLD_VERSION\n{}", file_of(journals));
        }
    }
}

#[test]
fn version_1_is_read_as_ever() {
    assert_eq!(FOLD_VERSION, 1, "files of the new version are missing");
    for case in cases() {
        assert_eq!(decode(&case.snapshot, walk::machine()), Ok(folded(&case.records)));
    }
}

#[test]
fn the_listing_says_what_is_there() {
    let listing = listing(cases().iter().map(|case| case.records.as_slice()));
    assert!(listing == LISTING, "the listing should be:\n{listing}");
}

#[test]
fn every_kind_of_state_is_there() {
    let kinds: BTreeSet<String> = cases().iter().flat_map(|case| kinds_in(&folded(&case.records))).collect();
    let missing: Vec<String> = kinds_known().difference(&kinds).cloned().collect();
    if !missing.is_empty() {
        let journals = journals_of_every_kind();
        panic!("no execution with {missing:?}\n{}", file_of(journals.iter().map(Vec::as_slice)));
    }
}

fn folded(records: &[Record]) -> Execution {
    let mut execution = Execution::unborn(walk::machine());
    for record in records {
        execution.apply(record);
    }
    execution
}

fn cases() -> Vec<Case> {
    let mut rest = BYTES;
    let mut cases = Vec::new();
    while !rest.is_empty() {
        let count = take_number(&mut rest);
        let chunk = take_bytes(&mut rest);
        let records = journal::decode(chunk, count).expect("the file holds journals");
        cases.push(Case { records, snapshot: take_bytes(&mut rest).to_vec() });
    }
    cases
}

fn take_number(rest: &mut &[u8]) -> u32 {
    let (number, after) = rest.split_first_chunk().expect("a number is there");
    *rest = after;
    u32::from_le_bytes(*number)
}

fn take_bytes<'f>(rest: &mut &'f [u8]) -> &'f [u8] {
    let length = take_number(rest) as usize;
    let (bytes, after) = rest.split_at(length);
    *rest = after;
    bytes
}

/// What the files would hold, in hexadecimal digits and as text.
fn file_of<'r>(journals: impl Iterator<Item = &'r [Record]> + Clone) -> String {
    let mut bytes = Vec::new();
    for records in journals.clone() {
        let number = |number: usize| u32::try_from(number).expect("small").to_le_bytes();
        let (chunk, snapshot) = (journal::encode(records), encode(&folded(records)));
        bytes.extend(number(records.len()));
        bytes.extend(number(chunk.len()));
        bytes.extend(chunk);
        bytes.extend(number(snapshot.len()));
        bytes.extend(snapshot);
    }
    let mut text = String::from("v1.bin:\n");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    let _ = write!(text, "\nv1.txt:\n{}", listing(journals));
    text
}

fn listing<'r>(journals: impl Iterator<Item = &'r [Record]>) -> String {
    let mut text = String::from("records  bytes  kinds of state\n");
    for records in journals {
        let execution = folded(records);
        let kinds: Vec<String> = kinds_in(&execution).into_iter().collect();
        let _ = writeln!(text, "{:>7}  {:>5}  {}", records.len(), encode(&execution).len(), kinds.join(", "));
    }
    text
}

/// Prefixes of walks' journals, which have every kind of state among them, each one that the others lack.
fn journals_of_every_kind() -> Vec<Vec<Record>> {
    let definition = walk::machine();
    let mut missing = kinds_known();
    let mut journals = Vec::new();
    for seed in 0.. {
        let records = walk::Walk::of(&definition, seed).records;
        let mut execution = Execution::unborn(Arc::clone(&definition));
        for end in 0..=records.len() {
            let kinds = kinds_in(&execution);
            if kinds.iter().any(|kind| missing.contains(kind)) {
                missing.retain(|kind| !kinds.contains(kind));
                journals.push(records[..end].to_vec());
            }
            if missing.is_empty() {
                return journals;
            }
            if let Some(record) = records.get(end) {
                execution.apply(record);
            }
        }
        assert!(seed < 2_000, "no walk leads to {missing:?}");
    }
    journals
}

fn kinds_known() -> BTreeSet<String> {
    let tags = [
        ("status", Status::TAGS),
        ("step", Step::TAGS),
        ("doing", Doing::TAGS),
        ("target", Target::TAGS),
        ("phase", Phase::TAGS),
        ("owed", Owed::TAGS),
    ];
    let tagged = tags.iter().flat_map(|(part, tags)| tags.iter().map(move |tag| format!("{part} {tag}")));
    tagged.chain(["attempts", "iterations", "results", "credentials", "variables"].map(str::to_owned)).collect()
}

fn kinds_in(execution: &Execution) -> BTreeSet<String> {
    let mut kinds = BTreeSet::from([format!("status {}", execution.status.tag())]);
    kinds.extend(execution.owed.values().map(|owed| format!("owed {}", owed.tag())));
    for frame in execution.frames.values() {
        kinds.insert(format!("step {}", frame.step.tag()));
        if !frame.variables.is_empty() {
            kinds.insert("variables".to_owned());
        }
        let Some(visit) = frame.visit() else { continue };
        kinds.insert(format!("doing {}", visit.doing.tag()));
        if !visit.attempts.is_empty() {
            kinds.insert("attempts".to_owned());
        }
        match &visit.doing {
            Doing::Task(task) => {
                kinds.extend([format!("target {}", task.target.tag()), format!("phase {}", task.phase.tag())]);
                if task.credentials_role_arn.is_some() {
                    kinds.insert("credentials".to_owned());
                }
            }
            Doing::FannedOut(fan_out) => {
                if fan_out.iterations.is_some() {
                    kinds.insert("iterations".to_owned());
                }
                if fan_out.outputs.iter().any(Option::is_some) {
                    kinds.insert("results".to_owned());
                }
            }
            Doing::Working | Doing::Waiting { .. } | Doing::BackingOff { .. } => {}
        }
    }
    kinds
}
