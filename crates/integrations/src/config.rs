//! What the integrations are told: the `[lambda.…]` tables of `skald.toml`, and AWS's environment.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;
use skald_aws::sigv4::Credentials;

/// Everything [`crate::Integrations`] needs to know.
#[derive(Debug, Clone, Default)]
pub struct IntegrationsConfig {
    pub functions: LambdaConfig,
    /// Where relative paths of `functions` begin: the configuration file's folder.
    pub base_folder: PathBuf,
    /// `AWS_ENDPOINT_URL_LAMBDA`, else `AWS_ENDPOINT_URL`: where functions live that are not declared.
    pub lambda_endpoint: Option<String>,
    /// The region of local functions, and of signatures.
    pub region: String,
    /// Calls of one function at `lambda_endpoint` that run at once; those beyond wait. None: 1,000.
    pub calls_per_function_max: Option<NonZeroU32>,
    /// Who signs calls to `lambda_endpoint`; see [`crate::credentials::find`].
    pub credentials: Option<Credentials>,
}

/// The functions that run here, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct LambdaConfig(pub BTreeMap<String, FunctionConfig>);

/// One `[lambda.name]` table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionConfig {
    /// `python3.11`, or `python3` for whichever there is.
    pub runtime: String,
    /// `module.function`, as on Lambda.
    pub handler: String,
    /// The folder that holds the code, relative to the configuration file.
    pub code: PathBuf,
    /// How long one invocation may take. Lambda's default and limits.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u32,
    /// How long importing the module may take, before the first invocation's own time begins.
    #[serde(default = "default_init_timeout_seconds")]
    pub init_timeout_seconds: u32,
    /// Processes at most; invocations beyond wait for one.
    #[serde(default = "default_concurrency")]
    pub concurrency: u32,
    /// All that the process sees of the environment, beside Lambda's own variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What the function is told its memory is. Not enforced.
    #[serde(default = "default_memory_mb")]
    pub memory_mb: u32,
    /// The interpreter to use, such as a virtual environment's `bin/python`, relative to the configuration file.
    #[serde(default)]
    pub interpreter: Option<PathBuf>,
}

/// Why a configuration cannot be used. Names the table and the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("[lambda.{function}] is no function name: write the name alone, without ARN or qualifier")]
    FunctionName { function: String },
    #[error("[lambda.{function}] {key} = {value} is out of bounds: {bounds}")]
    OutOfBounds { function: String, key: &'static str, value: u32, bounds: &'static str },
    #[error("[lambda.{function}] handler = {handler:?} names no function: write `module.function`")]
    Handler { function: String, handler: String },
    #[error("[lambda.{function}] code: no folder at {}", folder.display())]
    CodeFolder { function: String, folder: PathBuf },
    #[error("[lambda.{function}] runtime = {runtime:?} is not supported yet: python3.* is")]
    Runtime { function: String, runtime: String },
    #[error("[lambda.{function}] runtime = {runtime:?}: no such interpreter; looked for {looked_for}")]
    Interpreter { function: String, runtime: String, looked_for: String },
    #[error("[lambda.{function}] environment: {variable} is set by the runtime and cannot be declared")]
    ReservedVariable { function: String, variable: String },
    #[error("lambda endpoint {url:?}: {reason}")]
    Endpoint { url: String, reason: String },
}

/// SOURCE: Lambda, `CreateFunction`: `Timeout` defaults to 3, `MemorySize` to 128.
fn default_timeout_seconds() -> u32 {
    3
}

/// SOURCE: Lambda, "Lambda execution environment lifecycle": the Init phase is limited to 10 seconds.
fn default_init_timeout_seconds() -> u32 {
    10
}

fn default_concurrency() -> u32 {
    10
}

fn default_memory_mb() -> u32 {
    128
}
