//! A declared function: warm processes, at most as many as it may have, and a queue before them.
//!
//! [`Function::invoke`] waits for a free process, gives it the event, and waits for what comes of it. The work goes on when
//! the caller stops waiting.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::process::Command;
use tokio::sync::oneshot;

use crate::config::FunctionConfig;
use crate::lambda::failure;
use crate::lambda::gate::{Gate, Shut};
use crate::lambda::interpreter::Python;
use crate::lambda::output;
use crate::lambda::process::{Nursery, Process};
use crate::lambda::runtime_api::{Answer, Delivery, Invocation, RuntimeApi};

/// How long a process is kept that has nothing to do.
pub const IDLE_SECONDS_MAX: u64 = 600;

/// See the module.
pub struct Function {
    name: String,
    settings: FunctionConfig,
    python: Python,
    code_folder: PathBuf,
    region: String,
    nursery: Arc<Nursery>,
    /// Lets in one invocation a process.
    gate: Arc<Gate>,
    /// The one that rested least comes last and is taken first.
    idle: Mutex<Vec<Idle>>,
}

/// What came of an invocation.
#[derive(Debug)]
pub enum Ended {
    /// The function's result, which may be no JSON.
    Succeeded(Bytes),
    /// The failure's payload.
    Failed(String),
    /// Too many wait already.
    Throttled,
    /// The server is going down.
    GaveUp,
}

struct Idle {
    worker: Worker,
    since: Instant,
}

/// A process and its Runtime API.
struct Worker {
    api: RuntimeApi,
    process: Process,
}

/// What happened to an event that a worker was given.
enum Attempt {
    /// The worker is ready for the next one.
    Answered(Ended),
    /// The worker is gone, or of no use any more.
    Lost(Ended),
    /// The worker was gone before it took the event.
    NotTaken(Ended),
}

impl Function {
    pub fn new(
        name: String,
        settings: FunctionConfig,
        python: Python,
        code_folder: PathBuf,
        region: String,
        nursery: Arc<Nursery>,
    ) -> Self {
        let gate = Arc::new(Gate::new(settings.concurrency as usize));
        Self { name, settings, python, code_folder, region, nursery, gate, idle: Mutex::new(Vec::new()) }
    }

    /// Runs the function once.
    pub async fn invoke(self: &Arc<Self>, mut invocation: Invocation) -> Ended {
        let pass = match self.gate.pass().await {
            Ok(pass) => pass,
            Err(Shut::Crowded) => return Ended::Throttled,
            Err(Shut::Closed) => return Ended::GaveUp,
        };
        invocation.timeout = Duration::from_secs(self.settings.timeout_seconds.into());
        let (sender, answer) = oneshot::channel();
        let function = Arc::clone(self);
        // A task of its own: what was begun goes on when the caller goes away.
        tokio::spawn(async move {
            let ended = function.run(&invocation).await;
            drop(pass);
            let _ = sender.send(ended);
        });
        answer.await.unwrap_or(Ended::GaveUp)
    }

    /// Ends processes that had nothing to do for `rest`, and forgets those that ended by themselves.
    pub fn retire_idle(&self, rest: Duration) {
        self.idle().retain(|idle| idle.since.elapsed() < rest && !idle.worker.process.has_exited());
    }

    /// Begins no invocation any more; those that wait for their turn give up, running ones go on.
    pub fn quiesce(&self) {
        self.gate.close();
    }

    async fn run(&self, invocation: &Invocation) -> Ended {
        while let Some(mut worker) = self.take_idle() {
            match self.attempt(&mut worker, invocation).await {
                Attempt::Answered(ended) => return self.keep(worker, ended),
                Attempt::Lost(ended) => return ended,
                // It died resting: that is not this invocation's failure.
                Attempt::NotTaken(_) => {}
            }
        }
        let mut worker = match self.start().await {
            Ok(worker) => worker,
            Err(_) if self.nursery.is_closed() => return Ended::GaveUp,
            Err(error) => return Ended::Failed(failure::not_started(&invocation.request_id, &error)),
        };
        match self.attempt(&mut worker, invocation).await {
            Attempt::Answered(ended) => self.keep(worker, ended),
            Attempt::Lost(ended) | Attempt::NotTaken(ended) => ended,
        }
    }

    /// Gives the event to a process and waits for the first of: its answer, its end, its deadline.
    async fn attempt(&self, worker: &mut Worker, invocation: &Invocation) -> Attempt {
        let request_id = &invocation.request_id;
        let Delivery { taken, mut answer } = worker.api.offer(invocation.clone());
        let init_timeout = Duration::from_secs(self.settings.init_timeout_seconds.into());
        // An answer is looked for before the exit that may follow it.
        tokio::select! {
            biased;
            Ok(posted) = &mut answer => return self.answered(worker, posted).await,
            Ok(()) = taken => {}
            status = worker.process.exited() => return Attempt::NotTaken(self.exited(request_id, status)),
            () = tokio::time::sleep(init_timeout) => {
                worker.process.kill().await;
                return Attempt::Lost(Ended::Failed(failure::init_timed_out(request_id, self.settings.init_timeout_seconds)));
            }
        }
        tokio::select! {
            biased;
            Ok(posted) = &mut answer => self.answered(worker, posted).await,
            status = worker.process.exited() => Attempt::Lost(self.exited(request_id, status)),
            () = tokio::time::sleep(invocation.timeout) => {
                worker.process.kill().await;
                Attempt::Lost(Ended::Failed(failure::timed_out(request_id, self.settings.timeout_seconds)))
            }
        }
    }

    async fn answered(&self, worker: &mut Worker, posted: Answer) -> Attempt {
        match posted {
            Answer::Response(body) => Attempt::Answered(Ended::Succeeded(body)),
            Answer::Error(body) => Attempt::Answered(Ended::Failed(text(&body))),
            Answer::InitError(body) => {
                worker.process.kill().await;
                Attempt::Lost(Ended::Failed(text(&body)))
            }
            // Runtime clients end when their answer is refused: no event may go to one that is about to.
            Answer::TooLarge => {
                worker.process.kill().await;
                Attempt::Lost(Ended::Failed(failure::answer_too_large()))
            }
        }
    }

    fn exited(&self, request_id: &str, status: Option<std::process::ExitStatus>) -> Ended {
        match status {
            Some(status) if !self.nursery.is_closed() => Ended::Failed(failure::exited(request_id, status)),
            Some(_) | None => Ended::GaveUp,
        }
    }

    fn take_idle(&self) -> Option<Worker> {
        let mut idle = self.idle();
        while let Some(Idle { worker, .. }) = idle.pop() {
            if !worker.process.has_exited() {
                return Some(worker);
            }
        }
        None
    }

    fn keep(&self, worker: Worker, ended: Ended) -> Ended {
        self.idle().push(Idle { worker, since: Instant::now() });
        ended
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().expect("nothing panics while it holds the idle processes")
    }

    async fn start(&self) -> std::io::Result<Worker> {
        let api = RuntimeApi::open().await?;
        let mut command = Command::new(&self.python.executable);
        command
            .args(self.python.arguments(&self.settings.handler))
            .current_dir(&self.code_folder)
            .env_clear()
            .envs(self.environment(&api.address().to_string()));
        let mut process = self.nursery.start(command).await?;
        if let Some(stdout) = process.stdout.take() {
            tokio::spawn(output::forward(stdout, self.name.clone(), api.request_ids()));
        }
        if let Some(stderr) = process.stderr.take() {
            tokio::spawn(output::forward(stderr, self.name.clone(), api.request_ids()));
        }
        Ok(Worker { api, process })
    }

    /// Everything the process sees: what it needs of this machine, what was declared, and Lambda's own variables.
    fn environment(&self, api_address: &str) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        for name in INHERITED_VARIABLES {
            if let Ok(value) = std::env::var(name) {
                environment.insert((*name).to_owned(), value);
            }
        }
        let set = |environment: &mut BTreeMap<String, String>, name: &str, value: &str| {
            environment.insert(name.to_owned(), value.to_owned());
        };
        // An AWS SDK inside the function must not find the server's credentials by other ways.
        set(&mut environment, "AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        set(&mut environment, "AWS_CONFIG_FILE", "/dev/null");
        set(&mut environment, "AWS_EC2_METADATA_DISABLED", "true");
        set(&mut environment, "AWS_REGION", &self.region);
        set(&mut environment, "AWS_DEFAULT_REGION", &self.region);
        set(&mut environment, "TZ", ":UTC");
        environment.extend(self.settings.environment.clone());

        let code_folder = self.code_folder.to_string_lossy();
        let runtime = format!("python{}", self.python.version);
        set(&mut environment, "AWS_LAMBDA_RUNTIME_API", api_address);
        set(&mut environment, "AWS_LAMBDA_FUNCTION_NAME", &self.name);
        set(&mut environment, "AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
        set(&mut environment, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &self.settings.memory_mb.to_string());
        set(&mut environment, "AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
        set(&mut environment, "AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{}", self.name));
        set(&mut environment, "AWS_LAMBDA_LOG_STREAM_NAME", &log_stream());
        set(&mut environment, "AWS_EXECUTION_ENV", &format!("AWS_Lambda_{runtime}"));
        set(&mut environment, "_HANDLER", &self.settings.handler);
        set(&mut environment, "LAMBDA_TASK_ROOT", &code_folder);
        set(&mut environment, "LAMBDA_RUNTIME_DIR", "/var/runtime");
        environment
    }
}

/// What a process needs to know of the machine it runs on.
const INHERITED_VARIABLES: &[&str] = &["PATH", "HOME", "LANG", "TMPDIR"];

/// Set by the runtime, whatever is declared.
pub const RESERVED_VARIABLES: &[&str] = &[
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_EXECUTION_ENV",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// `2025/01/31/[$LATEST]` and 32 random hexadecimal digits.
fn log_stream() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut bytes = [0u8; 16];
    // Without randomness the stream's name is merely not unique.
    let _ = getrandom::fill(&mut bytes);
    format!("{}/[$LATEST]{:032x}", skald_aws::date::slashed_day(now), u128::from_be_bytes(bytes))
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}
