//! Every heading of `data/findings.md`: a definition, and all that is said of it.

use skald_asl::parse::{MachineType, Options, diagnose, parse};
use skald_asl::{Diagnostic, Severity};

struct Case<'p> {
    title: &'p str,
    definition: &'p str,
    findings: &'p str,
}

fn cases(page: &str) -> Vec<Case<'_>> {
    let case = |section| Case {
        title: str::lines(section).next().expect("a section has a first line"),
        definition: block(section, "```json\n"),
        findings: block(section, "```text\n"),
    };
    page.split("\n## ").skip(1).map(case).collect()
}

/// What stands between `fence` and the one that closes it.
fn block<'p>(section: &'p str, fence: &str) -> &'p str {
    let (_, rest) = section.split_once(fence).unwrap_or_else(|| panic!("no {fence} in {section}"));
    let (inner, _) = rest.split_once("```").unwrap_or_else(|| panic!("{fence} is open in {section}"));
    inner.trim_end_matches('\n')
}

fn spell(finding: &Diagnostic) -> String {
    let severity = match finding.severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
    };
    format!("{severity} {finding}").replace('\n', "⏎")
}

#[test]
fn every_definition_gets_its_findings() {
    let cases = cases(include_str!("data/findings.md"));
    assert!(cases.len() > 20, "only {} cases were found", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let machine_type = if case.title.contains("express") { MachineType::Express } else { MachineType::Standard };
        let options = Options { machine_type };
        let findings = diagnose(case.definition, &options);
        let spelled: Vec<String> = findings.iter().map(spell).collect();
        if spelled.join("\n") != case.findings {
            wrong.push(format!("## {}\nexpected\n{}\nactual\n{}", case.title, case.findings, spelled.join("\n")));
        }
        let has_errors = findings.iter().any(|finding| finding.severity == Severity::Error);
        match parse(case.definition, &options) {
            Ok(parsed) => assert!(!has_errors && parsed.warnings == findings, "{}", case.title),
            Err(errors) => assert!(has_errors && findings.starts_with(&errors), "{}", case.title),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn blocks_nest_to_a_limit() {
    let nested = |depth: usize| {
        let mut block = r#"{"StartAt":"S0","States":{"S0":{"Type":"Succeed"}}}"#.to_owned();
        for level in 1..depth {
            block = format!(r#"{{"StartAt":"S{level}","States":{{"S{level}":{{"Type":"Parallel","End":true,"Branches":[{block}]}}}}}}"#);
        }
        diagnose(&block, &Options::default())
    };
    assert_eq!(nested(100), []);
    let refused = nested(101);
    assert_eq!(refused.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["TOO_DEEPLY_NESTED"]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(diagnose(&deep, &Options::default())[0].code.as_str(), "TOO_DEEPLY_NESTED");
}
