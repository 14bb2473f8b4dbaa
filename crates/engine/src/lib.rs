//! The engine: decide, append, act.
//!
//! [`Engine`] is the way in. Executions are placed on 256 partitions; an owner task a core decides for its partitions,
//! appends to the store, and acts only on what is durable ([`owner`]). Reads go past the owners ([`read`]). Machines and
//! activities are the [`catalog`]'s.
//!
//! Not here, on purpose: what a state does (`interpreter`), how a task is performed (`integrations`), wire shapes
//! (`server`), what a disk does (`store`).

pub mod scope;
pub mod error;
pub mod page;
pub mod clock;
pub mod options;
pub mod metrics;
pub mod catalog;
mod admission;
mod children;
pub mod execution;
pub mod execution_log;
pub mod token;
pub mod activity;
mod keys;
mod stored;
mod live;
mod shared;
mod owner;
mod express;
mod read;
mod retention;
mod engine;

#[cfg(test)]
mod tests;

pub use engine::Engine;
pub use error::{
    CreateActivityError, CreateMachineError, DeleteMachineError, DescribeActivityError, DescribeExecutionError, DescribeMachineError,
    HistoryError, ListError, ListExecutionsError, OpenError, PollActivityError, SendTaskError, StartExecutionError,
    StartSyncExecutionError, StopExecutionError, UpdateMachineError,
};
pub use options::{Compute, Options};
pub use scope::Scope;
