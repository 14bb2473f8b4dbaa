//! Each `##` heading in `cases/` is a test: its machine, run in simulated time, must produce its history.
//! `UPDATE_CASES=1` rewrites the pages.

use std::path::Path;

use conformance::Case;
use libtest_mimic::{Arguments, Trial};

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
    let update = std::env::var_os("UPDATE_CASES").is_some();
    if update {
        for case in &cases {
            match case.simulation.run().and_then(|run| case.update(&run).map(|()| run)) {
                Ok(run) if run.violations.is_empty() => {}
                Ok(run) => eprintln!("{}: {:?}", case.name(&folder), run.violations),
                Err(error) => eprintln!("{}: {error:#}", case.name(&folder)),
            }
        }
        return;
    }
    let trials = cases.into_iter().map(|case| {
        Trial::test(case.name(&folder), move || {
            let run = case.simulation.run()?;
            Ok(case.expect(&run)?)
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
