//! What one evaluation may use up, counted and not timed.

/// Evaluated nodes, iterations and visited values, and bytes copied ÷ 64.
///
/// Stands for AWS's limit of one second. SOURCE: Step Functions guide, "Transforming data with JSONata".
pub const STEPS_MAX: u64 = 5_000_000;

/// Bytes of all strings, arrays and objects an evaluation builds, whether they are still alive or not.
pub const BUILT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How deeply evaluations may nest.
pub const DEPTH_MAX: usize = 1_000;

/// Bytes of the printed result. More than any payload may have, so that the interpreter still sees it is too large.
pub const RESULT_BYTES_MAX: usize = 1024 * 1024;

/// How deeply a result may nest.
pub const RESULT_DEPTH_MAX: usize = crate::payload::PAYLOAD_DEPTH_MAX;
