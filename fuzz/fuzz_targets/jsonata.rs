//! JSONata: parsing and evaluation never panic, keep to their limits, and say the same twice.
//!
//! A page is an expression and what it sees as `$states.input`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use skald_fuzz::{Page, bounds, grammar};
use skald_query::jsonata::{Bindings, Expression, Session};
use skald_query::{Budget, payload};

/// A tenth of what an expression may take.
const STEPS_MAX: u64 = 300_000;

fuzz_target!(|data: &[u8]| {
    let Some(page) = Page::read(data, grammar::jsonata::expression) else { return };
    bounds::hold(|| {
        let Ok(expression) = Expression::parse(&page.text) else { return };
        let context = json!({"Execution": {"Id": "arn:e"}, "State": {"Name": "S", "RetryCount": 0}});
        let evaluate = || {
            let bindings = Bindings {
                input: &page.document,
                context: &context,
                result: Some(&page.other),
                error_output: None,
                variables: vec![("v", &page.other), ("v0", &page.document)],
                now_millis: 1_700_000_000_000,
                seed: 1,
            };
            Session::new(bindings).evaluate(&expression, &mut Budget::of_steps(STEPS_MAX))
        };
        let result = evaluate();
        if let Ok(value) = &result {
            let _ = payload::print(value);
        }
        if let Err(error) = &result {
            let _ = error.to_string();
        }
        assert_eq!(result, evaluate(), "the same twice");
    });
});
