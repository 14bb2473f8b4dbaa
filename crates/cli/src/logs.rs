//! Structured logs on stderr; what they hold is filtered by `SKALD_LOG`.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// # Errors
/// When `SKALD_LOG` is no filter.
pub(crate) fn start(format: Format) -> anyhow::Result<()> {
    let filter = match std::env::var("SKALD_LOG") {
        Ok(filter) => EnvFilter::try_new(&filter).map_err(|error| anyhow::anyhow!("SKALD_LOG = {filter:?}: {error}"))?,
        Err(_) => EnvFilter::new("info,lsm_tree=warn"),
    };
    let is_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal);
    match format {
        Format::Text => builder.init(),
        Format::Json => builder.json().init(),
    }
    // A panic stops one request or one execution, not the process: it belongs into the log like any other error.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
    Ok(())
}
