//! Each `##` heading in `data/hostile.md` is a test: what asks for too much ends, with the right error or a result.
//!
//! No time is asserted, since counted limits decide; but run them and look: none may take more than 2 s of CPU time or
//! 256 MiB in a release build.

use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::json;
use skald_asl::parse::{self, Options};
use skald_interpreter::note::Origin;
use skald_interpreter::{Command, Context, Dice, Effect, EventId, Execution, Status, TaskAnswer, Timestamp, World};
use skald_query::{Budget, Payload};

/// As the engine gives it.
const SLICE_STEPS_MAX: u64 = 5_000_000;
/// As the server gives its threads: documents nest up to 1,000 levels, and unoptimised code takes kilobytes for each.
const THREAD_STACK_BYTES: usize = 16 << 20;
/// More than any of these machines needs before it ends.
const COMMANDS_MAX: usize = 30_000;
/// As much of an outcome as pages show.
const SHOWN_CHARACTERS_MAX: usize = 200;
/// As much of a cause as pages show.
const CAUSE_CHARACTERS_MAX: usize = 120;

struct Case {
    title: String,
    /// What the block of the machine is called, and what it holds.
    machine: (String, String),
    input: String,
    expected: String,
}

fn main() {
    let cases = read_page(include_str!("data/hostile.md"));
    let trials = cases.into_iter().map(|case| {
        Trial::test(case.title.clone(), move || {
            let checking = std::thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn(move || check(&case))?;
            checking.join().map_err(|_| "the case panicked")?
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn check(case: &Case) -> Result<(), Failed> {
    let (kind, body) = &case.machine;
    let body = repeated(body);
    let machine = match kind.as_str() {
        "jsonata" => pass(&json!({"QueryLanguage": "JSONata", "Output": format!("{{%{body}%}}")})),
        "jsonpath" | "intrinsic" => pass(&json!({"Parameters": {"x.$": body}})),
        _ => body,
    };
    let outcome: String = run(&machine, &repeated(&case.input)).chars().take(SHOWN_CHARACTERS_MAX).collect();
    if outcome != case.expected {
        return Err(format!("expected: {}\n    came: {outcome}", case.expected).into());
    }
    Ok(())
}

fn run(machine: &str, input: &str) -> String {
    let parsed = match parse::parse(machine, &Options::default()) {
        Ok(parsed) => parsed,
        Err(findings) => return format!("refused {}: {}", findings[0].code.as_str(), findings[0].message),
    };
    let input = match Payload::parse(input) {
        Ok(input) => input,
        Err(error) => return format!("refused input: {error}"),
    };
    let mut execution = Execution::unborn(Arc::new(parsed.definition));
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let mut command = Command::Start { origin: Arc::new(Origin::default()), input };
    for seed in 0..COMMANDS_MAX as u64 {
        let budget = Budget::of_steps(SLICE_STEPS_MAX);
        let mut context = Context { now, dice: Dice::seeded(seed), world: &Nowhere, budget, cancel: None, machine_deleted: false };
        execution.advance(command, &mut context);
        match next_command(&execution, &mut now) {
            Some(next) => command = next,
            None => return outcome(&execution),
        }
    }
    "endless".to_owned()
}

/// Every task fails, every timer is due.
fn next_command(execution: &Execution, now: &mut Timestamp) -> Option<Command> {
    if execution.is_ready() {
        return Some(Command::Continue);
    }
    if let Some(Effect::Call { scheduled, .. }) = execution.outstanding().into_iter().next() {
        let answer = TaskAnswer::Failed { error: Some("Boom".to_owned()), cause: None };
        return Some(Command::CallAnswered { scheduled, answer });
    }
    *now = execution.next_due()?;
    Some(Command::Tick)
}

fn outcome(execution: &Execution) -> String {
    match execution.status() {
        Status::Succeeded { output, .. } if output.byte_count() > SHOWN_CHARACTERS_MAX => {
            format!("SUCCEEDED with {} bytes", output.byte_count())
        }
        Status::Succeeded { output, .. } => format!("SUCCEEDED {}", output.text()),
        Status::Failed { error, cause, .. } => {
            format!("FAILED {}: {}", error.as_deref().unwrap_or_default(), end_of(cause.as_deref().unwrap_or_default()))
        }
        other => format!("{other:?}"),
    }
}

/// A cause repeats the expression; what went wrong stands at its end.
fn end_of(cause: &str) -> String {
    let characters = cause.chars().count();
    let skipped = characters.saturating_sub(CAUSE_CHARACTERS_MAX);
    let start = if skipped == 0 { "" } else { "…" };
    format!("{start}{}", cause.chars().skip(skipped).collect::<String>())
}

struct Nowhere;

impl World for Nowhere {
    fn mint_token(&self, _scheduled: EventId, _nonce: u64) -> String {
        String::new()
    }

    fn activity_exists(&self, _arn: &str) -> bool {
        false
    }
}

/// The cases of a page: its blocks are a machine, or one expression of it, and perhaps an input and an outcome.
fn read_page(page: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            cases.push(Case { title: title.to_owned(), machine: <_>::default(), input: "{}".to_owned(), expected: String::new() });
        } else if let Some(kind) = line.strip_prefix("```") {
            let case = cases.last_mut().expect("a block stands below a heading");
            let body = lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
            match kind {
                "json input" => case.input = body,
                "text" => case.expected = body,
                "json" | "jsonata" | "jsonpath" | "intrinsic" => case.machine = (kind.to_owned(), body),
                other => panic!("no block is called {other}"),
            }
        }
    }
    cases
}

fn pass(fields: &serde_json::Value) -> String {
    let mut state = json!({"Type": "Pass", "End": true});
    let members = state.as_object_mut().expect("an object");
    members.extend(fields.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    json!({"StartAt": "S", "States": {"S": state}}).to_string()
}

/// `⟦3×a№,⟧` is `a0,a1,a2,`. They nest; `№` counts the innermost.
fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once('⟦') else { return text.to_owned() };
    let mut depth = 1;
    let end = rest.char_indices().find(|(_, character)| {
        depth += match character {
            '⟦' => 1,
            '⟧' => -1,
            _ => 0,
        };
        depth == 0
    });
    let (inside, after) = rest.split_at(end.expect("every ⟦ has its ⟧").0);
    let (count, inside) = inside.split_once('×').expect("a count stands before ×");
    let inside = repeated(inside);
    let mut whole = before.to_owned();
    for index in 0..count.parse::<usize>().expect("the count is a number") {
        match inside.contains('№') {
            true => whole.push_str(&inside.replace('№', &index.to_string())),
            false => whole.push_str(&inside),
        }
    }
    whole.push_str(&repeated(&after['⟧'.len_utf8()..]));
    whole
}
