//! The way in: what the API does, as typed calls.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use skald_asl::Timestamp;
use skald_aws::arn::{Arn, ArnError, StatesResource};
use skald_integrations::Perform;
use skald_interpreter::{Event, Identity, Status, TaskAnswer};
use skald_query::Payload;
use skald_store::{Batch, Change, EntityId, Epoch, Operation, PartitionId, Store, Table, Urgency};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::activity::{ActivityTask, Delivery, NoPlace, Place, Taken};
use crate::admission::{LiveBytes, Pace, Standing, WaitingStart};
use crate::catalog::{Activity, Book, CreateMachine, Machine, MachineStatus, MachineType, Machined, UpdateMachine, UpdatedMachine};
use crate::clock::SteadyClock;
use crate::error::*;
use crate::execution::{Described, ExecutionStatus, HistoryRequest, Listed, StartExecution, Started};
use crate::execution_log::Log;
use crate::express::{self, Express};
use crate::keys;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::owner::{Answer, Ask, Inbox, Owner, Question, Receivers, Reply, Request, Start, wake_all};
use crate::page::{Page, PageRequest};
use crate::read;
use crate::retention;
use crate::scope::Scope;
use crate::shared::{Entropy, RunningCalls, Shared, derived_uuid, hash_of};
use crate::token::{Invalid, KeyRing, Token};

/// Reads that run at once, beside those of histories.
const READS_MAX: usize = 64;

/// A running engine. Clones share it.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// Why an inbox did not take a request.
pub(crate) enum Refused {
    Full,
    Fault(Fault),
}

impl Engine {
    /// Opens the store's contents: every open execution goes on where its journal ends.
    ///
    /// # Errors
    /// [`OpenError`] when the store fails, or holds what this version cannot read.
    pub async fn open(store: Arc<dyn Store>, perform: Arc<dyn Perform>, options: Options) -> Result<Self, OpenError> {
        let entropy = Entropy::seeded(options.seed);
        let clock = SteadyClock::new(Arc::clone(&options.clock), store.latest_time());
        let tokens = open_key_ring(&store, options.token_secret, clock.now()).await?;
        let book = Book::open(Arc::clone(&store)).await?;
        let owner_count = options.owners.max(1);
        let core_count = std::thread::available_parallelism().map_or(1, usize::from);
        let mut epochs: Vec<HashMap<_, _>> = vec![HashMap::new(); owner_count];
        let mut express_epochs = HashMap::new();
        for (partition, epoch) in claim_all(&store).await? {
            epochs[usize::from(partition.0) % owner_count].insert(partition, epoch);
            express_epochs.insert(partition, epoch);
        }
        let (owners, receivers): (Vec<_>, Vec<_>) = (0..owner_count)
            .map(|_| {
                let (requests, requested) = mpsc::channel(options.inbox_commands_max);
                let (answers, answered) = mpsc::unbounded_channel();
                (Inbox { requests, answers }, Receivers { requests: requested, answers: answered })
            })
            .unzip();
        let shared = Arc::new(Shared {
            store,
            perform,
            clock,
            options,
            metrics: Metrics::default(),
            book,
            tokens,
            live: Live::default(),
            queues: Arc::default(),
            entropy,
            reads: tokio::sync::Semaphore::new(READS_MAX),
            // Putting a page together is computing: half of the cores are left to everyone else.
            histories: tokio::sync::Semaphore::new((core_count / 2).max(1)),
            compute: tokio::sync::Semaphore::new(core_count),
            owners,
            stopping: AtomicBool::new(false),
            calls: RunningCalls::default(),
            express: Express::new(express_epochs),
            log: Log::default(),
            live_bytes: LiveBytes::default(),
            starts_waiting: Arc::default(),
            broken: tokio::sync::watch::channel(None).0,
        });
        wake_all(&shared).await?;
        let unfinished = express::unfinished(shared.store.as_ref()).await?;
        let claimed = epochs.iter().flatten().map(|(partition, epoch)| (*partition, *epoch)).collect();
        tokio::spawn(retention::run(Arc::clone(&shared), claimed));
        let mut loaded = Vec::new();
        for ((epochs, receivers), inbox) in epochs.into_iter().zip(receivers).zip(&shared.owners) {
            let owner = Owner::new(Arc::clone(&shared), epochs, inbox.answers.clone());
            tokio::spawn(watch_over(Arc::clone(&shared), tokio::spawn(owner.run(receivers))));
            let (done, when) = oneshot::channel();
            let _ = inbox.answers.send(Answer::WhenLoaded { done });
            loaded.push(inbox.heard(when));
        }
        for heard in loaded {
            heard.await;
        }
        let engine = Self { shared };
        tokio::spawn(express::run_again(Arc::clone(&engine.shared), unfinished));
        tokio::spawn(engine.clone().finish_deletions());
        Ok(engine)
    }

    /// Begins no call and no execution any more; calls that have not begun are left to whoever opens the store next.
    ///
    /// For a server that still answers what was asked: [`Engine::stop`] follows.
    pub async fn quiesce(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.perform.quiesce().await;
    }

    /// Takes nothing new, waits up to `grace` for running calls and records their answers, then closes the store.
    ///
    /// What was not answered by then is called again, with the same identity, by whoever opens the store next.
    pub async fn stop(&self, grace: Duration) {
        let shared = &self.shared;
        self.quiesce().await;
        if tokio::time::timeout(grace, shared.calls.none_left()).await.is_err() {
            tracing::warn!("calls still run: they are given up, and repeated at the next start");
        }
        shared.express.close().await;
        for inbox in &shared.owners {
            let (done, closed) = oneshot::channel();
            if inbox.answers.send(Answer::Close { done }).is_ok() {
                inbox.heard(closed).await;
            }
        }
        shared.perform.shut_down().await;
        shared.log.flush().await;
        if let Err(error) = shared.store.close().await {
            tracing::error!(%error, "the store did not close well");
        }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Waits until the store says that it is broken, and says why: nothing more can be acknowledged.
    pub async fn broken(&self) -> String {
        let mut broken = self.shared.broken.subscribe();
        tokio::select! {
            reason = self.shared.store.broken() => reason,
            said = broken.wait_for(Option::is_some) => match said {
                Ok(reason) => reason.clone().unwrap_or_default(),
                Err(_) => "the engine is gone".to_owned(),
            },
        }
    }

    pub async fn create_machine(&self, scope: &Scope, request: CreateMachine) -> Result<Machine, CreateMachineError> {
        self.shared.book.create(scope, request, self.shared.now()).await
    }

    /// `arn` is unqualified.
    pub async fn update_machine(&self, scope: &Scope, arn: &str, request: UpdateMachine) -> Result<UpdatedMachine, UpdateMachineError> {
        let (scope, name) = machine_arn(scope, arn).map_err(UpdateMachineError::InvalidArn)?;
        let revision_id = self.shared.entropy.uuid();
        self.shared.book.update(scope, arn, name, request, self.shared.now(), revision_id).await
    }

    /// Also of a machine that does not exist.
    pub async fn delete_machine(&self, scope: &Scope, arn: &str) -> Result<(), DeleteMachineError> {
        let (scope, name) = machine_arn(scope, arn).map_err(DeleteMachineError::InvalidArn)?;
        let machine = self.shared.book.begin_deletion(scope, name, self.shared.now()).await?;
        if let Some(machine) = machine {
            self.finish_deletion(&machine).await?;
        }
        Ok(())
    }

    pub async fn describe_machine(&self, scope: &Scope, arn: &str) -> Result<Machine, DescribeMachineError> {
        let (scope, name) = machine_arn(scope, arn).map_err(DescribeMachineError::InvalidArn)?;
        match self.shared.book.machine(scope, name) {
            Some(machine) => Ok(machine.shown()),
            None => Err(DescribeMachineError::StateMachineDoesNotExist(arn.to_owned())),
        }
    }

    /// The definition, role and configuration this execution started with.
    pub async fn describe_machine_for_execution(&self, scope: &Scope, execution_arn: &str) -> Result<Machine, DescribeExecutionError> {
        let (machine, entity) = self.find(scope, execution_arn).await?;
        let revision = match self.shared.live.get(entity) {
            Some(summary) => summary.identity.origin.revision,
            None => read::stored(&self.shared, entity).await?.0.origin.revision,
        };
        let revision = self.shared.book.revision(revision).await?;
        Ok(machine.shown_at(&revision))
    }

    pub async fn list_machines(&self, scope: &Scope, page: PageRequest) -> Result<Page<Machine>, ListError> {
        self.shared.book.list_machines(scope, &page)
    }

    pub async fn start_execution(&self, scope: &Scope, request: StartExecution) -> Result<Started, StartExecutionError> {
        self.start(scope, request, Standing::Client).await
    }

    pub(crate) async fn start(&self, scope: &Scope, request: StartExecution, standing: Standing) -> Result<Started, StartExecutionError> {
        let (scope, machine_name) = machine_arn(scope, &request.machine_arn).map_err(StartExecutionError::InvalidArn)?;
        let machine = self
            .shared
            .book
            .machine(scope, machine_name)
            .ok_or_else(|| StartExecutionError::StateMachineDoesNotExist(request.machine_arn.clone()))?;
        if machine.record.status == MachineStatus::Deleting {
            return Err(StartExecutionError::StateMachineDeleting(request.machine_arn));
        }
        if self.shared.is_stopping() {
            return Err(StartExecutionError::ThrottlingException);
        }
        match (machine.record.machine_type, &request.name) {
            (_, Some(name)) if skald_aws::name::check(name).is_err() => return Err(StartExecutionError::InvalidName(name.clone())),
            (MachineType::Express, _) if standing == Standing::Client && !self.keeps_pace(&machine.fate.pace) => {
                return Err(StartExecutionError::ThrottlingException);
            }
            (MachineType::Express, _) => return express::start(&self.shared, &machine, request).await,
            (MachineType::Standard, _) => {}
        }
        let input_hash = hash_of(&[request.input.text().as_bytes()]);
        // A constant that some client sends for every call must not make two requests one.
        let starter_hash = request.starter_key.as_ref().map(|key| hash_of(&[key.as_bytes(), &machine.prefix, &input_hash]));
        let name = match (request.name, &starter_hash) {
            (Some(name), _) => name,
            (None, Some(starter)) => derived_uuid(&[starter]),
            (None, None) => self.shared.entropy.uuid(),
        };
        let inbox = self.shared.inbox(keys::partition_of(&machine.arn(), &name));
        let _waiting = self.admit(&machine.fate.pace, inbox.requests.capacity(), standing)?;
        let (reply, answer) = oneshot::channel();
        let start = Start {
            machine,
            name,
            input: request.input,
            trace_header: request.trace_header,
            parent: request.parent,
            input_hash,
            starter_hash: starter_hash.unwrap_or([0; 32]),
            reply,
        };
        inbox.requests.try_send(Request::Start(Box::new(start))).map_err(|_| StartExecutionError::ThrottlingException)?;
        answer.await.map_err(|_| Fault("the owner is gone".to_owned()))?
    }

    /// Runs an Express execution; answers what became of it.
    pub async fn start_sync_execution(&self, scope: &Scope, request: StartExecution) -> Result<Described, StartSyncExecutionError> {
        let (scope, machine_name) = machine_arn(scope, &request.machine_arn).map_err(StartSyncExecutionError::InvalidArn)?;
        let machine = self
            .shared
            .book
            .machine(scope, machine_name)
            .ok_or_else(|| StartSyncExecutionError::StateMachineDoesNotExist(request.machine_arn.clone()))?;
        if let Some(name) = request.name.as_ref().filter(|name| skald_aws::name::check(name).is_err()) {
            return Err(StartSyncExecutionError::InvalidName(name.clone()));
        }
        match (machine.record.machine_type, machine.record.status) {
            (MachineType::Standard, _) => Err(StartSyncExecutionError::StateMachineTypeNotSupported),
            (MachineType::Express, MachineStatus::Deleting) => Err(StartSyncExecutionError::StateMachineDeleting(request.machine_arn)),
            (MachineType::Express, MachineStatus::Active) if self.shared.is_stopping() || !self.keeps_pace(&machine.fate.pace) => {
                Err(StartSyncExecutionError::ThrottlingException)
            }
            (MachineType::Express, MachineStatus::Active) => express::start_sync(&self.shared, &machine, request).await,
        }
    }

    /// Starts are throttled first.
    fn admit(&self, pace: &Pace, free: usize, standing: Standing) -> Result<WaitingStart, StartExecutionError> {
        let options = &self.shared.options;
        let is_guest = match standing {
            Standing::Child => false,
            Standing::Client => true,
        };
        // Half of the inbox is kept for everything else.
        let is_full = free < options.inbox_commands_max / 2
            || is_guest && self.shared.live_bytes.bytes() >= options.live_bytes_max
            || is_guest && !self.keeps_pace(pace);
        let place = if is_full { None } else { pace.wait(standing, &self.shared.starts_waiting, options.starts_waiting_max) };
        place.ok_or_else(|| {
            self.shared.metrics.starts_throttled.fetch_add(1, Ordering::Relaxed);
            StartExecutionError::ThrottlingException
        })
    }

    /// Takes one start of a machine's pace; whether there was one.
    fn keeps_pace(&self, pace: &Pace) -> bool {
        self.shared.options.starts_per_second_max.is_none_or(|per_second| pace.take(per_second, self.shared.now()))
    }

    /// Answers when it stopped; of an ended execution, when it ended.
    pub async fn stop_execution(
        &self,
        scope: &Scope,
        execution_arn: &str,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<Timestamp, StopExecutionError> {
        let (_, entity) = self.find(scope, execution_arn).await.map_err(|error| match error {
            DescribeExecutionError::InvalidArn(reason) => StopExecutionError::InvalidArn(reason),
            DescribeExecutionError::ExecutionDoesNotExist(arn) => StopExecutionError::ExecutionDoesNotExist(arn),
            DescribeExecutionError::InternalFailure(fault) => StopExecutionError::InternalFailure(fault),
        })?;
        if self.shared.live.get(entity).is_none() {
            let (_, status) = read::stored(&self.shared, entity).await?;
            if let Some(at) = crate::live::stopped_at(&status) {
                return Ok(at);
            }
        }
        match self.ask(entity, Question::Stop { error, cause }).await {
            Ok(Reply::Stopped { at }) => Ok(at),
            Ok(Reply::Done | Reply::TaskClosed | Reply::Task(_) | Reply::Missing) => {
                Err(StopExecutionError::ExecutionDoesNotExist(execution_arn.to_owned()))
            }
            Err(Refused::Full) => Err(StopExecutionError::ThrottlingException),
            Err(Refused::Fault(fault)) => Err(fault.into()),
        }
    }

    pub async fn describe_execution(&self, scope: &Scope, execution_arn: &str) -> Result<Described, DescribeExecutionError> {
        let (_, entity) = self.find(scope, execution_arn).await?;
        let _turn = self.shared.reads.acquire().await;
        read::describe(&self.shared, entity).await
    }

    pub async fn list_executions(
        &self,
        scope: &Scope,
        machine_arn_text: &str,
        status: Option<ExecutionStatus>,
        page: PageRequest,
    ) -> Result<Page<Listed>, ListExecutionsError> {
        let (scope, name) = machine_arn(scope, machine_arn_text).map_err(ListExecutionsError::InvalidArn)?;
        let machine = self
            .shared
            .book
            .machine(scope, name)
            .ok_or_else(|| ListExecutionsError::StateMachineDoesNotExist(machine_arn_text.to_owned()))?;
        if machine.record.machine_type == MachineType::Express {
            return Err(ListExecutionsError::StateMachineTypeNotSupported);
        }
        let _turn = self.shared.reads.acquire().await;
        read::list(&self.shared, &machine, status, &page).await
    }

    /// Shows events one by one until `show` breaks: the one it was given last ends the page. Answers the next page's
    /// cursor, if there are more events.
    pub async fn history(
        &self,
        scope: &Scope,
        request: HistoryRequest,
        show: impl FnMut(&Event) -> ControlFlow<()> + Send,
    ) -> Result<Option<Vec<u8>>, HistoryError> {
        let (_, entity) = self.find(scope, &request.execution_arn).await.map_err(|error| match error {
            DescribeExecutionError::InvalidArn(reason) => HistoryError::InvalidArn(reason),
            DescribeExecutionError::ExecutionDoesNotExist(arn) => HistoryError::ExecutionDoesNotExist(arn),
            DescribeExecutionError::InternalFailure(fault) => HistoryError::InternalFailure(fault),
        })?;
        let _turn = self.shared.histories.acquire().await;
        read::history(&self.shared, entity, &request, show).await
    }

    pub async fn send_task_success(&self, _scope: &Scope, token: &str, output: Payload) -> Result<(), SendTaskError> {
        self.send_task(token, |scheduled, nonce| Question::Token { scheduled, nonce, answer: TaskAnswer::Succeeded { output } }).await
    }

    pub async fn send_task_failure(
        &self,
        _scope: &Scope,
        token: &str,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<(), SendTaskError> {
        self.send_task(token, |scheduled, nonce| Question::Token { scheduled, nonce, answer: TaskAnswer::Failed { error, cause } }).await
    }

    pub async fn send_task_heartbeat(&self, _scope: &Scope, token: &str) -> Result<(), SendTaskError> {
        let at = self.shared.now();
        self.send_task(token, |scheduled, nonce| Question::Heartbeat { scheduled, nonce, at }).await
    }

    async fn send_task(&self, token: &str, question: impl FnOnce(u64, u64) -> Question) -> Result<(), SendTaskError> {
        let token = self.shared.tokens.verify(token).map_err(|invalid| SendTaskError::InvalidToken(invalid.to_string()))?;
        match self.ask(token.entity, question(token.scheduled, token.nonce)).await {
            Ok(Reply::Done) => Ok(()),
            Ok(Reply::TaskClosed) => Err(SendTaskError::TaskTimedOut),
            Ok(Reply::Missing | Reply::Stopped { .. } | Reply::Task(_)) => {
                Err(SendTaskError::TaskDoesNotExist("Provided task does not exist anymore".to_owned()))
            }
            Err(Refused::Full) => Err(SendTaskError::ThrottlingException),
            Err(Refused::Fault(fault)) => Err(fault.into()),
        }
    }

    pub async fn create_activity(
        &self,
        scope: &Scope,
        name: &str,
        encryption: String,
        tags: String,
    ) -> Result<Activity, CreateActivityError> {
        self.shared.book.create_activity(scope, name, encryption, &tags, self.shared.now()).await
    }

    pub async fn describe_activity(&self, scope: &Scope, arn: &str) -> Result<Activity, DescribeActivityError> {
        let scope = activity_arn(scope, arn).map_err(DescribeActivityError::InvalidArn)?;
        self.shared.book.activity_in(scope, arn).ok_or_else(|| DescribeActivityError::ActivityDoesNotExist(arn.to_owned()))
    }

    /// Also of an activity that does not exist.
    pub async fn delete_activity(&self, scope: &Scope, arn: &str) -> Result<(), DescribeActivityError> {
        let scope = activity_arn(scope, arn).map_err(DescribeActivityError::InvalidArn)?;
        if let Some(activity) = self.shared.book.activity_in(scope, arn) {
            self.shared.book.delete_activity(scope, &activity, self.shared.now()).await?;
        }
        Ok(())
    }

    pub async fn list_activities(&self, scope: &Scope, page: PageRequest) -> Result<Page<Activity>, ListError> {
        self.shared.book.list_activities(scope, &page)
    }

    /// Waits up to `patience` for a task; woken at once when one is scheduled.
    pub async fn poll_activity(
        &self,
        scope: &Scope,
        arn: &str,
        worker_name: Option<String>,
        patience: Duration,
    ) -> Result<Option<ActivityTask>, PollActivityError> {
        let scope = activity_arn(scope, arn).map_err(PollActivityError::InvalidArn)?;
        if self.shared.book.activity_in(scope, arn).is_none() {
            return Err(PollActivityError::ActivityDoesNotExist(arn.to_owned()));
        }
        match tokio::time::timeout(patience, self.next_activity_task(arn, worker_name)).await {
            Ok(task) => task.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn next_activity_task(&self, arn: &str, worker_name: Option<String>) -> Result<ActivityTask, PollActivityError> {
        loop {
            let taken = match self.shared.queues.take(self.shared.store.as_ref(), arn).await {
                Ok(Place::Task(taken)) => taken,
                Ok(Place::Line(line)) => {
                    let _waiting = WaitingPoll::of(&self.shared.metrics);
                    match line.await {
                        Ok(taken) => taken,
                        Err(_) => continue,
                    }
                }
                Err(NoPlace::Crowded) => return Err(PollActivityError::ActivityWorkerLimitExceeded),
                Err(NoPlace::Fault(fault)) => return Err(fault.into()),
            };
            let Some((entity, scheduled)) = keys::parse_activity_task(taken.key()) else {
                taken.forget();
                continue;
            };
            match self.ask(entity, Question::Poll { scheduled, worker_name: worker_name.clone() }).await {
                Ok(Reply::Task(Some((token, input)))) => {
                    let (delivery, written) = Delivery::tracked();
                    tokio::spawn(self.clone().deliver(taken, entity, scheduled, written));
                    return Ok(ActivityTask { token, input, delivery });
                }
                Ok(Reply::Task(None) | Reply::Done | Reply::TaskClosed | Reply::Stopped { .. } | Reply::Missing) => taken.forget(),
                // It goes back into its queue; whoever polls next gets it.
                Err(Refused::Full) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(Refused::Fault(fault)) => return Err(fault.into()),
            }
        }
    }

    /// Notes a delivery, or puts the task back for the next poll.
    async fn deliver(self, taken: Taken, entity: EntityId, scheduled: u64, written: oneshot::Receiver<crate::activity::Written>) {
        if written.await.is_ok() {
            let _ = self.shared.inbox(entity.partition()).answers.send(Answer::Delivered { entity, scheduled });
            taken.keep();
        }
    }

    pub(crate) async fn ask(&self, entity: EntityId, question: Question) -> Result<Reply, Refused> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask { entity, question, reply };
        self.shared.inbox(entity.partition()).requests.try_send(Request::Ask(ask)).map_err(|_| Refused::Full)?;
        match answer.await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(fault)) => Err(Refused::Fault(fault)),
            Err(_) => Err(Refused::Fault(Fault("the owner is gone".to_owned()))),
        }
    }

    /// The engine behind what owners share.
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    pub(crate) fn mint(&self, token: Token) -> String {
        self.shared.tokens.mint(token)
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Token, Invalid> {
        self.shared.tokens.verify(token)
    }

    /// Who an execution is and where it stands, as far as that is durable.
    pub(crate) async fn execution(&self, scope: &Scope, execution_arn: &str) -> Result<(Arc<Identity>, Status), DescribeExecutionError> {
        let (_, entity) = self.find(scope, execution_arn).await?;
        match self.shared.live.known(entity) {
            Some(summary) => Ok((Arc::clone(&summary.identity), summary.status.clone())),
            None => Ok(read::stored(&self.shared, entity).await.map(|(identity, status)| (Arc::new(identity), status))?),
        }
    }

    /// The machine and entity of an execution's ARN.
    async fn find(&self, scope: &Scope, execution_arn: &str) -> Result<(Arc<Machined>, EntityId), DescribeExecutionError> {
        let missing = || DescribeExecutionError::ExecutionDoesNotExist(execution_arn.to_owned());
        let (arn, resource) = parse_arn(execution_arn).map_err(DescribeExecutionError::InvalidArn)?;
        let StatesResource::Execution { machine, label: None, name } = resource else {
            return Err(DescribeExecutionError::InvalidArn(wrong_kind(&resource)));
        };
        let scope = scope_of(scope, &arn);
        let machine = self.shared.book.machine_or_departed(scope, machine).ok_or_else(missing)?;
        let entity = read::entity_of(&self.shared, &machine, name).await?.ok_or_else(missing)?;
        Ok((machine, entity))
    }

    /// Removes machines being deleted once their last execution ended.
    async fn finish_deletions(self) {
        let mut interval = tokio::time::interval(self.shared.options.nap_max.max(Duration::from_secs(1)));
        while !self.shared.is_stopping() {
            interval.tick().await;
            for machine in self.shared.book.machines_being_deleted() {
                if let Err(error) = self.finish_deletion(&machine).await {
                    tracing::error!(%error, "a deleted machine cannot be removed yet");
                }
            }
        }
    }

    async fn finish_deletion(&self, machine: &Machined) -> Result<(), Fault> {
        if read::any_open(&self.shared, machine).await? {
            return Ok(());
        }
        self.shared.book.finish_deletion(machine, self.shared.now()).await
    }
}

/// Claims every partition, all at once: a store makes many claims durable with one flush.
async fn claim_all(store: &Arc<dyn Store>) -> Result<Vec<(PartitionId, Epoch)>, skald_store::Error> {
    let mut claims = JoinSet::new();
    for partition in (0..keys::PARTITIONS).map(PartitionId) {
        let store = Arc::clone(store);
        claims.spawn(async move { Ok((partition, store.claim(partition).await?)) });
    }
    claims.join_all().await.into_iter().collect()
}

/// A poll in the line, counted for as long as it waits.
struct WaitingPoll<'m> {
    metrics: &'m Metrics,
}

impl<'m> WaitingPoll<'m> {
    fn of(metrics: &'m Metrics) -> Self {
        metrics.polls_waiting.fetch_add(1, Ordering::Relaxed);
        Self { metrics }
    }
}

impl Drop for WaitingPoll<'_> {
    fn drop(&mut self) {
        self.metrics.polls_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An owner that ends by a panic leaves its partitions to nobody: the process must not pretend to go on.
async fn watch_over(shared: Arc<Shared>, owner: tokio::task::JoinHandle<()>) {
    if let Err(error) = owner.await
        && error.is_panic()
    {
        shared.broken.send_replace(Some(format!("an owner panicked: {error}")));
    }
}

/// The store's ring of token keys; made with the store.
async fn open_key_ring(store: &Arc<dyn Store>, secret: [u8; 32], now: Timestamp) -> Result<KeyRing, OpenError> {
    if let Some(bytes) = store.get(Table::Meta, keys::TOKEN_KEYS).await? {
        return KeyRing::from_bytes(&bytes).ok_or_else(|| OpenError::Unreadable("the ring of token keys".to_owned()));
    }
    let ring = KeyRing::of(secret);
    let epoch = store.claim(keys::CATALOG_PARTITION).await?;
    let change = Change { table: Table::Meta, key: keys::TOKEN_KEYS.into(), operation: Operation::PutIfAbsent(ring.to_bytes().into()) };
    let (entries, changes) = (Vec::new(), vec![change]);
    store.append(Batch { partition: keys::CATALOG_PARTITION, epoch, urgency: Urgency::Start, at: now.millis, entries, changes }).await?;
    Ok(ring)
}

fn parse_arn(text: &str) -> Result<(Arn<'_>, StatesResource<'_>), String> {
    let arn = Arn::parse(text).map_err(|error| error.to_string())?;
    let resource = arn.states_resource().map_err(|error| error.to_string())?;
    Ok((arn, resource))
}

/// Where to look for what an ARN names: the caller's own scope, or, for another account's or region's, nowhere.
fn scope_of<'c>(caller: &'c Scope, arn: &Arn<'_>) -> &'c Scope {
    static NOWHERE: Scope = Scope { partition: String::new(), account: String::new(), region: String::new() };
    let is_own = arn.partition == caller.partition && arn.account == caller.account && arn.region == caller.region;
    if is_own { caller } else { &NOWHERE }
}

fn wrong_kind(resource: &StatesResource<'_>) -> String {
    ArnError::ResourceType { kind: resource.kind().to_owned() }.to_string()
}

/// Scope and name of an unqualified machine ARN.
fn machine_arn<'a>(caller: &'a Scope, text: &'a str) -> Result<(&'a Scope, &'a str), String> {
    let (arn, resource) = parse_arn(text)?;
    match resource {
        StatesResource::StateMachine { name } => Ok((scope_of(caller, &arn), name)),
        other => Err(wrong_kind(&other)),
    }
}

fn activity_arn<'c>(caller: &'c Scope, text: &str) -> Result<&'c Scope, String> {
    let (arn, resource) = parse_arn(text)?;
    match resource {
        StatesResource::Activity { .. } => Ok(scope_of(caller, &arn)),
        other => Err(wrong_kind(&other)),
    }
}
