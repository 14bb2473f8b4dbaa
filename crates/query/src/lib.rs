//! The expression languages of a state machine, and the JSON they look into: parse once, evaluate often.
//!
//! [`Payload`] is JSON text that is parsed only when an expression looks inside. [`jsonpath`] is the Jayway dialect as
//! Step Functions speaks it; [`jsonpath::ReferencePath`] is its narrow form that names one node.
//!
//! Not here, on purpose: clocks, randomness and I/O. A [`Budget`] bounds evaluation by counted steps, so that a limit is
//! the same on every machine.

pub mod payload;
pub mod budget;
pub mod jsonpath;
pub mod jsonata;

pub use budget::Budget;
pub use payload::Payload;
pub use serde_json::Value;
