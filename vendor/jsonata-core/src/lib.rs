//! jsonata-core 2.2.13, reduced to its tree-walking evaluator. PATCHES.md lists what differs from the original.
#![allow(warnings, clippy::all)]

pub mod ast;
pub mod ast_transform;
mod builtins;
pub mod meter;
mod patterns;
mod datetime;
pub mod evaluator;
pub mod functions;
pub mod parser;
mod signature;
pub mod value;
