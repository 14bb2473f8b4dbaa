//! fakecloud, an emulator of AWS in memory (crates.io `fakecloud`), on the chain of ten Pass states.

use std::path::Path;
use std::process::Command;

use super::{free_port, until_ready};
use crate::client::Client;
use crate::lane::{Shown, Started};
use crate::meter::Meter;
use crate::report::{Report, Row};
use crate::server::Peer;
use crate::workload::{Ground, ORDER, ceiling, chain_definition, compare_with_ceiling, run_workflows};

pub fn measure(report: &mut Report, ground: &Ground, peers: &Path, in_flights: &[usize]) -> anyhow::Result<()> {
    // It runs in a folder of its own.
    let program = std::path::absolute(peers)?.join("bin/fakecloud");
    if !program.exists() {
        let root = peers.display();
        report.remark(format!("fakecloud: absent; `cargo install fakecloud --root {root}` brings it (650 crates, half an hour)"));
        return Ok(());
    }
    let folder = ground.folder()?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut command = Command::new(program);
    command.args(["--addr", &address, "--log-level", "error"]).current_dir(folder.path());
    let peer = Peer::start(command, &folder.path().join("log"))?;
    let machine = until_ready(|| Client::connect(&address)?.create_machine("Chain", &chain_definition(), "STANDARD"))?;
    let started = Started { host: address, machine, input: ORDER.to_owned(), shown: Shown::Everything };
    let meter = Meter { server: vec![peer.id()], ..Meter::default() };
    for in_flight in in_flights {
        let mut row = Row::new("W1 fakecloud, in memory", *in_flight);
        run_workflows(&mut row, &meter, &started, ground.duration, Vec::new)?;
        compare_with_ceiling(report, &mut row, ceiling::WORKFLOWS);
        report.add(row);
    }
    Ok(())
}
