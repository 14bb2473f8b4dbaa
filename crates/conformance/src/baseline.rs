//! The counts of the sets, committed in `baseline.txt`: they only rise.
//!
//! A row is `set | area | passed | failed | not run`. Sets that are not in the repository have rows too; they are looked
//! at when their folder is given.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::verdict::{Counts, counts};
use crate::{corpus, jsonata, jsonpath, recorded};

const HEADER: &str = "\
# Cases of sets/ by area. `cargo run --package conformance -- baseline` compares, `-- baseline --update` rewrites.
# set | area | passed | failed | not run
";

/// The counts of each set and area.
pub type Rows = BTreeMap<(String, String), Counts>;

/// How today's counts differ from the committed ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Passed less often, or run less often.
    pub fell: Vec<String>,
    pub rose: Vec<String>,
}

/// The file of committed counts.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.txt")
}

/// Runs the sets of the repository, and the corpus if there is one.
///
/// # Errors
/// A set that cannot be read.
pub fn run(corpus_folder: Option<&Path>) -> Result<Rows> {
    let sets = Path::new(env!("CARGO_MANIFEST_DIR")).join("sets");
    let mut rows = Rows::new();
    let mut add = |set: &str, judged: Vec<_>| {
        rows.extend(counts(&judged).into_iter().map(|(area, counts)| ((set.to_owned(), area), counts)));
    };
    add("sfn", recorded::judge_all(&sets.join("sfn"), "")?);
    add("jsonata", jsonata::judge_all(&sets.join("jsonata"), "")?);
    add("jsonpath-cts", jsonpath::judge_all(&sets.join("jsonpath-cts"), "")?);
    add("jsonpath-jayway", jsonpath::judge_all(&sets.join("jsonpath-jayway"), "")?);
    if let Some(folder) = corpus_folder {
        add("corpus", corpus::judge_all(folder, "")?);
    }
    Ok(rows)
}

/// Reads committed counts.
///
/// # Errors
/// Names the line that is no row.
pub fn parse(text: &str) -> Result<Rows> {
    let mut rows = Rows::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [set, area, passed, failed, not_run] = cells[..] else { bail!("not a row: {line}") };
        let number = |cell: &str| cell.parse::<usize>().with_context(|| format!("not a row: {line}"));
        let counts = Counts { passed: number(passed)?, failed: number(failed)?, not_run: number(not_run)? };
        rows.insert((set.to_owned(), area.to_owned()), counts);
    }
    Ok(rows)
}

/// The file for these counts; sets that were not run keep the rows they had.
pub fn print(committed: &Rows, today: &Rows) -> String {
    let was_run = |set: &str| today.keys().any(|(run, _)| run == set);
    let kept = committed.iter().filter(|((set, _), _)| !was_run(set));
    let rows: BTreeMap<_, _> = kept.chain(today).collect();
    let mut text = HEADER.to_owned();
    for ((set, area), Counts { passed, failed, not_run }) in rows {
        let _ = writeln!(text, "{set:15} | {area:30} | {passed:>4} | {failed:>4} | {not_run:>4}");
    }
    text
}

/// What has changed since the counts were committed, in the sets that were run.
pub fn compare(committed: &Rows, today: &Rows) -> Changes {
    let mut changes = Changes::default();
    let sets: Vec<&String> = today.keys().map(|(set, _)| set).collect();
    for ((set, area), before) in committed.iter().filter(|((set, _), _)| sets.contains(&set)) {
        let now = today.get(&(set.clone(), area.clone())).copied().unwrap_or_default();
        let mut note = |list: fn(&mut Changes) -> &mut Vec<String>, what: &str, before: usize, now: usize| {
            list(&mut changes).push(format!("{set}, {area}: {before} {what} before, {now} now"));
        };
        if now.passed < before.passed {
            note(|changes| &mut changes.fell, "passed", before.passed, now.passed);
        }
        if now.passed > before.passed {
            note(|changes| &mut changes.rose, "passed", before.passed, now.passed);
        }
        if now.not_run > before.not_run {
            note(|changes| &mut changes.fell, "were not run", before.not_run, now.not_run);
        }
    }
    for ((set, area), now) in today.iter().filter(|(key, _)| !committed.contains_key(*key)) {
        changes.rose.push(format!("{set}, {area}: new, {} passed", now.passed));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Rows {
        parse(text).expect("rows")
    }

    #[test]
    fn what_falls_and_what_rises_is_told() {
        let committed = rows("# a comment\na | one | 2 | 1 | 0\na | two | 1 | 0 | 1\na | gone | 1 | 0 | 0\nb | out | 5 | 0 | 0\n");
        let today = rows("a | one | 3 | 0 | 0\na | two | 0 | 0 | 2\na | new | 1 | 0 | 0\n");
        let changes = compare(&committed, &today);
        assert_eq!(
            changes.fell,
            ["a, gone: 1 passed before, 0 now", "a, two: 1 passed before, 0 now", "a, two: 1 were not run before, 2 now"]
        );
        assert_eq!(changes.rose, ["a, one: 2 passed before, 3 now", "a, new: new, 1 passed"]);
    }

    #[test]
    fn sets_that_were_not_run_keep_their_rows() {
        let (committed, today) = (rows("a | one | 1 | 0 | 0\nb | out | 5 | 0 | 0\n"), rows("a | one | 2 | 0 | 0\n"));
        let text = print(&committed, &today);
        assert_eq!(rows(&text), rows("a | one | 2 | 0 | 0\nb | out | 5 | 0 | 0\n"));
    }
}
