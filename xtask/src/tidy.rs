//! Tidy: what the compiler and clippy do not hold us to. Every rule names the file and line that breaks it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::arrows;
use crate::dependencies;
use crate::purity;
use crate::source::Source;

/// A file that takes longer than one sitting to read.
const LINES_MAX: usize = 700;

/// What is wrong, and what is worth a look.
#[derive(Debug, Default)]
pub struct Report {
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
    pub files: usize,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for error in &self.errors {
            writeln!(f, "error: {error}")?;
        }
        writeln!(f, "tidy: {} files, {} errors, {} warnings", self.files, self.errors.len(), self.warnings.len())
    }
}

/// Holds the repository at `root` to every rule.
///
/// # Errors
/// Only when a file cannot be read or a manifest is no TOML: broken rules are in the report.
pub fn check(root: &Path) -> anyhow::Result<Report> {
    let mut report = Report::default();
    report.errors.extend(dependencies::unexplained(&read(&root.join("Cargo.toml"))?));
    for folder in crates(root)? {
        let name = folder.file_name().expect("a crate's folder has a name").to_string_lossy().into_owned();
        let manifest = read(&folder.join("Cargo.toml"))?;
        report.errors.extend(arrows::broken(&name, &manifest)?);
        if purity::is_pure(&name) {
            report.errors.extend(purity::impure_dependencies(&name, &manifest)?);
        }
        for file in rust_files(&folder)? {
            check_file(root, &folder, &file, purity::is_pure(&name), &mut report)?;
        }
    }
    Ok(report)
}

fn check_file(root: &Path, folder: &Path, file: &Path, pure: bool, report: &mut Report) -> anyhow::Result<()> {
    let text = read(file)?;
    let shown = file.strip_prefix(root).unwrap_or(file).display().to_string();
    report.files += 1;
    let lines = text.lines().count();
    if lines > LINES_MAX {
        report.warnings.push(format!("{shown}: {lines} lines; split it by idea"));
    }
    if is_test_file(file.strip_prefix(folder).unwrap_or(file)) {
        return Ok(());
    }
    let source = Source::parse(&text);
    for line in source.lines_with(".unwrap()") {
        report.errors.push(format!("{shown}:{line}: `.unwrap()`: write `expect(\"why it holds\")`"));
    }
    if pure {
        for (line, what) in purity::impurities(&source) {
            report.errors.push(format!("{shown}:{line}: {what} in a pure crate"));
        }
    }
    Ok(())
}

/// Files that only tests see: `tests.rs`, and everything below a `tests`, `benches` or `examples` folder.
fn is_test_file(inside_crate: &Path) -> bool {
    let named = |name: &str| inside_crate.components().any(|part| part.as_os_str() == name);
    named("tests.rs") || named("tests") || named("benches") || named("examples")
}

fn crates(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = vec![root.join("xtask")];
    for entry in fs::read_dir(root.join("crates")).context("crates/")? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").exists() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests;
