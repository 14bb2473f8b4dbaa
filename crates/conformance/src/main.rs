//! `conformance SET FOLDER`: runs the cases of a set, says which differ from what was recorded, and counts.
//! `conformance baseline`: runs the committed sets, and says what has changed since their counts were committed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use conformance::verdict::{self, Judged};
use conformance::{baseline, corpus, jsonata, jsonpath, recorded};

const USAGE: &str = "\
usage: conformance recorded|jsonata|jsonpath|corpus FOLDER [--only PART_OF_ID] [--json FILE]
       conformance baseline [--update] [--corpus FOLDER]";

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((command, words)) if command == "baseline" => run_baseline(words),
        Some((set, words)) => run_set(set, words),
        None => bail!(USAGE),
    }
}

fn run_set(set: &str, words: &[String]) -> Result<ExitCode> {
    let (mut folder, mut only, mut json) = (None, String::new(), None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--only" => only.clone_from(words.next().context(USAGE)?),
            "--json" => json = Some(PathBuf::from(words.next().context(USAGE)?)),
            _ if word.starts_with('-') || folder.is_some() => bail!(USAGE),
            _ => folder = Some(PathBuf::from(word)),
        }
    }
    let judged = judge(set, &folder.context(USAGE)?, &only)?;
    print!("{}\n{}", verdict::failures(&judged), verdict::table(&judged));
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&verdict::document(&judged))?;
        std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn judge(set: &str, folder: &Path, only: &str) -> Result<Vec<Judged>> {
    match set {
        "recorded" => recorded::judge_all(folder, only),
        "jsonata" => jsonata::judge_all(folder, only),
        "jsonpath" => jsonpath::judge_all(folder, only),
        "corpus" => corpus::judge_all(folder, only),
        _ => bail!(USAGE),
    }
}

fn run_baseline(words: &[String]) -> Result<ExitCode> {
    let (mut is_update, mut corpus) = (false, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--update" => is_update = true,
            "--corpus" => corpus = Some(PathBuf::from(words.next().context(USAGE)?)),
            _ => bail!(USAGE),
        }
    }
    let file = baseline::file();
    let text = if file.exists() { std::fs::read_to_string(&file)? } else { String::new() };
    let committed = baseline::parse(&text).with_context(|| file.display().to_string())?;
    let today = baseline::run(corpus.as_deref())?;
    let changes = baseline::compare(&committed, &today);
    for (what, lines) in [("fell", &changes.fell), ("rose", &changes.rose)] {
        lines.iter().for_each(|line| println!("{what}: {line}"));
    }
    if is_update {
        std::fs::write(&file, baseline::print(&committed, &today))?;
        println!("{} is rewritten", file.display());
        return Ok(ExitCode::SUCCESS);
    }
    if !changes.rose.is_empty() {
        println!("commit what rose: conformance baseline --update");
    }
    Ok(if changes.fell.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
