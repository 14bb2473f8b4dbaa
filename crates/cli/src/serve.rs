//! `skald server`: store, integrations, engine and listener, from start to a clean end.

use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use skald_engine::{Engine, Options};
use skald_integrations::{Integrations, IntegrationsConfig};
use skald_server::{Config, Limits, Server};
use skald_store::Store;

/// Documents nest up to 1,000 levels, and printing and dropping them recurses.
const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;
use skald_store::embedded::EmbeddedStore;
use skald_store::memory::MemoryStore;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::configuration::{self, Configuration, LimitsTable, Loaded, RetentionTable};
use crate::control::Control;
use crate::{logs, open_files};

/// Step Functions Local's port.
const LISTEN: &str = "127.0.0.1:8083";
pub(crate) const DATA: &str = "./skald-data";
/// How long running task calls may take to answer when the process is asked to end.
const STOP_GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Address and port to listen on [default: 127.0.0.1:8083]; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Folder of the durable store [default: ./skald-data].
    #[arg(long, value_name = "FOLDER", conflicts_with = "memory")]
    data: Option<PathBuf>,
    /// Configuration file [default: skald.toml, if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep everything in memory: nothing survives the process.
    #[arg(long)]
    memory: bool,
    /// Listen beyond this machine although signatures are not verified.
    #[arg(long)]
    insecure_no_auth: bool,
    /// Answer requests to this host name, too: a name, `*.suffix`, or `*`.
    #[arg(long = "allow-host", value_name = "HOST")]
    allow_hosts: Vec<String>,
    /// Form of the log on stderr.
    #[arg(long, value_enum, default_value_t = logs::Format::Text)]
    log_format: logs::Format,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    logs::start(arguments.log_format)?;
    open_files::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(THREAD_STACK_BYTES)
        .build()
        .context("the runtime did not start")?;
    let outcome = runtime.block_on(serve(arguments));
    // What still runs now had its grace.
    runtime.shutdown_background();
    outcome
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let loaded = configuration::load(arguments.config.as_deref())?;
    let listener = listen(&arguments, &loaded.configuration).await?;
    let address = listener.local_addr().context("the listener has no address")?;
    // From here on a signal is ours: it ends the server in order, also while it starts.
    let mut signals = Signals::new().context("signals cannot be awaited")?;
    let region = loaded.configuration.server.region.clone().or_else(|| variable("AWS_REGION"));
    let region = region.or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| "us-east-1".to_owned());
    let config = server_config(&arguments, &loaded.configuration, region.clone());
    let (store, _control) = open_store(&arguments, &loaded)?;
    let options = engine_options(&loaded.configuration.limits, &loaded.configuration.retention);
    let integrations = Integrations::new(IntegrationsConfig {
        functions: loaded.configuration.lambda,
        base_folder: loaded.folder,
        lambda_endpoint: variable("AWS_ENDPOINT_URL_LAMBDA").or_else(|| variable("AWS_ENDPOINT_URL")),
        region,
        calls_per_function_max: loaded.configuration.limits.tasks_per_function,
        credentials: skald_integrations::credentials::find(&variable),
    })?;
    let engine = tokio::select! {
        opened = Engine::open(store, Arc::new(integrations), options) => opened.context("the engine did not start")?,
        name = signals.next() => {
            tracing::info!(signal = name, "stopping before everything is open");
            return Ok(());
        }
    };
    announce(address)?;
    let broken = OnceLock::new();
    let served = Server::serve(listener, engine.clone(), config, async {
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "stopping"),
            // Nothing can be acknowledged any more that is not on disk.
            reason = engine.broken() => {
                tracing::error!(reason, "the store is broken: stopping");
                let _ = broken.set(reason);
            }
        }
        // While answers are still written, nothing new begins.
        engine.quiesce().await;
        tokio::spawn(async move {
            signals.next().await;
            // Whoever asks twice does not want to wait. What is durable is not touched by this.
            std::process::exit(130);
        });
    })
    .await;
    engine.stop(STOP_GRACE).await;
    tracing::info!("stopped");
    if let Some(reason) = broken.get() {
        anyhow::bail!("the store is broken: {reason}");
    }
    served.context("the listener broke")
}

fn engine_options(limits: &LimitsTable, retention: &RetentionTable) -> Options {
    let mut options = Options::default();
    if let Some(days) = retention.days {
        options.retention = Duration::from_secs(86_400) * days.get();
    }
    if let Some(memory_mb) = limits.memory_mb {
        options.live_bytes_max = u64::from(memory_mb.get()) << 20;
    }
    options.starts_per_second_max = limits.executions_per_second.map(NonZeroU32::get);
    options
}

/// Exactly one line on stdout: whoever started the process waits for it.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "skald is ready on http://{address}").and_then(|()| stdout.flush()).context("stdout is closed")
}

async fn listen(arguments: &Arguments, configuration: &Configuration) -> anyhow::Result<TcpListener> {
    let text = arguments.listen.as_deref().or(configuration.server.listen.as_deref()).unwrap_or(LISTEN);
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(text)
        .await
        .with_context(|| format!("--listen {text}: not an address and a port, such as {LISTEN}"))?
        .collect();
    if addresses.iter().any(|address| !address.ip().is_loopback()) {
        anyhow::ensure!(
            arguments.insecure_no_auth,
            "--listen {text} can be reached from other machines, and signatures are not verified yet: anyone who reaches \
             it could run anything. Listen on a loopback address, or accept that with --insecure-no-auth"
        );
        tracing::warn!(listen = text, "signatures are accepted unchecked: whoever reaches this address may do anything");
    }
    TcpListener::bind(addresses.as_slice()).await.with_context(|| format!("--listen {text}"))
}

fn server_config(arguments: &Arguments, configuration: &Configuration, region: String) -> Config {
    let defaults = Config::default();
    let hosts = configuration.server.allowed_hosts.iter().chain(&arguments.allow_hosts);
    Config {
        default_account: configuration.server.account.clone().unwrap_or(defaults.default_account),
        accounts: configuration.accounts.clone(),
        default_region: region,
        allowed_hosts: hosts.cloned().collect(),
        limits: Limits {
            connections_max: configuration.limits.connections.map_or(defaults.limits.connections_max, |wanted| wanted.get() as usize),
            large_bodies_bytes_max: configuration
                .limits
                .bodies_mb
                .map_or(defaults.limits.large_bodies_bytes_max, |mb| (mb.get() as usize) << 20),
            ..defaults.limits
        },
    }
}

fn open_store(arguments: &Arguments, loaded: &Loaded) -> anyhow::Result<(Arc<dyn Store>, Option<Control>)> {
    if arguments.memory {
        return Ok((Arc::new(MemoryStore::new()), None));
    }
    // A path in the file begins at the file, as those of functions do.
    let configured = loaded.configuration.server.data.as_ref().map(|data| loaded.folder.join(data));
    let folder = arguments.data.clone().or(configured).unwrap_or_else(|| DATA.into());
    let store = EmbeddedStore::open(&folder, skald_store::embedded::Options::default())
        .with_context(|| format!("the store in {}", folder.display()))?;
    let store = Arc::new(store);
    let control = Control::listen(&folder, Arc::clone(&store));
    Ok((store, control))
}

/// An environment variable that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
