//! `ValidateStateMachineDefinition`.

use serde::Serialize;
use skald_asl::diagnostic::{Diagnostic, Severity};
use skald_asl::parse::{MachineType, Options, diagnose};

use super::{Context, DEFINITION_LENGTH_MAX};
use crate::protocol::{ApiError, encode};
use crate::validation::{Members, Shown};

/// SOURCE: api.md, ValidateStateMachineDefinition: the most, and what 0 and an absent number mean.
const RESULTS_MAX: i64 = 100;

#[derive(Serialize)]
struct Answer<'a> {
    result: &'static str,
    diagnostics: Vec<Item<'a>>,
    truncated: bool,
}

#[derive(Serialize)]
struct Item<'a> {
    severity: &'static str,
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
}

pub(super) async fn call(_context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let definition = members.required_text("definition", 1..=DEFINITION_LENGTH_MAX, Shown::Sensitive)?;
    let kind = members.one_of("type", &["STANDARD", "EXPRESS"])?;
    let least = members.one_of("severity", &["ERROR", "WARNING"])?;
    let limit = members.integer("maxResults", 0..=RESULTS_MAX)?;
    members.finish()?;

    let machine_type = if kind == Some("EXPRESS") { MachineType::Express } else { MachineType::Standard };
    let reading = tokio::task::spawn_blocking(move || diagnose(&definition, &Options { machine_type }));
    let findings = reading.await.map_err(|_| ApiError::internal("a definition broke its reader"))?;
    let is_error = |finding: &&Diagnostic| finding.severity == Severity::Error;
    let is_shown = |finding: &&Diagnostic| least == Some("WARNING") || is_error(finding);
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(RESULTS_MAX);
    let limit = usize::try_from(limit).expect("it is at most 100");
    encode(&Answer {
        result: if findings.iter().any(|finding| is_error(&finding)) { "FAIL" } else { "OK" },
        diagnostics: findings.iter().filter(is_shown).take(limit).map(item).collect(),
        truncated: findings.iter().filter(is_shown).count() > limit,
    })
}

fn item(finding: &Diagnostic) -> Item<'_> {
    Item {
        severity: match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARNING",
        },
        code: finding.code.as_str(),
        message: &finding.message,
        location: finding.location.as_deref(),
    }
}
