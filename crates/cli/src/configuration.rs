//! `skald.toml`: what AWS has no word for.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use skald_integrations::LambdaConfig;

/// Read when `--config` is not given and the file is there.
const DEFAULT_PATH: &str = "skald.toml";
/// SOURCE: IAM: an account id has twelve digits.
const ACCOUNT_DIGITS: usize = 12;

/// The whole file. Unknown keys are errors: a typo must not look like a setting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    #[serde(default)]
    pub server: ServerTable,
    /// Access key → account.
    #[serde(default)]
    pub accounts: BTreeMap<String, String>,
    #[serde(default)]
    pub lambda: LambdaConfig,
    #[serde(default)]
    pub retention: RetentionTable,
    #[serde(default)]
    pub limits: LimitsTable,
}

/// `[retention]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionTable {
    /// How long an execution is kept after its end.
    pub days: Option<NonZeroU32>,
}

/// `[limits]`: what is throttled, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsTable {
    /// MiB that running executions may take in memory before starts are throttled.
    pub memory_mb: Option<NonZeroU32>,
    /// Starts a second of one state machine.
    pub executions_per_second: Option<NonZeroU32>,
    /// Connections served at once.
    pub connections: Option<NonZeroU32>,
    /// MiB that large request bodies may take at once; those beyond wait. As much again for large answers.
    pub bodies_mb: Option<NonZeroU32>,
    /// Tasks of one function elsewhere that run at once; those beyond wait. Declared functions have `concurrency`.
    pub tasks_per_function: Option<NonZeroU32>,
}

/// `[server]`. What the command line says wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerTable {
    pub listen: Option<String>,
    pub data: Option<PathBuf>,
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    pub account: Option<String>,
    pub region: Option<String>,
}

/// The configuration, and the folder that its relative paths begin in.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub configuration: Configuration,
    pub folder: PathBuf,
}

/// Reads the file that was named, else `skald.toml` of the working directory if it is there.
///
/// # Errors
/// Names the file, and in it the line and the key.
pub(crate) fn load(named: Option<&Path>) -> anyhow::Result<Loaded> {
    let path = named.unwrap_or(Path::new(DEFAULT_PATH));
    if named.is_none() && !path.exists() {
        return Ok(Loaded { configuration: Configuration::default(), folder: PathBuf::from(".") });
    }
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let configuration = parse(&text).with_context(|| path.display().to_string())?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    Ok(Loaded { configuration, folder })
}

fn parse(text: &str) -> anyhow::Result<Configuration> {
    let configuration: Configuration = toml::from_str(text).map_err(|error| anyhow::anyhow!("{}", error.to_string().trim_end()))?;
    let named = configuration.accounts.iter().map(|(key, account)| (format!("[accounts] {key}"), account));
    let default = configuration.server.account.iter().map(|account| ("[server] account".to_owned(), account));
    for (place, account) in named.chain(default) {
        let is_account = account.len() == ACCOUNT_DIGITS && account.bytes().all(|byte| byte.is_ascii_digit());
        anyhow::ensure!(is_account, "{place} = {account:?}: an account has {ACCOUNT_DIGITS} digits");
    }
    Ok(configuration)
}

#[cfg(test)]
mod tests;
