//! What is done on a connection, request after request.
//!
//! [`Workflow`] starts executions and watches each to its end, [`Repeat`] sends the same requests over and over,
//! [`Starter`] starts so many and looks no further, [`Paced`] sends each request at its time, [`Worker`] performs the tasks
//! of an activity, [`Taker`] only takes them, [`Reader`] reads histories page by page, [`Watch`] waits until the server's
//! metrics say that something has come about. [`Insistent`] does what another lane does, and asks again when it is throttled.

mod insistent;
mod paced;
mod reader;
mod repeat;
mod starter;
mod taker;
mod watch;
mod worker;
mod workflow;

use std::cell::RefCell;
use std::rc::Rc;

pub use insistent::{Insistent, Refusals};
pub use paced::{Paced, Plan};
pub use reader::{Pages, Reader};
pub use repeat::Repeat;
pub use starter::Starter;
pub use taker::{Taken, Taker};
pub use watch::Watch;
pub use worker::Worker;
pub use workflow::{Shown, Started, Workflow};

use crate::latency::Latencies;

/// What the lanes of one measurement write down together.
pub type Tally = Rc<RefCell<Latencies>>;

/// An answer as an error, when it refuses.
fn accept(status: u16, body: &[u8]) -> anyhow::Result<()> {
    anyhow::ensure!(status == 200, "{status} {}", String::from_utf8_lossy(&body[..body.len().min(2000)]));
    Ok(())
}
