//! Definitions: reading one never panics, reading it twice says the same, and `diagnose` agrees with `parse`.
//!
//! A page is a definition.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skald_asl::Severity;
use skald_asl::diagnostic::locate;
use skald_asl::parse::{MachineType, Options, diagnose, parse, parse_state};
use skald_fuzz::{Page, bounds, grammar};

fuzz_target!(|data: &[u8]| {
    let Some(page) = Page::read(data, grammar::machine::definition) else { return };
    bounds::hold(|| {
        for machine_type in [MachineType::Standard, MachineType::Express] {
            check(&page.text, &Options { machine_type });
        }
        let _ = parse_state(&page.text, &Options::default());
    });
});

fn check(text: &str, options: &Options) {
    let findings = diagnose(text, options);
    let (errors, warnings): (Vec<_>, Vec<_>) = findings.iter().cloned().partition(|finding| finding.severity == Severity::Error);
    match parse(text, options) {
        Ok(parsed) => {
            assert!(errors.is_empty(), "accepted, with errors: {errors:?}");
            assert_eq!(parsed.warnings, warnings);
            let again = parse(text, options).expect("accepted before").definition;
            assert_eq!(format!("{:?}", parsed.definition), format!("{again:?}"));
        }
        Err(refused) => assert_eq!(refused, errors, "both find the same errors"),
    }
    for finding in &findings {
        let _ = finding.to_string();
        if let Some(location) = &finding.location {
            let _ = locate(text, location);
        }
    }
}
