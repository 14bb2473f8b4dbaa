//! The interpreter: what an execution does next, as a pure function.
//!
//! [`Execution::decide`] turns a command into the records it causes; [`Execution::apply`] folds one record into the
//! state. Nothing else changes an execution, so replaying its journal rebuilds it exactly. Start there, then read any file
//! in `states/`.
//!
//! Not here, on purpose:
//! * I/O, async, clocks, randomness. Instants and dice arrive in the [`Context`].
//! * Expressions evaluated in `apply`: what was evaluated is already in the record, so `apply` cannot fail.
//! * AWS wire shapes of requests: `server::api` has them; [`history`] says which events AWS shows, with which details.

pub mod record;
pub mod event;
pub mod note;
pub mod command;
pub mod context;
pub mod failure;
pub mod effect;
pub mod execution;
pub mod frame;
mod fold;
mod decide;
mod scope;
mod data_flow;
mod retry;
mod catch;
mod states;
pub mod history;
pub mod journal;
pub mod snapshot;

#[cfg(test)]
mod tests;

pub use command::{Command, TaskAnswer};
pub use context::{Context, Dice, World};
pub use effect::Effect;
pub use event::{Event, EventId, EventKind, FrameId, StateType};
pub use execution::{Execution, Identity, Status};
pub use failure::Failure;
pub use note::Note;
pub use record::Record;
pub use skald_asl::Timestamp;
