//! Definitions that people published: valid ones are accepted, invalid ones refused.
//!
//! A file is `{"id", "kind", "expect": "valid" | "invalid" | "unknown", "machine_type", "definition"}`.

use std::path::Path;

use anyhow::Result;
use skald_asl::diagnostic::Diagnostic;
use skald_asl::parse::{self, MachineType, Options};
use skald_query::Value;

use crate::set;
use crate::verdict::{Judged, Reason, Verdict};

/// Judges the definitions of a folder whose id contains `only`.
///
/// # Errors
/// A file that is no JSON.
pub fn judge_all(folder: &Path, only: &str) -> Result<Vec<Judged>> {
    let mut judged = Vec::new();
    for file in set::json_files(folder)? {
        let case = set::read(&file)?;
        // The index of the folder is no definition.
        if case.get("definition").is_none() || !text_of(&case["id"]).contains(only) {
            continue;
        }
        let (kind, expect) = (text_of(&case["kind"]), text_of(&case["expect"]));
        let area = format!("{kind}, {expect}");
        judged.push(Judged { area, id: text_of(&case["id"]).to_owned(), verdict: judge(&case, expect) });
    }
    Ok(judged)
}

fn judge(case: &Value, expect: &str) -> Verdict {
    let text = case["definition"].to_string();
    let refusal = match text_of(&case["machine_type"]) {
        "EXPRESS" => refusal(&text, MachineType::Express),
        "STANDARD" => refusal(&text, MachineType::Standard),
        // Not told: valid for one type is valid.
        _ => refusal(&text, MachineType::Standard).filter(|_| refusal(&text, MachineType::Express).is_some()),
    };
    match (expect, refusal) {
        ("valid", None) | ("invalid", Some(_)) => Verdict::Passed,
        ("valid", Some(diagnostic)) => Verdict::Failed(format!("wrongly refused: {}", line(&diagnostic))),
        ("invalid", None) => Verdict::Failed("wrongly accepted".to_owned()),
        _ => Verdict::NotRun(Reason::Unknown),
    }
}

fn refusal(text: &str, machine_type: MachineType) -> Option<Diagnostic> {
    parse::parse(text, &Options { machine_type }).err().and_then(|diagnostics| diagnostics.into_iter().next())
}

fn line(diagnostic: &Diagnostic) -> String {
    let location = diagnostic.location.as_deref().unwrap_or_default();
    format!("{}: {} at {location}", diagnostic.code.as_str(), diagnostic.message)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
