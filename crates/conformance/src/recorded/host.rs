//! A world of one case: the real server on a loopback port, an engine on a store in memory, scripted tasks behind it.
//!
//! Cases share names of machines and activities, and lists show all there are: each case has a server of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use skald_engine::{Engine, Options};
use skald_server::{Config, Server};
use skald_store::memory::MemoryStore;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::logged::Collected;
use super::stubs::Script;
use super::tasks::ScriptedTasks;
use crate::client::Client;

/// The account of the recordings.
const ACCOUNT: &str = "111111111111";
/// The other account of the recordings, and its access key here.
pub(super) const SECONDARY_ACCOUNT: &str = "000000000002";
pub(super) const SECONDARY_KEY: &str = "SECONDARY";
const REGION: &str = "us-east-1";

pub(super) struct Host {
    pub(super) address: SocketAddr,
    pub(super) tasks: Arc<ScriptedTasks>,
    pub(super) log: Arc<Collected>,
    engine: Engine,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Host {
    pub(super) async fn start(script: Script) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
        let address = listener.local_addr()?;
        let tasks = Arc::new(ScriptedTasks::new(script, address));
        let log = Arc::new(Collected::default());
        let options = Options { owners: 1, execution_log: log.clone(), ..Options::default() };
        let engine = Engine::open(Arc::new(MemoryStore::new()), tasks.clone(), options).await?;
        let config = Config {
            default_account: ACCOUNT.to_owned(),
            accounts: BTreeMap::from([(SECONDARY_KEY.to_owned(), SECONDARY_ACCOUNT.to_owned())]),
            default_region: REGION.to_owned(),
            ..Config::default()
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(Server::serve(listener, engine.clone(), config, async {
            let _ = stopped.await;
        }));
        Ok(Self { address, tasks, log, engine, stop, serving })
    }

    pub(super) async fn client(&self) -> Result<Client> {
        Client::connect(self.address).await
    }

    /// Ends everything; what still runs is given up.
    pub(super) async fn stop(self) {
        self.tasks.give_up();
        drop(self.stop);
        self.engine.stop(Duration::ZERO).await;
        self.serving.abort();
    }
}
