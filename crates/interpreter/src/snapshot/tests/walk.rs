//! Random walks: executions as they come about, woken from their snapshots after each step and each record.

use skald_query::{Budget, Payload};

use super::*;
use crate::event::EventId;
use crate::frame::Frame;
use crate::note::{Origin, Parent, ReportForm};
use crate::{Command, Context, Effect, Record, TaskAnswer, World};

const WALKS: std::ops::Range<u64> = 0..60;
const STEPS_MAX: usize = 150;

/// Parallel in Map, tasks of every kind, retries, catches, time-outs, heartbeats.
const MACHINE: &str = r#"{ "StartAt": "Each", "TimeoutSeconds": 200, "States": {
    "Each": { "Type": "Map", "MaxConcurrency": 2, "Next": "Done",
        "Retry": [{ "ErrorEquals": ["Map"], "IntervalSeconds": 5, "MaxAttempts": 2 }],
        "Catch": [
            { "ErrorEquals": ["Other"], "Next": "Done" },
            { "ErrorEquals": ["States.ALL"], "ResultPath": "$.caught", "Next": "Undo" }],
        "ItemsPath": "$.items",
        "ItemProcessor": { "StartAt": "Look", "States": {
            "Look": { "Type": "Choice", "Choices": [{ "Variable": "$", "NumericGreaterThan": 3, "Next": "Skip" }],
                "Assign": { "item.$": "$", "of": { "a": ["map"] } }, "Default": "All" },
            "Skip": { "Type": "Succeed" },
            "All": { "Type": "Parallel", "End": true,
                "Retry": [{ "ErrorEquals": ["Branch"], "IntervalSeconds": 7, "BackoffRate": 1.5 }],
                "Branches": [
                    { "StartAt": "Hold", "States": {
                        "Hold": { "Type": "Wait", "Seconds": 30, "Next": "Call" },
                        "Call": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "TimeoutSeconds": 60,
                            "Retry": [{ "ErrorEquals": ["Never"] }, { "ErrorEquals": ["Task"], "IntervalSeconds": 2 }], "End": true } } },
                    { "StartAt": "Person", "States": {
                        "Person": { "Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:known",
                            "TimeoutSeconds": 90, "HeartbeatSeconds": 60, "ResultPath": null, "End": true } } },
                    { "StartAt": "Job", "States": {
                        "Job": { "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync",
                            "Parameters": { "JobName": "j" }, "TimeoutSeconds": 50, "End": true } } },
                    { "StartAt": "Ask", "States": {
                        "Ask": { "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                            "Parameters": { "QueueUrl": "q", "MessageBody": { "token.$": "$$.Task.Token" } }, "End": true } } }
                ] } } } },
    "Undo": { "Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem",
        "Credentials": { "RoleArn": "arn:aws:iam::210987654321:role/r" },
        "Parameters": { "TableName": "t", "Item": {} }, "Next": "Failed" },
    "Failed": { "Type": "Fail", "Error": "Undone" },
    "Done": { "Type": "Succeed" } } }"#;

struct Anywhere;

impl World for Anywhere {
    fn mint_token(&self, scheduled: EventId, nonce: u64) -> String {
        format!("token-{scheduled}-{nonce}")
    }

    fn activity_exists(&self, _: &str) -> bool {
        true
    }
}

/// An execution, its journal, and dice that say what happens to it.
pub(super) struct Walk {
    execution: Execution,
    pub(super) records: Vec<Record>,
    now: Timestamp,
    dice: Dice,
}

pub(super) fn machine() -> Arc<Definition> {
    definition(MACHINE)
}

impl Walk {
    /// Walks until the execution owes nothing, or far enough. Each decision is also made by what its snapshot woke.
    pub(super) fn of(definition: &Arc<Definition>, seed: u64) -> Self {
        let mut walk = Self {
            execution: Execution::unborn(Arc::clone(definition)),
            records: Vec::new(),
            now: Timestamp::from_millis(1_700_000_000_000),
            dice: Dice::seeded(seed),
        };
        let origin = Origin {
            partition: "aws".to_owned(),
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            machine_name: "machine".to_owned(),
            machine_incarnation: 1,
            revision: 2,
            execution_name: format!("walk-{seed}"),
            role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
            trace_header: None,
            parent: (seed % 3 == 1).then(|| Parent { token: "a token".to_owned(), form: ReportForm::Text }),
            express_id: None,
        };
        let input = Payload::parse(r#"{"items":[1,2,7,3]}"#).expect("JSON");
        walk.command(Command::Start { origin: Arc::new(origin), input });
        for _ in 0..STEPS_MAX {
            if walk.execution.is_settled() {
                break;
            }
            let command = walk.next_command();
            walk.command(command);
        }
        walk
    }

    fn command(&mut self, command: Command) {
        let seed = self.dice.roll();
        let context = || Context {
            now: self.now,
            dice: Dice::seeded(seed),
            world: &Anywhere,
            budget: Budget::of_steps(1_000_000),
            cancel: None,
            machine_deleted: false,
        };
        let mut woken = again(&self.execution);
        assert_eq!(woken, self.execution);
        assert_eq!(woken.outstanding(), self.execution.outstanding());
        let records = self.execution.advance(command.clone(), &mut context());
        assert_eq!(woken.advance(command, &mut context()), records);
        assert_eq!(woken, self.execution);
        self.records.extend(records);
    }

    fn next_command(&mut self) -> Command {
        if self.execution.is_ready() && self.chance(2) {
            return Command::Continue;
        }
        if self.chance(60) {
            return Command::Stop { error: Some("Stopped".to_owned()), cause: None };
        }
        let running: Vec<(EventId, u64)> =
            self.execution.frames().values().filter_map(Frame::task).map(|task| (task.scheduled, task.plan.nonce)).collect();
        let effects = self.execution.outstanding();
        match self.dice.roll() % 3 {
            0 if !effects.is_empty() => match &effects[self.below(effects.len())] {
                Effect::Call { scheduled, .. } => Command::CallAnswered { scheduled: *scheduled, answer: self.answer() },
                Effect::Offer { scheduled, started: false, .. } => {
                    Command::ActivityStarted { scheduled: *scheduled, worker_name: Some("worker".to_owned()) }
                }
                Effect::Offer { scheduled, started: true, .. } => Command::Delivered { scheduled: *scheduled },
                Effect::Follow { scheduled, .. } => Command::JobEnded { scheduled: *scheduled, answer: self.answer() },
                Effect::Cancel { scheduled, .. } | Effect::Report { ended: scheduled, .. } => Command::Settled { scheduled: *scheduled },
            },
            1 if !running.is_empty() => {
                let (scheduled, nonce) = running[self.below(running.len())];
                if self.chance(10) {
                    Command::HeartbeatMissed { scheduled }
                } else {
                    Command::TokenAnswered { scheduled, nonce, answer: self.answer() }
                }
            }
            _ => {
                self.now = self.now.plus_seconds(self.dice.roll() % 40);
                Command::Tick
            }
        }
    }

    fn answer(&mut self) -> TaskAnswer {
        let errors = ["Task", "Branch", "Map", "Other"];
        match self.below(14) {
            failed if failed < errors.len() => TaskAnswer::Failed { error: Some(errors[failed].to_owned()), cause: None },
            succeeded => TaskAnswer::Succeeded { output: Payload::from_value(serde_json::json!({ "answer": succeeded })) },
        }
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.dice.roll().is_multiple_of(one_in)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.dice.roll() % end as u64).expect("smaller than a usize")
    }
}

#[test]
fn what_a_snapshot_wakes_goes_on_as_if_it_had_never_slept() {
    let definition = machine();
    for seed in WALKS {
        let walk = Walk::of(&definition, seed);
        let mut folded = Execution::unborn(Arc::clone(&definition));
        for record in &walk.records {
            let mut woken = again(&folded);
            folded.apply(record);
            woken.apply(record);
            assert_eq!(woken, folded, "seed {seed}");
        }
        assert_eq!(folded, walk.execution, "seed {seed}");
    }
}
