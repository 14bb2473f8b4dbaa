//! `skald validate`: every finding of every file, one a line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;
use skald_asl::diagnostic::{Diagnostic, Severity, locate};
use skald_asl::parse;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Definitions in the Amazon States Language.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Form of the findings.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `file:line:column: error CODE: message (at /States/A/Next)`
    Text,
    /// One JSON object a line.
    Json,
}

/// One line of `--format json`.
#[derive(Debug, Serialize)]
struct Finding<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    severity: &'static str,
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
}

/// Prints the findings; fails when there is an error among them. Warnings never fail.
pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for file in &arguments.files {
        let shown = file.display().to_string();
        let text = read(file)?;
        for diagnostic in parse::diagnose(&text, &parse::Options::default()) {
            if diagnostic.severity == Severity::Error {
                code = ExitCode::FAILURE;
            }
            print(&shown, &text, &diagnostic, arguments.format, out).context("stdout")?;
        }
    }
    Ok(code)
}

fn read(file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    String::from_utf8(bytes).with_context(|| file.display().to_string())
}

fn print(file: &str, text: &str, diagnostic: &Diagnostic, format: Format, out: &mut impl Write) -> anyhow::Result<()> {
    let place = place(text, diagnostic);
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let code = diagnostic.code.as_str();
    let location = diagnostic.location.as_deref();
    match format {
        Format::Text => {
            let place = place.map_or(String::new(), |(line, column)| format!("{line}:{column}:"));
            // Of a syntax error the first line says it; the others repeat the place.
            let message = diagnostic.message.lines().next().unwrap_or("");
            let path = location.filter(|location| location.starts_with('/'));
            let path = path.map_or(String::new(), |path| format!(" (at {path})"));
            writeln!(out, "{file}:{place} {severity} {code}: {message}{path}")?;
        }
        Format::Json => {
            let (line, column) = (place.map(|(line, _)| line), place.map(|(_, column)| column));
            let finding = Finding { file, line, column, severity, code, message: &diagnostic.message, location };
            writeln!(out, "{}", serde_json::to_string(&finding)?)?;
        }
    }
    Ok(())
}

/// Line and column of a finding: of its path, or those that a syntax error's location ends with.
fn place(text: &str, diagnostic: &Diagnostic) -> Option<(usize, usize)> {
    let location = diagnostic.location.as_deref()?;
    if location.starts_with('/') {
        return locate(text, location);
    }
    let (_, place) = location.strip_suffix(']')?.rsplit_once("; line: ")?;
    let (line, column) = place.split_once(", column: ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[cfg(test)]
mod tests;
