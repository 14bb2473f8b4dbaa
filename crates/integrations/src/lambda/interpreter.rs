//! Which program runs a function: finds the interpreter of a `runtime`, and the runtime client it has.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::{ConfigError, FunctionConfig};

/// Our own client, for interpreters without the official one.
const OWN_CLIENT: &str = include_str!("runtime_client.py");

/// Prints where the interpreter really is (`pyenv` puts scripts on the path), its version, and whether the official
/// client can be used.
const PROBE: &str = "\
import sys
try:
    import awslambdaric, runtime_client
    official = True
except ImportError:
    official = False
print(sys.executable)
print('%d.%d' % sys.version_info[:2])
print(official)
";

/// A Python to run functions with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    pub executable: PathBuf,
    /// `3.11`
    pub version: String,
    pub client: Client,
}

/// Who talks to the Runtime API inside the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `awslambdaric`, from the interpreter's packages.
    Official,
    Own,
}

impl Python {
    /// Looks for the interpreter `function` asks for.
    ///
    /// # Errors
    /// [`ConfigError::Runtime`] for what is no Python, [`ConfigError::Interpreter`] when there is none of that version.
    pub fn find(name: &str, function: &FunctionConfig, base_folder: &Path) -> Result<Self, ConfigError> {
        let runtime = &function.runtime;
        let unsupported = || ConfigError::Runtime { function: name.to_owned(), runtime: runtime.clone() };
        let version = runtime.strip_prefix("python").filter(|version| is_python_3(version)).ok_or_else(unsupported)?;
        let candidates = match &function.interpreter {
            Some(path) => vec![base_folder.join(path)],
            None => vec![PathBuf::from(runtime), PathBuf::from("python3"), PathBuf::from("python")],
        };
        let fits = |python: &Self| version == "3" || python.version == version;
        candidates.iter().filter_map(|candidate| Self::probe(candidate)).find(fits).ok_or_else(|| {
            let looked_for: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
            ConfigError::Interpreter { function: name.to_owned(), runtime: runtime.clone(), looked_for: looked_for.join(", ") }
        })
    }

    /// The program and its arguments that serve `handler`.
    pub fn arguments(&self, handler: &str) -> Vec<String> {
        let arguments = match self.client {
            Client::Official => vec!["-u", "-m", "awslambdaric", handler],
            Client::Own => vec!["-u", "-c", OWN_CLIENT, handler],
        };
        arguments.into_iter().map(str::to_owned).collect()
    }

    fn probe(candidate: &Path) -> Option<Self> {
        let output = Command::new(candidate).args(["-c", PROBE]).output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut lines = text.lines();
        Some(Self {
            executable: PathBuf::from(lines.next()?),
            version: lines.next()?.to_owned(),
            client: if lines.next()? == "True" { Client::Official } else { Client::Own },
        })
    }
}

/// `3` or `3.11`.
fn is_python_3(version: &str) -> bool {
    match version.strip_prefix('3') {
        Some("") => true,
        Some(minor) => minor.strip_prefix('.').is_some_and(|minor| minor.parse::<u8>().is_ok()),
        None => false,
    }
}
