//! Purity: value in, value out. No async, no I/O, no clock, no randomness, no global, no order that differs by run.

use crate::dependencies;
use crate::source::Source;

const PURE: &[&str] = &["query", "asl", "interpreter", "aws"];

/// What pure crates may be built with: data and arithmetic. Whoever adds one has looked for I/O and threads in it.
const PURE_DEPENDENCIES: &[&str] = &[
    "base64",
    "bytes",
    "hmac",
    "jsonata-core",
    "md-5",
    "regex",
    "serde",
    "serde_json",
    "sha1",
    "sha2",
    "strum",
    "thiserror",
    "unicode-ident",
];

/// What pure code does not say, and what it would be. Names are whole words; `::` joins a path.
const IMPURITIES: &[(&str, &str)] = &[
    ("async", "async"),
    ("await", "async"),
    ("tokio", "an async runtime"),
    ("futures", "an async runtime"),
    ("std::fs", "file access"),
    ("std::io", "I/O"),
    ("std::net", "network access"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("std::env", "the environment"),
    ("SystemTime", "a clock"),
    ("Instant::now", "a clock"),
    ("std::time::Instant", "a clock"),
    ("getrandom", "randomness"),
    ("rand", "randomness"),
    ("RandomState", "randomness"),
    ("HashMap", "a randomly seeded map"),
    ("HashSet", "a randomly seeded set"),
    ("thread_local", "a global"),
    ("static mut", "a global"),
    ("println", "output"),
    ("print", "output"),
    ("eprintln", "output"),
    ("eprint", "output"),
    ("dbg", "output"),
];

/// Names that are macros only when `!` follows.
const MACROS: &[&str] = &["println", "print", "eprintln", "eprint", "dbg", "thread_local"];

pub fn is_pure(name: &str) -> bool {
    PURE.contains(&name)
}

/// The dependencies that a pure crate must not have.
pub fn impure_dependencies(name: &str, manifest: &str) -> anyhow::Result<Vec<String>> {
    let shipped = dependencies::shipped(manifest)?;
    let wrong = shipped.iter().filter(|dependency| !allowed(dependency));
    Ok(wrong.map(|dependency| format!("crates/{name}/Cargo.toml: {dependency} is not among the dependencies of pure crates")).collect())
}

fn allowed(dependency: &str) -> bool {
    PURE_DEPENDENCIES.contains(&dependency) || dependency.strip_prefix("skald-").is_some()
}

/// Each impurity of `source`: its line, and what it is.
pub fn impurities(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (name, what) in IMPURITIES {
        let text = if MACROS.contains(name) { format!("{name}!") } else { (*name).to_owned() };
        found.extend(source.lines_with(&text).into_iter().map(|line| (line, format!("`{text}` ({what})"))));
    }
    // `use std::{fs, time::Instant};` spells no path in one piece.
    for (line, path) in source.grouped_imports() {
        let named =
            IMPURITIES.iter().find(|(name, _)| name.starts_with("std::") && (path == *name || path.starts_with(&format!("{name}::"))));
        found.extend(named.map(|(name, what)| (line, format!("`{name}` ({what})"))));
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests;
