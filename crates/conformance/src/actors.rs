//! People, clients and workers outside: they outlive a crash, and try again until they are told something.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use skald_engine::execution::{ExecutionStatus, HistoryRequest, NewestFirst, StartExecution};
use skald_engine::token::Token;
use skald_engine::{Engine, SendTaskError, StartExecutionError, StopExecutionError};
use skald_interpreter::Event;
use skald_query::Payload;
use tokio::task::JoinSet;

use crate::script::{Answer, Deed, Step, Worker};
use crate::simulation::{EXECUTION, MACHINE_ARN, execution_arn, scope};
use crate::world::{BEGINNING_MS, World};

/// Events a page of history.
const PAGE_EVENTS: usize = 7_000;

/// How long someone waits before asking a server again that is busy or away.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an activity worker's poll waits. SOURCE: limits.md, GetActivityTask.
const POLL: Duration = Duration::from_secs(60);

/// A token that someone holds, and what they will do with it.
#[derive(Debug, Clone)]
pub(crate) struct HeldToken {
    text: String,
    key: String,
    token: Token,
    /// From when on its steps count.
    from_ms: i64,
    steps: Vec<Step>,
    done: usize,
}

impl HeldToken {
    /// What the script says about the token of a task in this state.
    pub(crate) fn new(text: String, state: String, token: Token, world: &World) -> Self {
        let from_ms = world.event_time(token.entity, token.scheduled).unwrap_or_else(|| world.now_ms());
        Self { text, key: state, token, from_ms, steps: Vec::new(), done: 0 }
    }
}

/// Someone has a token now. Whoever had it before keeps it.
pub(crate) fn hold_token(world: &Arc<World>, mut held: HeldToken) {
    let index = {
        let mut memory = world.memory();
        if memory.tokens.iter().any(|known| known.text == held.text) {
            return;
        }
        let number = memory.tokens.iter().filter(|known| known.key == held.key && known.token.entity == held.token.entity).count() + 1;
        if held.steps.is_empty() {
            let mine = |key: &crate::script::TokenKey| key.state == held.key && key.number.is_none_or(|wanted| wanted == number);
            held.steps = world.script.tokens.iter().filter(|(key, _)| mine(key)).map(|(_, step)| step.clone()).collect();
        }
        memory.tokens.push(held);
        memory.tokens.len() - 1
    };
    world.token_holders.lock().expect("no panic").spawn(send_by_token(Arc::clone(world), index));
}

/// Everyone who has something to do in this life.
pub(crate) fn begin(world: &Arc<World>, engine: &Engine) -> JoinSet<()> {
    let mut actors = JoinSet::new();
    let tokens = world.memory().tokens.len();
    let mut token_holders = JoinSet::new();
    for index in 0..tokens {
        token_holders.spawn(send_by_token(Arc::clone(world), index));
    }
    *world.token_holders.lock().expect("no panic") = token_holders;
    for index in 0..world.script.acts.len() {
        actors.spawn(act(Arc::clone(world), engine.clone(), index));
    }
    let mut activities: Vec<&String> = world.script.workers.iter().map(|(name, _)| name).collect();
    activities.dedup();
    for name in activities {
        actors.spawn(work(Arc::clone(world), engine.clone(), name.clone()));
    }
    for number in 0..world.script.executions {
        actors.spawn(start(Arc::clone(world), engine.clone(), number));
    }
    actors
}

/// Whether everyone is done.
pub(crate) fn all_done(world: &World) -> bool {
    let memory = world.memory();
    memory.acts_done.len() == world.script.acts.len()
        && memory.started.len() == world.script.executions as usize
        && memory.tokens.iter().all(|held| held.done == held.steps.len())
}

async fn start(world: Arc<World>, engine: Engine, number: u32) {
    if world.memory().started.contains(&number) {
        return;
    }
    let name = execution_name(number);
    loop {
        let request = StartExecution {
            machine_arn: MACHINE_ARN.to_owned(),
            name: Some(name.clone()),
            input: world.settings.input.clone(),
            trace_header: None,
            parent: None,
            starter_key: None,
        };
        let arn = execution_arn(&name);
        let durable_before = world.ledger().by_arn(&arn).is_some();
        match engine.start_execution(&scope(), request).await {
            Ok(started) => {
                if started.execution_arn != arn || world.ledger().by_arn(&arn).is_none() {
                    world.violation(format!("{arn}: the start was answered before it was durable"));
                }
                break;
            }
            Err(StartExecutionError::ExecutionAlreadyExists(_)) if durable_before => break,
            Err(StartExecutionError::ThrottlingException | StartExecutionError::InternalFailure(_)) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                world.violation(format!("{arn}: the start was refused: {error}"));
                break;
            }
        }
    }
    world.memory().started.insert(number);
    world.changed.notify_waiters();
}

/// The name of the execution of this number.
pub(crate) fn execution_name(number: u32) -> String {
    if number == 0 { EXECUTION.to_owned() } else { format!("{EXECUTION}-{number}") }
}

async fn act(world: Arc<World>, engine: Engine, index: usize) {
    if world.memory().acts_done.contains(&index) {
        return;
    }
    let act = world.script.acts[index].clone();
    world.sleep_until(BEGINNING_MS + act.after_ms).await;
    let reply = loop {
        match deed(&world, &engine, &act.deed).await {
            Some(reply) => break reply,
            None => tokio::time::sleep(PAUSE).await,
        }
    };
    let mut memory = world.memory();
    memory.acts_done.insert(index);
    memory.replies.extend(reply);
    drop(memory);
    world.changed.notify_waiters();
}

/// Does it; none when it is to be tried again.
async fn deed(world: &World, engine: &Engine, deed: &Deed) -> Option<Option<String>> {
    let arn = execution_arn(EXECUTION);
    match deed {
        Deed::Stop { error, cause } => match engine.stop_execution(&scope(), &arn, error.clone(), cause.clone()).await {
            Ok(at) => {
                let closed = world.ledger().by_arn(&arn).is_some_and(|journal| journal.execution.is_closed());
                if !closed {
                    world.violation(format!("{arn}: a stop was answered before it was durable"));
                }
                let described = engine.describe_execution(&scope(), &arn).await.ok()?;
                if described.listed.stopped_at != Some(at) {
                    world.violation(format!("{arn}: the stop was answered with {at:?}, and it ended at {:?}", described.listed.stopped_at));
                }
                Some(Some(format!("stop: {}", described.listed.status.as_str())))
            }
            Err(StopExecutionError::ThrottlingException | StopExecutionError::InternalFailure(_)) => None,
            Err(StopExecutionError::ExecutionDoesNotExist(_)) if world.memory().started.is_empty() => None,
            Err(error) => Some(Some(format!("stop: {error}"))),
        },
        Deed::StartAgain { input } => {
            let request = StartExecution {
                machine_arn: MACHINE_ARN.to_owned(),
                name: Some(EXECUTION.to_owned()),
                input: input.clone().unwrap_or_else(|| world.settings.input.clone()),
                trace_header: None,
                parent: None,
                starter_key: None,
            };
            match engine.start_execution(&scope(), request).await {
                Ok(_) => Some(Some("start again: the same execution".to_owned())),
                Err(StartExecutionError::ThrottlingException | StartExecutionError::InternalFailure(_)) => None,
                Err(error) => Some(Some(format!("start again: {}", <&str>::from(&error)))),
            }
        }
        Deed::StepClock { by_ms } => {
            world.clock_step_ms.fetch_add(*by_ms, Ordering::Relaxed);
            Some(None)
        }
        Deed::DeleteMachine => match engine.delete_machine(&scope(), MACHINE_ARN).await {
            Ok(()) => Some(None),
            Err(_) => None,
        },
        Deed::DeleteActivity { name } => match engine.delete_activity(&scope(), &crate::simulation::activity_arn(name)).await {
            Ok(()) => Some(None),
            Err(_) => None,
        },
    }
}

async fn send_by_token(world: Arc<World>, index: usize) {
    loop {
        let (held, step) = {
            let memory = world.memory();
            let held = memory.tokens[index].clone();
            let Some(step) = held.steps.get(held.done).cloned() else { return };
            (held, step)
        };
        world.sleep_until(held.from_ms + step.after_ms).await;
        let Some(engine) = world.engine() else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let sent = match &step.answer {
            Answer::Ok(output) => engine.send_task_success(&scope(), &held.text, output.clone()).await,
            Answer::Echo => engine.send_task_success(&scope(), &held.text, Payload::empty_object()).await,
            Answer::Fail { error, cause } => engine.send_task_failure(&scope(), &held.text, error.clone(), cause.clone()).await,
            Answer::Beat => engine.send_task_heartbeat(&scope(), &held.text).await,
            Answer::Never => Ok(()),
        };
        let reply = match sent {
            Ok(()) => {
                let ends = matches!(step.answer, Answer::Ok(_) | Answer::Echo | Answer::Fail { .. });
                if ends && is_open(&world, held.token) {
                    world.violation(format!(
                        "the answer by the token of event {} was acknowledged before it was durable",
                        held.token.scheduled
                    ));
                }
                "accepted".to_owned()
            }
            Err(SendTaskError::ThrottlingException | SendTaskError::InternalFailure(_)) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => <&str>::from(&error).to_owned(),
        };
        let mut memory = world.memory();
        // A crash may have hidden an earlier acknowledgement: the second try finds the task closed.
        if memory.tokens[index].done == held.done {
            memory.tokens[index].done += 1;
            let deed = match step.answer {
                Answer::Ok(_) | Answer::Echo => "success",
                Answer::Fail { .. } => "failure",
                Answer::Beat => "heartbeat",
                Answer::Never => "nothing",
            };
            memory.replies.push(format!("{} {deed}: {reply}", held.key));
        }
        drop(memory);
        world.changed.notify_waiters();
    }
}

fn is_open(world: &World, token: Token) -> bool {
    use skald_interpreter::execution::TokenState;
    let ledger = world.ledger();
    ledger.journal(token.entity).is_some_and(|journal| match journal.execution.token_state(token.scheduled, token.nonce) {
        TokenState::Open => true,
        TokenState::Closed => false,
    })
}

/// A worker polls for ever, and does with each task what the script says next.
async fn work(world: Arc<World>, engine: Engine, name: String) {
    let arn = crate::simulation::activity_arn(&name);
    let behaviours: Vec<Worker> = world.script.workers.iter().filter(|(of, _)| *of == name).map(|(_, worker)| worker.clone()).collect();
    loop {
        let task = match engine.poll_activity(&scope(), &arn, world.script.worker_name.clone(), POLL).await {
            Ok(Some(task)) => task,
            Ok(None) => continue,
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(token) = World::read_token(&task.token) else {
            world.violation(format!("{name}: the polled token is not one"));
            continue;
        };
        let offered = world.ledger().journal(token.entity).is_some_and(|journal| journal.outstanding(token.scheduled).is_some());
        if !offered {
            world.violation(format!("{name}: a task was handed out that no durable record offers: event {}", token.scheduled));
        }
        let behaviour = {
            let mut memory = world.memory();
            let used = memory.offers.entry(name.clone()).or_default();
            let behaviour = behaviours[(*used).min(behaviours.len() - 1)].clone();
            *used += 1;
            behaviour
        };
        match behaviour {
            Worker::Vanish => drop(task.delivery),
            Worker::Lost => task.delivery.written(),
            Worker::Answers(step) => {
                task.delivery.written();
                let from_ms = world.now_ms();
                let mut steps: Vec<Step> = world
                    .script
                    .tokens
                    .iter()
                    .filter(|(key, _)| key.state == name && key.number.is_none())
                    .map(|(_, step)| step.clone())
                    .collect();
                steps.push(step);
                steps.retain(|step| step.answer != Answer::Never);
                hold_token(&world, HeldToken { text: task.token, key: name.clone(), token, from_ms, steps, done: 0 });
            }
        }
    }
}

/// What readers see at the end must be what is durable.
pub(crate) async fn check_reads(world: &World, engine: &Engine) {
    let journals: Vec<(String, Vec<u64>, ExecutionStatus)> = world
        .ledger()
        .journals()
        .map(|(_, journal)| (journal.arn.clone(), journal.events().map(|event| event.id).collect(), status_of(&journal.execution)))
        .collect();
    for (arn, ids, status) in &journals {
        match engine.describe_execution(&scope(), arn).await {
            Ok(described) if described.listed.status == *status => {}
            Ok(described) => world.violation(format!("{arn}: is described as {:?} and is {status:?}", described.listed.status)),
            Err(error) => world.violation(format!("{arn}: cannot be described: {error}")),
        }
        for newest_first in [NewestFirst::No, NewestFirst::Yes] {
            let mut read = Vec::new();
            let mut cursor = None;
            loop {
                let request = HistoryRequest { execution_arn: arn.clone(), newest_first, cursor };
                let mut left = PAGE_EVENTS;
                let look = |event: &Event| {
                    read.push(event.id);
                    left -= 1;
                    if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                match engine.history(&scope(), request, look).await {
                    Ok(next) => cursor = next,
                    Err(error) => {
                        world.violation(format!("{arn}: its history cannot be read: {error}"));
                        break;
                    }
                }
                if cursor.is_none() {
                    break;
                }
            }
            if newest_first == NewestFirst::Yes {
                read.reverse();
            }
            if read != *ids {
                world.violation(format!("{arn}: {} events are durable, {} are read", ids.len(), read.len()));
            }
        }
    }
    for status in [None, Some(ExecutionStatus::Running)] {
        let page = skald_engine::page::PageRequest { limit: 1_000, cursor: None };
        let of_machine = journals.iter().filter(|(arn, ..)| arn.starts_with(&execution_arn("")));
        let expected = of_machine.filter(|(.., of)| status.is_none_or(|status| status == *of)).count();
        match engine.list_executions(&scope(), MACHINE_ARN, status, page).await {
            Ok(page) if page.items.len() == expected => {}
            Ok(page) => world.violation(format!("{} executions are listed as {status:?}, {expected} are there", page.items.len())),
            Err(skald_engine::ListExecutionsError::StateMachineDoesNotExist(_)) if deletes_machine(world) => {}
            Err(error) => world.violation(format!("the executions cannot be listed: {error}")),
        }
    }
}

fn deletes_machine(world: &World) -> bool {
    world.script.acts.iter().any(|act| matches!(act.deed, Deed::DeleteMachine))
}

fn status_of(execution: &skald_interpreter::Execution) -> ExecutionStatus {
    use skald_interpreter::Status;
    match execution.status() {
        Status::Unborn | Status::Running => ExecutionStatus::Running,
        Status::Succeeded { .. } => ExecutionStatus::Succeeded,
        Status::Failed { .. } => ExecutionStatus::Failed,
        Status::TimedOut { .. } => ExecutionStatus::TimedOut,
        Status::Aborted { .. } => ExecutionStatus::Aborted,
    }
}
