//! A machine in virtual time: tasks are answered at once, timers are due at once, and every journal is read back.

use std::sync::Arc;

use skald_asl::parse::{self, Options};
use skald_interpreter::note::Origin;
use skald_interpreter::{Command, Context, Dice, Effect, EventId, Execution, Record, TaskAnswer, Timestamp, World, journal, snapshot};
use skald_query::{Budget, Payload};

/// Commands an execution may get: it need not end.
const COMMANDS_MAX: usize = 12;
/// What expressions may take in one command: a tenth of what the engine gives, for instrumented code.
const STEPS_PER_COMMAND_MAX: u64 = 500_000;

struct Anywhere;

impl World for Anywhere {
    fn mint_token(&self, scheduled: EventId, nonce: u64) -> String {
        format!("token-{scheduled}-{nonce}")
    }

    fn activity_exists(&self, _arn: &str) -> bool {
        true
    }
}

/// Runs what `definition` describes, if it is one.
///
/// # Panics
/// When a journal or snapshot does not read back, or does not rebuild the execution.
pub fn run(definition: &str, input: &Payload, answer: &Payload) {
    let Ok(parsed) = parse::parse(definition, &Options::default()) else { return };
    let definition = Arc::new(parsed.definition);
    let mut execution = Execution::unborn(Arc::clone(&definition));
    let mut rebuilt = Execution::unborn(Arc::clone(&definition));
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let mut command = Command::Start { origin: Box::new(Origin::default()), input: input.clone() };
    for seed in 0..COMMANDS_MAX as u64 {
        let mut context = Context {
            now,
            dice: Dice::seeded(seed),
            world: &Anywhere,
            budget: Budget::of_steps(STEPS_PER_COMMAND_MAX),
            cancel: None,
            machine_deleted: false,
        };
        let records = execution.advance(command, &mut context);
        fold(&records, &mut rebuilt);
        assert!(rebuilt == execution, "the journal rebuilds another execution");
        let read = snapshot::decode(&snapshot::encode(&execution), Arc::clone(&definition)).expect("a snapshot reads back");
        assert!(read == execution, "the snapshot holds another execution");
        let Some(next) = next_command(&execution, &mut now, answer, seed) else { return };
        command = next;
    }
}

fn fold(records: &[Record], execution: &mut Execution) {
    let bytes = journal::encode(records);
    let read = journal::decode(&bytes, u32::try_from(records.len()).expect("few records")).expect("a chunk reads back");
    assert!(read == records, "a chunk reads back as other records");
    for record in &read {
        execution.apply(record);
    }
}

fn next_command(execution: &Execution, now: &mut Timestamp, answer: &Payload, seed: u64) -> Option<Command> {
    if execution.is_ready() {
        return Some(Command::Continue);
    }
    let succeeded = TaskAnswer::Succeeded { output: answer.clone() };
    let failed = TaskAnswer::Failed { error: Some("Other".to_owned()), cause: Some(answer.text().to_owned()) };
    let answer = if seed % 3 == 2 { failed } else { succeeded };
    match execution.outstanding().into_iter().next() {
        Some(Effect::Call { scheduled, .. }) => Some(Command::CallAnswered { scheduled, answer }),
        Some(Effect::Follow { scheduled, .. }) => Some(Command::JobEnded { scheduled, answer }),
        Some(Effect::Offer { scheduled, nonce, .. }) => Some(Command::TokenAnswered { scheduled, nonce, answer }),
        Some(Effect::Cancel { scheduled, .. } | Effect::Report { ended: scheduled, .. }) => Some(Command::Settled { scheduled }),
        None => {
            *now = execution.next_due()?;
            Some(Command::Tick)
        }
    }
}
