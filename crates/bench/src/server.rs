//! The processes that are measured, and those beside them: started here, ended with their value.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::client::Client;
use crate::process;

const SETTLING_MAX: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_millis(300);

/// A process that serves an address, and says so in one line on stdout that ends in its URL.
pub struct Server {
    process: Child,
    /// Kept open, so that the process may go on printing.
    _output: BufReader<ChildStdout>,
    pub address: String,
    /// From its start to its line.
    pub ready_after: Duration,
}

/// How a `skald server` is started.
#[derive(Debug, Clone)]
pub struct Setup {
    pub binary: PathBuf,
    pub data: PathBuf,
    /// Nothing is kept on disk.
    pub in_memory: bool,
    pub config: Option<PathBuf>,
    /// The address of the Invoke API.
    pub lambda_endpoint: Option<String>,
}

impl Server {
    pub fn start(setup: &Setup) -> anyhow::Result<Self> {
        let mut command = Command::new(&setup.binary);
        command.args(["server", "--listen", "127.0.0.1:0"]);
        if setup.in_memory {
            command.arg("--memory");
        } else {
            command.arg("--data").arg(&setup.data);
        }
        if let Some(config) = &setup.config {
            command.arg("--config").arg(config);
        }
        if let Some(endpoint) = &setup.lambda_endpoint {
            command.env("AWS_ENDPOINT_URL_LAMBDA", format!("http://{endpoint}"));
        }
        command.env("RUST_LOG", "error");
        Self::spawn(command).with_context(|| setup.binary.display().to_string())
    }

    /// One of this program's own servers.
    pub fn start_own(name: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name);
        Self::spawn(command)
    }

    /// The one that calls `endpoint`.
    pub fn start_relay(endpoint: &Self) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["relay", "--called", &endpoint.address]);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        output.read_line(&mut line)?;
        let ready_after = began.elapsed();
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.to_owned());
        let address = address.with_context(|| format!("the server did not become ready: {line:?}"));
        match address {
            Ok(address) => Ok(Self { process, _output: output, address, ready_after }),
            Err(error) => {
                end(&mut process);
                Err(error)
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the server has written nothing for a while: what it sets aside on the disk at a start is not what a
    /// workflow costs.
    pub fn settle(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut written = process::written_bytes(self.id())?;
        while began.elapsed() < SETTLING_MAX {
            std::thread::sleep(QUIET);
            let before = std::mem::replace(&mut written, process::written_bytes(self.id())?);
            if before == written {
                break;
            }
        }
        Ok(())
    }

    pub fn client(&self) -> anyhow::Result<Client> {
        Client::connect(&self.address)
    }

    /// As a power cut: nothing is finished, nothing is flushed.
    pub fn kill(mut self) {
        end(&mut self.process);
    }

    /// Ends it in order.
    pub fn stop(mut self) -> anyhow::Result<()> {
        process::signal(self.id(), libc::SIGTERM)?;
        let status = self.process.wait()?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A process of another product, and those it starts.
pub struct Peer(Child);

impl Peer {
    pub fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let log = std::fs::File::create(log)?;
        let spawned = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).spawn();
        Ok(Self(spawned.with_context(|| format!("{command:?}"))?))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; its group goes with it.
        let _ = process::signal_group(self.0.id(), libc::SIGKILL);
        end(&mut self.0);
    }
}

fn end(process: &mut Child) {
    // It may have ended by itself.
    let _ = process.kill();
    let _ = process.wait();
}
