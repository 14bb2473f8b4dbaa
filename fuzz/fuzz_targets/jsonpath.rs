//! JSONPath: parsing and evaluation never panic and keep to their budget; a reference path finds what it put.
//!
//! A page is a path and a document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skald_fuzz::{Page, bounds, grammar};
use skald_query::jsonpath::{Path, ReferencePath};
use skald_query::{Budget, Value, payload};

/// A fifth of what the interpreter gives.
const STEPS_MAX: u64 = 400_000;

fuzz_target!(|data: &[u8]| {
    let Some(page) = Page::read(data, grammar::jsonpath::path) else { return };
    bounds::hold(|| {
        let document = page.document.value();
        if let Ok(path) = Path::parse(&page.text) {
            assert_eq!(Path::parse(path.text()).as_ref(), Ok(&path), "parses the same again");
            let found = path.find(document, &mut Budget::of_steps(STEPS_MAX)).map(|found| found.into_value());
            if let Ok(found) = &found {
                let _ = payload::print(found);
                assert!(path.is_definite() || found.is_array(), "an indefinite path yields a list");
            }
            let again = path.find(document, &mut Budget::of_steps(STEPS_MAX)).map(|found| found.into_value());
            assert_eq!(found, again);
        }
        if let Ok(path) = ReferencePath::parse(&page.text)
            && let Ok(changed) = path.put(document.clone(), Value::from("put"))
        {
            let read = Path::parse(path.text()).expect("a reference path is a path");
            let found = read.find(&changed, &mut Budget::of_steps(STEPS_MAX)).map(|found| found.into_value());
            assert_eq!(found, Ok(Value::from("put")));
        }
    });
});
