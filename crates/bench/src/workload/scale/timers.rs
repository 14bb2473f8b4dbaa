//! Very many timers due at one instant, all of executions that have left memory, while chains run beside.

use std::time::Duration;

use serde_json::json;

use super::{Appointment, Others, all_parked, start_all};
use crate::bar::TIMERS;
use crate::meter::ended;
use crate::report::{Report, Row};
use crate::workload::{Ground, ORDER, meter};

/// To leave memory in, after the last start.
const REST: Duration = Duration::from_secs(12);

pub fn measure(report: &mut Report, ground: &Ground, count: u64) -> anyhow::Result<()> {
    let subject = ground.start()?;
    let server = &subject.server;
    let mut client = server.client()?;
    let others = Others::prepare(&mut client, server, ground.duration)?;
    let due = Appointment::after(server, &others, count, REST)?;
    let machine = client.create_machine("Alarm", &json!({ "StartAt": "Hold", "States": { "Hold": due.wait(None)? } }), "STANDARD")?;
    let mut row = Row::new(TIMERS, super::OTHERS);
    row.set("timers", count as f64);
    row.set("starts_per_second", count as f64 / start_all(server, &machine, ORDER, count)?.as_secs_f64());
    row.set("live_before", all_parked(server)?);
    due.await_it()?;
    others.run_until(&mut row, &meter(server), (ended(&machine, "SUCCEEDED"), count), count)?;
    row.set("fired_s", due.elapsed()?.as_secs_f64());
    report.add(row);
    subject.server.stop()
}
