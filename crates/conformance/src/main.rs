//! `conformance SET FOLDER`: runs the cases of a set, says which differ from what was recorded, and counts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use conformance::recorded;
use conformance::verdict::{self, Judged};

const USAGE: &str = "usage: conformance recorded FOLDER [--only PART_OF_ID] [--json FILE]";

struct Arguments {
    set: String,
    folder: Option<PathBuf>,
    only: String,
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = read_arguments()?;
    let folder = arguments.folder.as_deref().context(USAGE)?;
    let judged = judge(&arguments.set, folder, &arguments.only)?;
    print!("{}\n{}", verdict::failures(&judged), verdict::table(&judged));
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&verdict::document(&judged))?;
        std::fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn judge(set: &str, folder: &Path, only: &str) -> Result<Vec<Judged>> {
    match set {
        "recorded" => recorded::judge_all(folder, only),
        _ => bail!(USAGE),
    }
}

fn read_arguments() -> Result<Arguments> {
    let mut words = std::env::args().skip(1);
    let mut arguments = Arguments { set: words.next().context(USAGE)?, folder: None, only: String::new(), json: None };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--only" => arguments.only = words.next().context(USAGE)?,
            "--json" => arguments.json = Some(words.next().context(USAGE)?.into()),
            _ if word.starts_with('-') || arguments.folder.is_some() => bail!(USAGE),
            _ => arguments.folder = Some(word.into()),
        }
    }
    Ok(arguments)
}
