//! Arrows: which of our crates may depend on which.

use std::collections::BTreeSet;

use crate::dependencies;

/// `cli → server → engine → {store, integrations} → interpreter → asl → {query, aws}`, and `integrations → aws`.
const ARROWS: &[(&str, &[&str])] = &[
    ("cli", &["server"]),
    ("server", &["engine"]),
    ("engine", &["store", "integrations"]),
    ("store", &["interpreter"]),
    ("integrations", &["interpreter", "aws"]),
    ("interpreter", &["asl"]),
    ("asl", &["query", "aws"]),
    ("query", &[]),
    ("aws", &[]),
];

/// Never part of what is shipped: they may depend on anything.
const DEVELOPMENT: &[&str] = &["bench", "conformance", "xtask"];

/// The dependencies of crate `name` that no chain of arrows leads to.
pub fn broken(name: &str, manifest: &str) -> anyhow::Result<Vec<String>> {
    if DEVELOPMENT.contains(&name) {
        return Ok(Vec::new());
    }
    if !ARROWS.iter().any(|(from, _)| *from == name) {
        return Ok(vec![format!("crates/{name}: no arrows lead to or from it; add it to xtask/src/arrows.rs")]);
    }
    let allowed = below(name);
    let ours = dependencies::of(manifest)?.into_iter().filter_map(|name| name.strip_prefix("skald-").map(str::to_owned));
    let wrong = ours.filter(|dependency| dependency != name && !allowed.contains(dependency.as_str()));
    Ok(wrong.map(|dependency| format!("crates/{name}/Cargo.toml: no arrow leads from {name} to {dependency}")).collect())
}

/// Every crate that arrows lead to from `name`, over any number of steps.
fn below(name: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&'static str> = targets(name).to_vec();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(targets(next));
        }
    }
    found
}

fn targets(name: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(from, _)| *from == name).map_or(&[], |(_, targets)| targets)
}

#[cfg(test)]
mod tests;
