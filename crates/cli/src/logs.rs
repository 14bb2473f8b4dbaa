//! Structured logs on stderr; what they hold is filtered by `SKALD_LOG`.
//!
//! Records of the execution log are lines of JSON in either format: AWS's members, and before them where they belong.

use std::fmt::Debug;
use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use skald_engine::execution_log;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

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
    let others = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter).with(Executions);
    let is_other = filter_fn(|metadata| !is_of_an_execution(metadata));
    match format {
        Format::Text => registry.with(others.with_filter(is_other)).init(),
        Format::Json => registry.with(others.json().with_filter(is_other)).init(),
    }
    // A panic stops one request or one execution, not the process: it belongs into the log like any other error.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
    Ok(())
}

/// Prints the records of the execution log.
struct Executions;

impl<S: Subscriber> Layer<S> for Executions {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if !is_of_an_execution(event.metadata()) {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        // Nobody is told when stderr is gone: that is where it would stand.
        let _ = std::io::stderr().lock().write_all(line.print().as_bytes());
    }
}

fn is_of_an_execution(metadata: &Metadata<'_>) -> bool {
    metadata.target() == execution_log::TARGET
}

/// A record as it is printed.
#[derive(Default)]
struct Line {
    log_group_arn: String,
    record: String,
}

impl Line {
    /// The record's object with two more members.
    fn print(&self) -> String {
        let place = serde_json::json!({ "target": execution_log::TARGET, "log_group_arn": self.log_group_arn }).to_string();
        let place = place.trim_end_matches('}');
        format!("{place},{}\n", self.record.trim_start_matches('{'))
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, text: &str) {
        if field.name() == "log_group_arn" {
            text.clone_into(&mut self.log_group_arn);
        }
    }

    fn record_debug(&mut self, field: &Field, message: &dyn Debug) {
        if field.name() == "message" {
            self.record = format!("{message:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_printed_with_its_place() {
        let line = Line { log_group_arn: "arn:\"x\":*".to_owned(), record: r#"{"id":"1","details":{}}"#.to_owned() };
        let wanted = "{\"target\":\"skald::execution_log\",\"log_group_arn\":\"arn:\\\"x\\\":*\",\"id\":\"1\",\"details\":{}}\n";
        assert_eq!(line.print(), wanted);
    }
}
