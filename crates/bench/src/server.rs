//! The server that is measured: started on a temporary folder, watched from outside.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::Client;

pub struct Server {
    process: Child,
    /// Kept open, so that the server may go on printing.
    _output: BufReader<ChildStdout>,
    pub address: String,
    _folder: tempfile::TempDir,
}

/// What a server has used and done by now.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub cpu: Duration,
    pub records: u64,
    pub batches: u64,
}

impl Server {
    pub async fn start(binary: &Path, folder: &Path, memory: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(folder).context("a temporary data folder")?;
        let mut command = Command::new(binary);
        command.args(["server", "--listen", "127.0.0.1:0"]);
        if memory {
            command.arg("--memory");
        } else {
            command.arg("--data").arg(folder.path().join("data"));
        }
        command.env("RUST_LOG", "warn").stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("{}: build it first", binary.display()))?;
        let mut output = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        output.read_line(&mut line).await?;
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.to_owned());
        let address = address.with_context(|| format!("the server did not become ready: {line:?}"))?;
        Ok(Self { process, _output: output, address, _folder: folder })
    }

    pub async fn client(&self) -> anyhow::Result<Client> {
        Client::connect(&self.address).await
    }

    /// # Errors
    /// Where `/proc` or the metrics cannot be read.
    pub async fn usage(&self) -> anyhow::Result<Usage> {
        let page = self.client().await?.get("/metrics").await?;
        Ok(Usage {
            cpu: cpu_time(self.process.id().context("the server has ended")?)?,
            records: sample(&page, "skald_records_total")?,
            batches: sample(&page, "skald_appends_total")?,
        })
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        let id = libc::pid_t::try_from(self.process.id().context("the server has ended")?)?;
        // SAFETY: a system call on numbers; the process was not waited for, so the id is still its own.
        #[allow(unsafe_code)]
        unsafe {
            libc::kill(id, libc::SIGTERM);
        }
        let status = self.process.wait().await?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

/// User and system time. SOURCE: proc(5), `/proc/PID/stat`, fields 14 and 15; the name in field 2 may hold blanks.
fn cpu_time(id: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("no name in /proc/PID/stat")?;
    let mut ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let (user, system) = (ticks.next().context("no user time")??, ticks.next().context("no system time")??);
    // SAFETY: reads a constant of the system.
    #[allow(unsafe_code)]
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(Duration::from_secs_f64((user + system) as f64 / ticks_per_second as f64))
}

fn sample(page: &str, name: &str) -> anyhow::Result<u64> {
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.with_context(|| format!("no {name} in the metrics"))?.parse()?)
}
