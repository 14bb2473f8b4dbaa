//! Conformance: the real engine in simulated time, on a journal that fails where it is told to.
//!
//! A [`Case`] is a page's heading: a machine, its input, a script of what the world outside does, and the history that
//! must come of it. [`Simulation`] runs one, crashes the engine wherever its [`faults`] say, starts another on what is
//! durable, and collects every broken promise: a call for a record that was not durable, an effect forgotten, a history
//! with a gap, an execution that never ends. The same seed gives the same run.
//!
//! [`recorded`], [`jsonata`], [`jsonpath`] and [`corpus`] run sets of cases that others have recorded or written
//! (`sets/`), the first of them through the real server over HTTP; [`baseline`] holds their counts.
//!
//! Not in the simulation, on purpose: HTTP, processes and disks. Those are tested where they are made, and end to end.

pub mod script;
pub mod case;
pub mod disk;
mod faults;
pub mod ledger;
pub mod journal;
pub mod tasks;
pub mod actors;
pub mod show;
pub mod simulation;
pub mod sweep;
mod world;
pub mod verdict;
pub mod set;
pub mod compare;
pub mod client;
pub mod recorded;
pub mod jsonata;
pub mod jsonpath;
pub mod corpus;
pub mod baseline;

pub use case::Case;
pub use disk::{DiskFaults, DiskPlan, Plant, Strike};
pub use faults::{Fault, FaultKind};
pub use script::Script;
pub use simulation::{Run, Settings, Simulation};
