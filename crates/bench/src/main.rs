//! What a server can do: throughput, latency and CPU, measured over HTTP from outside. Run by `make bench`.
//!
//! [`chain`] runs a chain of ten Pass states; [`loops`] measures what endless loops do to others. [`client`] is as small
//! as an HTTP client can be, because it shares the machine with the server it measures.

mod chain;
mod client;
mod latency;
mod loops;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::server::Server;

/// Measures a `skald server` over HTTP.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server's program.
    #[arg(long, default_value = "target/release/skald")]
    binary: PathBuf,
    /// How long each measurement runs.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many workflows are in flight, one measurement each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64])]
    in_flight: Vec<usize>,
    /// Measures others beside 100 endless loops instead of the chain's throughput.
    #[arg(long)]
    loops: bool,
    /// Where the temporary data folder is made. Must be on a disk, or flushes cost nothing.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Keeps nothing on disk.
    #[arg(long)]
    memory: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let server = Server::start(&arguments.binary, &arguments.folder, arguments.memory).await?;
    let duration = Duration::from_secs(arguments.seconds);
    if arguments.loops {
        loops::measure(&server, duration).await?;
    } else {
        for in_flight in &arguments.in_flight {
            println!("{}", chain::measure(&server, *in_flight, duration).await?);
        }
    }
    server.stop().await
}
