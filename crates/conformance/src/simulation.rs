//! One run: lives of the engine, one after the other, until everything that was started is settled.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use skald_asl::parse;
use skald_engine::catalog::{Configuration, CreateMachine, MachineType};
use skald_engine::{Compute, CreateMachineError, Engine, Options, Scope};
use skald_query::Payload;
use skald_store::{Direction, Store, Table};
use tokio::task::JoinSet;

use crate::actors;
use crate::disk::DiskPlan;
use crate::faults::Fault;
use crate::journal::FailingJournal;
use crate::script::Script;
use crate::show;
use crate::tasks::ScriptedTasks;
use crate::world::{BEGINNING_MS, TOKEN_SECRET, WallClock, World};

pub(crate) const ACCOUNT: &str = "111111111111";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const MACHINE: &str = "machine";
/// The name of the second machine.
const CHILD: &str = "child";
pub(crate) const MACHINE_ARN: &str = "arn:aws:states:us-east-1:111111111111:stateMachine:machine";
/// The name of the execution whose history counts.
pub(crate) const EXECUTION: &str = "run";
pub(crate) const ROLE_ARN: &str = "arn:aws:iam::111111111111:role/sfn-test-role";
/// How long the process is away after a crash.
const DOWNTIME_MS: i64 = 3;
/// How long after an append another engine comes.
const TAKEOVER_PAUSE: Duration = Duration::from_millis(100);
/// How long a run goes on after its end, to see that nothing more happens.
const AFTERMATH: Duration = Duration::from_secs(300);
/// More lives than any plan of faults has.
const LIVES_MAX: u32 = 8;

/// How a run is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    pub seed: u64,
    pub owners: usize,
    pub park_after_ms: u64,
    /// How long a flush of the journal takes.
    pub flush_ms: u64,
    /// Whether decisions come back later, as heavy ones do.
    pub compute: Compute,
    /// How long a read takes.
    pub read_ms: u64,
    pub input: Payload,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 1, owners: 1, park_after_ms: 5_000, flush_ms: 1, compute: Compute::Owner, read_ms: 0, input: Payload::empty_object() }
    }
}

/// A machine, and what happens around it.
#[derive(Debug, Clone)]
pub struct Simulation {
    pub machine: String,
    /// A second machine, called `child`: the first one's tasks may start it.
    pub child: Option<String>,
    pub activities: Vec<String>,
    pub script: Script,
    pub settings: Settings,
    pub faults: Vec<Fault>,
    pub disk: DiskPlan,
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The first execution's history, with times.
    pub history: Vec<String>,
    /// Every execution's, by ARN: lines without times, and milliseconds since the start of the run.
    pub journals: Vec<(String, Vec<(String, i64)>)>,
    /// The histories of the executions of `child`, by name, with their times.
    pub children: Vec<String>,
    /// The events of the first execution.
    pub events: Vec<skald_interpreter::Event>,
    /// What people outside were told.
    pub replies: Vec<String>,
    pub appends: u64,
    /// Of the disk.
    pub operations: u64,
    /// Those of them after which the first engine was open.
    pub operations_open: u64,
    pub lives: u32,
    /// Calls of tasks.
    pub calls: u64,
    /// Promises that were broken.
    pub violations: Vec<String>,
}

/// How a life ended.
enum End {
    Settled,
    Crashed,
    OutOfPatience,
    /// The engine could not open, and says why.
    Refused(String),
}

pub(crate) fn scope() -> Scope {
    Scope { partition: "aws".to_owned(), account: ACCOUNT.to_owned(), region: REGION.to_owned() }
}

pub(crate) fn execution_arn(name: &str) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:{MACHINE}:{name}")
}

pub(crate) fn activity_arn(name: &str) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:activity:{name}")
}

impl Simulation {
    /// Runs it to the end, through every fault.
    ///
    /// # Errors
    /// The machine is refused, with AWS's words.
    pub fn run(&self) -> Result<Run> {
        let options = parse::Options { machine_type: parse::MachineType::Standard };
        let parsed = parse::parse(&self.machine, &options)
            .map_err(|found| anyhow!("{}", found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
        let world = World::new(Arc::new(parsed.definition), self.script.clone(), self.settings.clone(), self.faults.clone(), &self.disk)?;
        let mut lives = 0;
        loop {
            lives += 1;
            match self.live(&world)? {
                End::Settled => break,
                End::Crashed if lives < LIVES_MAX => {}
                End::Crashed => {
                    world.violation("it crashed more often than it was told to".to_owned());
                    break;
                }
                End::OutOfPatience => {
                    let open: Vec<String> = world
                        .ledger()
                        .journals()
                        .filter(|(_, journal)| !journal.execution.is_settled())
                        .map(|(_, journal)| format!("{} after event {}", journal.arn, journal.execution.last_event()))
                        .collect();
                    let memory = world.memory();
                    let (started, acts, tokens) = (memory.started.len(), memory.acts_done.len(), memory.tokens.len());
                    drop(memory);
                    world
                        .violation(format!("it never ended: open are {open:?}; {started} started, {acts} acts done, {tokens} tokens held"));
                    break;
                }
                // A fault while opening: whoever runs the server starts it again.
                End::Refused(reason) if lives >= LIVES_MAX => {
                    world.violation(format!("the engine does not open: {reason}"));
                    break;
                }
                End::Refused(_) => {}
            }
        }
        Ok(finished(&world, lives))
    }

    fn live(&self, world: &Arc<World>) -> Result<End> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().context("a runtime")?;
        let end = runtime.block_on(async {
            world.begin_life();
            let patience = self.script.patience_ms + BEGINNING_MS - world.now_ms();
            let end = tokio::select! {
                biased;
                () = world.crash.notified() => End::Crashed,
                () = world.circles.notified() => End::OutOfPatience,
                end = self.to_the_end(world) => end,
                () = tokio::time::sleep(Duration::from_millis(u64::try_from(patience).unwrap_or(0))) => End::OutOfPatience,
            };
            world.end_life(DOWNTIME_MS);
            end
        });
        Ok(end)
    }

    async fn to_the_end(&self, world: &Arc<World>) -> End {
        let (mut engine, mut actors) = match self.begin(world).await {
            Ok(begun) => begun,
            Err(reason) => return End::Refused(reason),
        };
        loop {
            let changed = world.changed.notified();
            if actors::all_done(world) && world.ledger().is_settled(self.script.executions as usize) {
                break;
            }
            tokio::select! {
                biased;
                () = world.takeover.notified() => {
                    tokio::time::sleep(TAKEOVER_PAUSE).await;
                    // Whoever was connected to the old one comes to the new one; the old one itself lives on.
                    actors.shutdown().await;
                    (engine, actors) = match self.begin(world).await {
                        Ok(begun) => begun,
                        Err(reason) => return End::Refused(reason),
                    };
                }
                () = changed => {}
            }
        }
        let settled_calls = world.memory().calls;
        tokio::time::sleep(AFTERMATH).await;
        if world.memory().calls != settled_calls {
            world.violation("tasks were called after everything was settled".to_owned());
        }
        check_end(world).await;
        actors::check_reads(world, &engine).await;
        engine.stop(Duration::ZERO).await;
        End::Settled
    }

    /// An engine on the disk, and everyone who has to do with it.
    async fn begin(&self, world: &Arc<World>) -> Result<(Engine, JoinSet<()>), String> {
        let engine = open(world, world.next_life()).await?;
        if world.operations_open.load(Ordering::Relaxed) == 0 {
            world.operations_open.store(world.disk_operations(), Ordering::Relaxed);
        }
        self.create(&engine, world).await;
        *world.engine.lock().expect("no panic") = Some(engine.clone());
        let actors = actors::begin(world, &engine);
        Ok((engine, actors))
    }

    /// The machine and its activities: again after each crash, as Terraform would.
    async fn create(&self, engine: &Engine, world: &World) {
        let deletes = |name: &str| {
            world.script.acts.iter().enumerate().any(|(index, act)| {
                let done = world.memory().acts_done.contains(&index);
                match &act.deed {
                    crate::script::Deed::DeleteActivity { name: deleted } => done && deleted == name,
                    crate::script::Deed::DeleteMachine => name == MACHINE && world.now_ms() >= BEGINNING_MS + act.after_ms,
                    crate::script::Deed::Stop { .. } | crate::script::Deed::StartAgain { .. } | crate::script::Deed::StepClock { .. } => {
                        false
                    }
                }
            })
        };
        for name in &self.activities {
            while !deletes(name) && engine.create_activity(&scope(), name, "{}".to_owned(), "[]".to_owned()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let configuration =
            Configuration { logging: "{}".to_owned(), tracing: "{}".to_owned(), encryption: "{}".to_owned(), tags: "[]".to_owned() };
        let machines = self.child.iter().map(|child| (CHILD, child)).chain([(MACHINE, &self.machine)]);
        for (name, definition) in machines {
            let machine = CreateMachine {
                name: name.to_owned(),
                definition: definition.clone(),
                role_arn: ROLE_ARN.to_owned(),
                machine_type: MachineType::Standard,
                configuration: configuration.clone(),
            };
            while !deletes(name) {
                match engine.create_machine(&scope(), machine.clone()).await {
                    Ok(_) | Err(CreateMachineError::StateMachineDeleting(_)) => break,
                    Err(CreateMachineError::InternalFailure(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(error) => {
                        world.violation(format!("the machine {name} cannot be created: {error}"));
                        return;
                    }
                }
            }
        }
    }
}

/// An engine on the world's disk.
pub(crate) async fn open(world: &Arc<World>, life: u32) -> Result<Engine, String> {
    let settings = &world.settings;
    let options = Options {
        owners: settings.owners,
        clock: Arc::new(WallClock(Arc::clone(world))),
        seed: settings.seed.wrapping_add(u64::from(life)),
        token_secret: TOKEN_SECRET,
        park_after: Duration::from_millis(settings.park_after_ms),
        nap_max: Duration::from_secs(3_600),
        compute: settings.compute,
        retention: Duration::from_secs(90 * 24 * 60 * 60),
        inbox_commands_max: 4_096,
        ..Options::default()
    };
    let store: Arc<dyn Store> = Arc::new(FailingJournal::open(Arc::clone(world), life).await.map_err(|error| error.to_string())?);
    Engine::open(store, Arc::new(ScriptedTasks::new(Arc::clone(world), life)), options).await.map_err(|error| error.to_string())
}

/// Nothing is left to be woken, every owed effect was performed, and every history has its one end.
async fn check_end(world: &World) {
    let disk = match world.disk() {
        Ok(disk) => disk,
        Err(error) => return world.violation(format!("the disk cannot be read: {error}")),
    };
    for table in [Table::Awake, Table::Timers, Table::ActivityTasks] {
        match disk.scan(table, &[], &[0xFF; 64], Direction::Forward, 1_000).await {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => world.violation(format!("{} rows are left in {table:?}", rows.len())),
            Err(error) => world.violation(format!("{table:?} cannot be read: {error}")),
        }
    }
    let mut broken = Vec::new();
    {
        let ledger = world.ledger();
        let memory = world.memory();
        for (_, journal) in ledger.journals() {
            let ends = journal.events().filter(|event| event.kind.is_terminal()).count();
            if ends != 1 {
                broken.push(format!("{}: {ends} ends", journal.arn));
            }
            for scheduled in journal.abandoned_jobs() {
                if !memory.cancelled.contains_key(&(journal.arn.clone(), scheduled)) {
                    broken.push(format!("{}: the job of event {scheduled} was never cancelled", journal.arn));
                }
            }
        }
    }
    for text in broken {
        world.violation(text);
    }
}

fn finished(world: &World, lives: u32) -> Run {
    let ledger = world.ledger();
    let memory = world.memory();
    let arn = execution_arn(EXECUTION);
    let mut journals: Vec<(String, Vec<(String, i64)>)> = ledger
        .journals()
        .map(|(_, journal)| {
            let lines = journal.events().map(|event| (show::line(event), event.at.millis - BEGINNING_MS)).collect();
            (journal.arn.clone(), lines)
        })
        .collect();
    journals.sort();
    let of_child = format!(":execution:{CHILD}:");
    let mut children: Vec<_> = ledger.journals().filter(|(_, journal)| journal.arn.contains(&of_child)).collect();
    children.sort_by(|(_, one), (_, other)| one.arn.cmp(&other.arn));
    let children = children.into_iter().flat_map(|(_, journal)| {
        let name = journal.arn.rsplit(':').next().unwrap_or_default().to_owned();
        std::iter::once(name).chain(show::page(journal.events()))
    });
    Run {
        children: children.collect(),
        history: ledger.by_arn(&arn).map(|journal| show::page(journal.events())).unwrap_or_default(),
        events: ledger.by_arn(&arn).map(|journal| journal.events().cloned().collect()).unwrap_or_default(),
        journals,
        replies: memory.replies.clone(),
        appends: world.appends(),
        operations: world.disk_operations(),
        operations_open: world.operations_open.load(Ordering::Relaxed),
        lives,
        calls: memory.calls,
        violations: ledger.violations.clone(),
    }
}
