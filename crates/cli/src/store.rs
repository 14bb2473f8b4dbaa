//! `skald store`: looks after the folder of a durable store.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use skald_store::embedded::backup::Copied;
use skald_store::embedded::check::{Report, check};
use skald_store::embedded::repair::repair;
use skald_store::embedded::{EmbeddedStore, Options};

use crate::control;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Reads every file of a store that no server has open, says which are whole, and changes nothing.
    ///
    /// Fails when something is damaged.
    Check {
        /// The store's folder.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Carries everything that is whole in a damaged store into a new one, and names what is lost.
    ///
    /// The damaged store is not touched. Fails when something is lost.
    Repair {
        /// The damaged store's folder.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// Folder of the new store; it is made, or is empty.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Copies a store, also while a server uses it. Starting on the copy is restoring it.
    Backup {
        /// Folder of the copy; it is made, or is empty.
        #[arg(value_name = "FOLDER")]
        to: PathBuf,
        /// The store's folder.
        #[arg(long, value_name = "FOLDER", default_value = crate::serve::DATA)]
        data: PathBuf,
    },
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Check { folder } => {
            let report = check(folder).with_context(|| format!("the store in {}", folder.display()))?;
            show(&report, out).context("stdout")
        }
        Command::Repair { folder, to } => {
            let report = repair(folder, to).with_context(|| format!("the store in {}", folder.display()))?;
            let code = show(&report, out).context("stdout")?;
            writeln!(out, "everything that is whole is in {}", to.display()).context("stdout")?;
            Ok(code)
        }
        Command::Backup { to, data } => {
            let copied = backup(data, to)?;
            writeln!(out, "{} files of {} bytes are in {}", copied.files, copied.bytes, to.display()).context("stdout")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// One line a file, then what is lost, then what there is.
fn show(report: &Report, out: &mut impl Write) -> std::io::Result<ExitCode> {
    for file in &report.files {
        if file.damages.is_empty() {
            writeln!(out, "ok       {} ({} bytes)", file.name, file.bytes)?;
        }
        for damage in &file.damages {
            writeln!(out, "DAMAGED  {damage}")?;
        }
    }
    for loss in &report.losses {
        writeln!(out, "lost     {loss}")?;
    }
    for cut in &report.cut {
        match cut.kept.0 {
            0 => writeln!(out, "lost     entity {}: all of its {} records", cut.entity, cut.known.0)?,
            kept => writeln!(out, "lost     entity {}: records {} to {} of {}", cut.entity, kept + 1, cut.known.0, cut.known.0)?,
        }
    }
    let rows: u64 = report.rows.values().sum();
    writeln!(out, "{} entities with {} records and {rows} rows are whole", report.entities, report.records)?;
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks the server that has the store open; without one, opens it.
fn backup(data: &Path, to: &Path) -> anyhow::Result<Copied> {
    // The server's working folder is another.
    let to = std::path::absolute(to).with_context(|| to.display().to_string())?;
    anyhow::ensure!(data.join("format").exists(), "there is no store in {}", data.display());
    if let Some(copied) = control::ask_for_backup(data, &to)? {
        return Ok(copied);
    }
    let store = EmbeddedStore::open(data, Options::default()).with_context(|| format!("the store in {}", data.display()))?;
    store.backup(&to).with_context(|| format!("the store in {}", data.display()))
}
