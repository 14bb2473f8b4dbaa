//! What one evaluation may use up, counted and not timed.

/// Evaluated nodes, iterations and visited values, and bytes copied ÷ 64.
///
/// Stands for AWS's limit of one second. SOURCE: Step Functions guide, "Transforming data with JSONata".
pub const STEPS_MAX: u64 = 3_000_000;

/// Bytes of all strings, arrays and objects an evaluation builds, whether they are still alive or not.
pub const BUILT_BYTES_MAX: u64 = 96 * 1024 * 1024;

/// Bytes of any single array or string, counting eight for an item and one for a character.
///
/// SOURCE: measured on AWS: `[1..873782]` is accepted and one more item is refused; a string of 2^22 characters is
/// accepted and one of 2^23 is refused.
pub const VALUE_BYTES_MAX: usize = 873_782 * 8;

/// How deeply evaluations may nest.
///
/// SOURCE: measured on AWS: `1+1+…+1` is accepted with 100 terms, 99 parentheses, 99 brackets, 99 stages of `~>` and
/// `$f(31)` of a function that adds to its own call; one level more of each is refused.
pub const DEPTH_MAX: usize = 100;

/// Bytes of the printed result. More than any payload may have, so that the interpreter still sees it is too large.
pub const RESULT_BYTES_MAX: usize = 1024 * 1024;

/// How deeply a result may nest.
pub const RESULT_DEPTH_MAX: usize = crate::payload::PAYLOAD_DEPTH_MAX;
