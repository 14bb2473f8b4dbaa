//! Every case, crashed at every append and started again: the same end, the same history but for times.
//!
//! `SKALD_SEED=… cargo test -p conformance --test simulation` replays a run's random choices; `SKALD_STRIKES=…` says how many
//! appends of a case are struck.

use std::path::Path;

use conformance::Case;
use conformance::sweep::{self, Total};
use libtest_mimic::{Arguments, Trial};

/// Where the random choices of a run begin, when nobody says otherwise.
const SEED: u64 = 1;
/// Appends of a case that are struck.
const STRIKES: u64 = 60;

fn main() {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let cases = match Case::load_all(&folder) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("{error:#}");
            std::process::exit(1);
        }
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (seed, strikes) = (number("SKALD_SEED").unwrap_or(SEED), number("SKALD_STRIKES").unwrap_or(STRIKES));
    println!("SKALD_SEED={seed}");
    let total = Total::begin();
    let trials = cases.into_iter().map(|case| {
        let total = total.clone();
        Trial::test(format!("crashed everywhere: {}", case.name(&folder)), move || {
            let swept = sweep::everywhere(&case.simulation, seed, strikes);
            swept.map(|swept| total.add(swept)).map_err(|error| format!("SKALD_SEED={seed}\n{error:#}").into())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    println!("{total}");
    conclusion.exit();
}
