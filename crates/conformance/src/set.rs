//! Files of a set of cases.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use skald_query::Value;

/// The JSON files of a folder, in the order of their names.
///
/// # Errors
/// Names the folder that cannot be read.
pub fn json_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

/// # Errors
/// Names the file that is no JSON.
pub fn read(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}
