//! `skald`: the one binary, and the only place that wires things together.
//!
//! Exit codes: 0 done, 1 it could not be done (or `validate` found errors, or `store` damage), 2 the command line is wrong.

mod configuration;
mod control;
mod logs;
mod open_files;
mod serve;
mod store;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A durable workflow engine, wire-compatible with AWS Step Functions.
#[derive(Debug, Parser)]
#[command(name = "skald", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the AWS API until SIGINT or SIGTERM.
    Server(serve::Arguments),
    /// Says what is wrong with state machine definitions, and where.
    Validate(validate::Arguments),
    /// Looks after the folder of a durable store: check, repair, backup.
    Store(store::Arguments),
    /// Prints the version.
    Version,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Server(arguments) => serve::run(arguments).map(|()| ExitCode::SUCCESS),
        Command::Validate(arguments) => validate::run(&arguments, &mut std::io::stdout().lock()),
        Command::Store(arguments) => store::run(&arguments, &mut std::io::stdout().lock()),
        Command::Version => {
            println!("skald {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("skald: {error:#}");
        ExitCode::FAILURE
    })
}
