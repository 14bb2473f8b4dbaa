//! W1, a chain of ten Pass states: no task, no wait, so that what is measured is the engine.

use super::{Ground, ORDER, ceiling, chain_definition, compare_with_ceiling, meter, run_workflows};
use crate::bar::CHAIN;
use crate::lane::{Shown, Started};
use crate::report::{Report, Row};

pub fn measure(report: &mut Report, ground: &Ground, in_flights: &[usize]) -> anyhow::Result<()> {
    let subject = ground.start()?;
    let server = &subject.server;
    let machine = server.client()?.create_machine("Chain", &chain_definition(), "STANDARD")?;
    let started = Started { host: server.address.clone(), machine, input: ORDER.to_owned(), shown: Shown::Everything };
    for in_flight in in_flights {
        let mut row = Row::new(CHAIN, *in_flight);
        run_workflows(&mut row, &meter(server), &started, ground.duration, Vec::new)?;
        compare_with_ceiling(report, &mut row, ceiling::WORKFLOWS);
        report.add(row);
    }
    subject.server.stop()
}
