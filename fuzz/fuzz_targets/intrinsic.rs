//! Intrinsic functions: parsing and evaluation never panic, keep to their budget, and give what fits.
//!
//! A page is a call and a document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skald_fuzz::{Page, bounds, grammar};
use skald_query::budget::Exhausted;
use skald_query::intrinsic::{Call, RESULT_BYTES_MAX, Surroundings};
use skald_query::jsonpath::{EvalError, Found, Path};
use skald_query::{Budget, Value, payload};

/// A fifth of what the interpreter gives.
const STEPS_MAX: u64 = 400_000;

/// One document behind every path; dice that count.
struct Stage<'d> {
    document: &'d Value,
    budget: Budget,
    rolls: u64,
}

impl Surroundings for Stage<'_> {
    fn find(&mut self, path: &Path) -> Result<Value, EvalError> {
        path.find(self.document, &mut self.budget).map(Found::into_value)
    }

    fn roll(&mut self) -> u64 {
        self.rolls = self.rolls.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.rolls
    }

    fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        self.budget.spend(steps)
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(page) = Page::read(data, grammar::intrinsic::call) else { return };
    bounds::hold(|| {
        let Ok(call) = Call::parse(&page.text) else { return };
        assert!(Call::is_meant(&page.text));
        let _ = call.paths().count();
        let mut stage = Stage { document: page.document.value(), budget: Budget::of_steps(STEPS_MAX), rolls: 0 };
        match call.evaluate(&mut stage) {
            Ok(value) => {
                assert!(payload::weigh(&value).bytes <= RESULT_BYTES_MAX);
                let _ = payload::print(&value);
            }
            Err(error) => _ = error.cause(&call, page.document.text()),
        }
    });
});
