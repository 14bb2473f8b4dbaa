//! Every case on the embedded store, over a disk that crashes, fails and fills up at its operations: the same end, the same
//! history but for times. And what a broken disk does is noticed.
//!
//! `SKALD_SEED=… cargo test -p conformance --test disk` replays a run's random choices; `SKALD_STRIKES=…` strikes more of
//! each case's operations (100000: every one).

use std::path::Path;

use conformance::sweep::{self, Noticed, Total};
use conformance::{Case, Plant};
use libtest_mimic::{Arguments, Trial};
use skald_store::embedded::simulated::Harm;

/// Where the random choices of a run begin, when nobody says otherwise.
const SEED: u64 = 1;
/// Operations of each case that are struck, when nobody says otherwise.
const STRIKES: u64 = 2;
/// Seeds until a planted fault must have been noticed.
const SEEDS: u64 = 12;

const PLANTS: [(&str, Plant); 5] = [
    ("an unsynced write is lost", Plant::LostFlushes(1_000)),
    ("a frame is torn", Plant::LostFlushes(2)),
    ("a block of the log is zeroed", Plant::OfLog(Harm::Zeroed)),
    ("a block of a table is zeroed", Plant::OfTable(Harm::Zeroed)),
    ("a bit of the manifest is flipped", Plant::OfManifest(Harm::BitFlipped)),
];

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
    let number = |name: &str, otherwise| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (seed, strikes) = (number("SKALD_SEED", SEED), number("SKALD_STRIKES", STRIKES));
    println!("SKALD_SEED={seed} SKALD_STRIKES={strikes}");
    let mut trials: Vec<Trial> = PLANTS.into_iter().map(|(name, plant)| planted(name, plant, &cases, seed)).collect();
    let total = Total::begin();
    trials.extend(cases.into_iter().map(|case| {
        let total = total.clone();
        Trial::test(format!("on a disk that crashes: {}", case.name(&folder)), move || {
            let swept = sweep::disk(&case.simulation, seed, strikes);
            swept.map(|swept| total.add(swept)).map_err(|error| format!("SKALD_SEED={seed}\n{error:#}").into())
        })
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    println!("{total}");
    conclusion.exit();
}

/// In each run it is noticed or does no harm, and it is noticed in some.
fn planted(name: &str, plant: Plant, cases: &[Case], seed: u64) -> Trial {
    let longest = cases.iter().max_by_key(|case| case.simulation.machine.len()).expect("there are cases").simulation.clone();
    Trial::test(format!("planted: {name}"), move || {
        let mut noticed = Vec::new();
        for seed in seed..seed + SEEDS {
            match sweep::plant(&longest, plant, seed)? {
                Noticed::Yes(how) => noticed.push(how),
                Noticed::Harmless => {}
                Noticed::Not => return Err(format!("SKALD_SEED={seed}: another history, and nobody said so").into()),
            }
        }
        if noticed.is_empty() { Err(format!("not noticed in {SEEDS} runs").into()) } else { Ok(()) }
    })
}
