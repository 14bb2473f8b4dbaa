//! Dependencies: what manifests name, and whether the workspace says why.

use toml::{Table, Value};

/// Where a manifest names dependencies. Those of tests and build scripts count too.
const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// The names of all dependencies of a manifest, those for one platform only included.
pub fn of(manifest: &str) -> anyhow::Result<Vec<String>> {
    let manifest: Table = manifest.parse()?;
    let mut names = sections(&manifest, &SECTIONS);
    for target in manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values) {
        names.extend(target.as_table().map(|target| sections(target, &SECTIONS)).unwrap_or_default());
    }
    Ok(names)
}

/// As [`of`], but only what the shipped code is built with.
pub fn shipped(manifest: &str) -> anyhow::Result<Vec<String>> {
    Ok(sections(&manifest.parse()?, &["dependencies", "build-dependencies"]))
}

fn sections(manifest: &Table, names: &[&str]) -> Vec<String> {
    let tables = names.iter().filter_map(|name| manifest.get(*name).and_then(Value::as_table));
    tables.flat_map(|table| table.keys().cloned()).collect()
}

/// The lines of `[workspace.dependencies]` without a comment right above or behind them. Our own crates need none.
pub fn unexplained(workspace: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    let mut explained = false;
    for (index, line) in workspace.lines().map(str::trim).enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if line.starts_with('#') {
            explained = true;
            continue;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside) {
            let ours = value.contains("path =");
            if !explained && !ours && !behind(value) {
                found.push(format!("Cargo.toml:{}: {} has no comment that says why it is there", index + 1, name.trim()));
            }
        }
        explained = false;
    }
    found
}

/// A comment behind the value; `#` occurs in no version or feature.
fn behind(value: &str) -> bool {
    value.split_once('#').is_some_and(|(_, comment)| !comment.trim().is_empty())
}

#[cfg(test)]
mod tests;
