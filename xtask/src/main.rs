//! Chores of the repository: `cargo xtask tidy`.

mod arrows;
mod dependencies;
mod purity;
mod source;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository");
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => {
            let report = tidy::check(repository)?;
            print!("{report}");
            Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Some(_) | None => anyhow::bail!("usage: cargo xtask tidy"),
    }
}
