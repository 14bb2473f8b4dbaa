//! What became of the cases of a set, as lines, a table, counts and JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;
use skald_query::Value;

/// One case of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub area: String,
    pub id: String,
    pub verdict: Verdict,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// The first difference.
    Failed(String),
    NotRun(Reason),
}

/// Why a case is not run. Whatever else does not work counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Reads or writes objects of S3.
    S3Content,
    /// Someone else acts while it runs, and the recording does not say how.
    Interactive,
    DistributedMap,
    /// Holds for another dialect than the one that is tested.
    OtherDialect,
    /// The set does not say what is right.
    Unknown,
}

impl Reason {
    pub fn text(self) -> &'static str {
        match self {
            Self::S3Content => "S3 content",
            Self::Interactive => "interactive",
            Self::DistributedMap => "Distributed Map",
            Self::OtherDialect => "another dialect",
            Self::Unknown => "not known what is right",
        }
    }
}

/// How many of an area.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub not_run: usize,
}

impl Counts {
    pub fn all(self) -> usize {
        self.passed + self.failed + self.not_run
    }

    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::NotRun(_) => self.not_run += 1,
        }
    }
}

/// The counts of each area.
pub fn counts(judged: &[Judged]) -> BTreeMap<String, Counts> {
    let mut areas: BTreeMap<String, Counts> = BTreeMap::new();
    for case in judged {
        areas.entry(case.area.clone()).or_default().add(&case.verdict);
    }
    areas
}

/// A line for each case that failed.
pub fn failures(judged: &[Judged]) -> String {
    let mut lines = String::new();
    for case in judged {
        if let Verdict::Failed(difference) = &case.verdict {
            let _ = writeln!(lines, "{} [{}]: {}", case.id, case.area, difference.replace('\n', "\n    "));
        }
    }
    lines
}

/// Counts per area, and why cases were not run.
pub fn table(judged: &[Judged]) -> String {
    let mut lines = format!("{:30} {:>6} {:>6} {:>8} {:>6}\n", "area", "passed", "failed", "not run", "all");
    let mut row = |name: &str, counts: Counts| {
        let Counts { passed, failed, not_run } = counts;
        let _ = writeln!(lines, "{name:30} {passed:>6} {failed:>6} {not_run:>8} {:>6}", counts.all());
    };
    let mut all = Counts::default();
    for case in judged {
        all.add(&case.verdict);
    }
    for (area, counts) in counts(judged) {
        row(&area, counts);
    }
    row("all", all);
    let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
    for case in judged {
        if let Verdict::NotRun(reason) = &case.verdict {
            *reasons.entry(*reason).or_default() += 1;
        }
    }
    for (reason, count) in reasons {
        let _ = writeln!(lines, "not run: {count:>4} {}", reason.text());
    }
    lines
}

/// `{"cases": [{"area", "id", "verdict", "why"}]}`
pub fn document(judged: &[Judged]) -> Value {
    let cases: Vec<Value> = judged
        .iter()
        .map(|case| {
            let (verdict, why) = match &case.verdict {
                Verdict::Passed => ("passed", Value::Null),
                Verdict::Failed(difference) => ("failed", json!(difference)),
                Verdict::NotRun(reason) => ("not run", json!(reason.text())),
            };
            json!({ "area": case.area, "id": case.id, "verdict": verdict, "why": why })
        })
        .collect();
    json!({ "cases": cases })
}
