//! Machines, mostly of one state: none panics, and what it records reads back and rebuilds it.
//!
//! A page is a definition, or an object of a state's fields; the input; what tasks answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use skald_fuzz::{Page, bounds, grammar, run};

fuzz_target!(|data: &[u8]| {
    let Some(page) = Page::read(data, grammar::machine::definition) else { return };
    let text = whole(&page.text);
    bounds::hold(|| run::run(&text, &page.document, &page.other));
});

/// A state's fields become a machine.
fn whole(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(Value::Object(mut state)) if !state.contains_key("States") => {
            if !state.contains_key("Type") {
                state.insert("Type".to_owned(), "Pass".into());
            }
            if !state.contains_key("Next") && !state.contains_key("Choices") {
                state.insert("End".to_owned(), true.into());
            }
            json!({"StartAt": "S", "States": {"S": state, "T": {"Type": "Succeed"}}}).to_string()
        }
        Ok(_) | Err(_) => text.to_owned(),
    }
}
