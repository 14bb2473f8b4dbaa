//! AWS's nouns, in both directions: ARNs, names, request signatures.
//!
//! [`arn::Arn`] parses and builds the names of Step Functions resources, [`lambda`] reads every way to name a function,
//! [`name`] holds the rules for names, [`sigv4`] signs requests, [`date`] spells instants, [`hex`] ids.
//!
//! Not here, on purpose: I/O, clocks, randomness. Instants are arguments, and nothing is looked up.

pub mod arn;
pub mod date;
pub mod hex;
pub mod lambda;
pub mod name;
pub mod sigv4;

pub use arn::{Arn, StatesResource};
