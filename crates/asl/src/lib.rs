//! The Amazon States Language: a definition's text becomes narrow types, or a list of what is wrong with it and where.
//!
//! Start at [`parse::parse`]. [`Definition`] is what an execution runs; [`diagnostic::Diagnostic`] is what AWS would say.
//! One file a state type in [`states`]: its fields and their rules.
//!
//! Not here, on purpose: behaviour (`interpreter`), wire shapes (`server`), I/O.

pub mod definition;
pub mod data_flow;
pub mod template;
pub mod retry;
pub mod catch;
pub mod states;
pub mod time;
pub mod diagnostic;
pub mod parse;
mod resource;
mod validate;

pub use definition::{Block, Definition, State, StateId, StateKind, Transition};
pub use diagnostic::{Code, Diagnostic, Severity};
pub use time::Timestamp;
