//! W4, a server without work: how soon it is ready on an empty folder, and what it holds then.

use std::time::Duration;

use super::Ground;
use crate::bar::IDLE;
use crate::process::{self, MIB};
use crate::report::{Report, Row};
use crate::server::Server;

const STARTS: usize = 5;

/// After this, whatever a start leaves to be done in the background has been done.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let (mut ready, mut healthy, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for start in 0..STARTS {
        let began = std::time::Instant::now();
        let folder = ground.folder()?;
        let server = Server::start(&ground.setup(&folder))?;
        ready.push(server.ready_after.as_secs_f64() * 1e3);
        server.client()?.get("/healthz")?;
        healthy.push(began.elapsed().as_secs_f64() * 1e3);
        if start == 0 {
            std::thread::sleep(SETTLED_AFTER);
            resident.push(process::resident_bytes(server.id())? as f64 / MIB);
        }
        server.stop()?;
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut row = Row::new(IDLE, 0);
    row.set("ready_ms", median(ready));
    row.set("healthz_answered_ms", median(healthy));
    row.set("rss_mib", median(resident));
    report.add(row);
    Ok(())
}
