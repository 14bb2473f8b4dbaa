//! Deciding and folding as the engine uses them, without an engine.

use std::sync::Arc;

use skald_asl::parse::{self, MachineType};
use skald_query::{Budget, Payload};

use crate::event::{Event, EventId, FrameId};
use crate::execution::{EVENTS_MAX, TokenState};
use crate::frame::Frame;
use crate::note::Origin;
use crate::{Command, Context, Dice, Effect, EventKind, Execution, Record, Status, TaskAnswer, Timestamp, World, history};

struct Anywhere;

impl World for Anywhere {
    fn mint_token(&self, scheduled: EventId, nonce: u64) -> String {
        format!("token-{scheduled}-{nonce}")
    }

    fn activity_exists(&self, arn: &str) -> bool {
        arn.ends_with(":known")
    }
}

/// An execution, its journal, and a clock that only tests move.
struct Run {
    execution: Execution,
    records: Vec<Record>,
    now: Timestamp,
    dice: Dice,
}

impl Run {
    fn started(definition: &str, input: &str) -> Self {
        let options = parse::Options { machine_type: MachineType::Standard };
        let definition = parse::parse(definition, &options).expect("the definition is right").definition;
        let mut run = Self {
            execution: Execution::unborn(Arc::new(definition)),
            records: Vec::new(),
            now: Timestamp::from_millis(1_700_000_000_000),
            dice: Dice::seeded(7),
        };
        let origin = Origin {
            partition: "aws".to_owned(),
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            machine_name: "machine".to_owned(),
            machine_incarnation: 1,
            revision: 2,
            execution_name: "run".to_owned(),
            role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
            trace_header: None,
            parent: None,
            express_id: None,
        };
        run.command(Command::Start { origin: Arc::new(origin), input: Payload::parse(input).expect("JSON") });
        run
    }

    /// Decides twice: once without touching the execution, once folding; both must say the same.
    fn command(&mut self, command: Command) -> usize {
        let seed = self.dice.roll();
        let context = || Context {
            now: self.now,
            dice: Dice::seeded(seed),
            world: &Anywhere,
            budget: Budget::of_steps(1_000_000),
            cancel: None,
            machine_deleted: false,
        };
        let before = self.execution.clone();
        let decided = self.execution.decide(command.clone(), &mut context());
        assert_eq!(self.execution, before, "deciding changes nothing");
        let advanced = self.execution.advance(command, &mut context());
        assert_eq!(decided, advanced);
        self.records.extend(advanced);
        assert_eq!(self.replayed(), self.execution, "replaying the journal rebuilds the execution");
        decided.len()
    }

    fn replayed(&self) -> Execution {
        let mut execution = Execution::unborn(Arc::clone(&self.execution.definition));
        for record in &self.records {
            execution.apply(record);
        }
        execution
    }

    fn finish_slices(&mut self) {
        while self.execution.is_ready() {
            self.command(Command::Continue);
        }
    }

    fn lines(&self) -> Vec<String> {
        let shown = |record: &Record| match record {
            Record::Event(event) => Some(history::line(event)),
            Record::Note(_) => None,
        };
        self.records.iter().filter_map(shown).collect()
    }

    fn calls(&self) -> Vec<EventId> {
        self.execution.outstanding().iter().map(Effect::scheduled).collect()
    }

    fn answer(&mut self, output: &str) {
        let scheduled = self.calls()[0];
        let output = Payload::parse(output).expect("JSON");
        self.command(Command::CallAnswered { scheduled, answer: TaskAnswer::Succeeded { output } });
    }

    fn fail(&mut self, error: &str, cause: &str) {
        let scheduled = self.calls()[0];
        let answer = TaskAnswer::Failed { error: Some(error.to_owned()), cause: Some(cause.to_owned()) };
        self.command(Command::CallAnswered { scheduled, answer });
    }
}

const TASK: &str = r#""Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f""#;

fn chain(tasks: &str) -> String {
    format!(r#"{{ "StartAt": "A", "States": {{ {tasks} }} }}"#)
}

#[test]
fn a_caught_failure_leads_to_the_compensation_as_aws_records_it() {
    let mut run = Run::started(
        &chain(&format!(
            r#""A": {{ {TASK}, "Catch": [{{ "ErrorEquals": ["States.ALL"], "Next": "Undo" }}], "End": true }},
               "Undo": {{ {TASK}, "Next": "Failed" }}, "Failed": {{ "Type": "Fail", "Cause": "undone" }}"#
        )),
        "{}",
    );
    run.fail("Declined", "no money");
    run.answer("1");
    assert_eq!(
        run.lines(),
        [
            "1<-0 ExecutionStarted",
            "2<-0 TaskStateEntered A",
            "3<-2 LambdaFunctionScheduled",
            "4<-3 LambdaFunctionStarted",
            "5<-4 LambdaFunctionFailed",
            "6<-5 TaskStateExited A",
            "7<-6 TaskStateEntered Undo",
            "8<-7 LambdaFunctionScheduled",
            "9<-8 LambdaFunctionStarted",
            "10<-9 LambdaFunctionSucceeded",
            "11<-10 TaskStateExited Undo",
            "12<-11 FailStateEntered Failed",
            "13<-12 ExecutionFailed",
        ]
    );
    let Status::Failed { error, cause, .. } = run.execution.status() else { panic!("it failed") };
    assert_eq!((error.as_deref(), cause.as_deref()), (None, Some("undone")));
}

#[test]
fn late_repeated_and_forged_answers_change_nothing() {
    let mut run = Run::started(&chain(&format!(r#""A": {{ {TASK}, "Next": "B" }}, "B": {{ {TASK}, "End": true }}"#)), "{}");
    let first = run.calls()[0];
    run.answer("1");
    let answer = TaskAnswer::Succeeded { output: Payload::empty_object() };
    assert_eq!(run.command(Command::CallAnswered { scheduled: first, answer: answer.clone() }), 0, "late");
    assert_eq!(run.command(Command::CallAnswered { scheduled: 9_999, answer: answer.clone() }), 0, "unknown");
    let second = run.calls()[0];
    let forged = Command::TokenAnswered { scheduled: second, nonce: 1, answer: answer.clone() };
    assert_eq!(run.command(forged), 0, "a function's task has no token");
    run.answer("2");
    assert_eq!(run.command(Command::CallAnswered { scheduled: second, answer }), 0, "after the end");
    assert_eq!(run.command(Command::Stop { error: None, cause: None }), 0);
}

#[test]
fn a_slice_ends_between_states_and_the_history_ends_at_its_limit() {
    let definition = chain(r#""A": { "Type": "Pass", "Next": "B" }, "B": { "Type": "Pass", "Next": "A" }"#)
        .replace("\"B\": {", "\"End\": { \"Type\": \"Succeed\" }, \"B\": {")
        .replace(
            r#""B": { "Type": "Pass", "Next": "A" }"#,
            r#""B": { "Type": "Choice", "Choices": [{ "Variable": "$.on", "BooleanEquals": true, "Next": "A" }], "Default": "End" }"#,
        );
    let options = parse::Options { machine_type: MachineType::Standard };
    parse::parse(&definition, &options).expect("the definition is right");
    let mut run = Run::started(&definition, r#"{"on":true}"#);
    assert!(run.execution.is_ready(), "more than one slice");
    assert!(run.records.len() <= 258, "a slice is at most 256 records and a state's last ones");
    // Without the double check of `command`, which is quadratic in the length of the journal.
    while run.execution.is_ready() {
        let mut context = Context {
            now: run.now,
            dice: Dice::seeded(1),
            world: &Anywhere,
            budget: Budget::of_steps(1_000_000),
            cancel: None,
            machine_deleted: false,
        };
        let records = run.execution.advance(Command::Continue, &mut context);
        assert!(!records.is_empty());
        run.records.extend(records);
    }
    assert_eq!(run.execution.last_event(), EVENTS_MAX);
    let Status::Failed { error, cause, .. } = run.execution.status() else { panic!("it failed") };
    assert_eq!(error.as_deref(), Some("States.Runtime"));
    assert_eq!(cause.as_deref(), Some("The execution reached the maximum number of history events (25000)."));
    assert_eq!(run.lines().last().map(String::as_str), Some("25000<-24999 ExecutionFailed"));
    assert_eq!(run.replayed(), run.execution);
}

#[test]
fn stop_is_heard_between_slices_and_while_waiting() {
    let mut run = Run::started(&chain(r#""A": { "Type": "Wait", "Seconds": 60, "End": true }"#), "{}");
    assert_eq!(run.execution.next_due(), Some(run.now.plus_seconds(60)));
    run.command(Command::Stop { error: Some("E".to_owned()), cause: None });
    assert_eq!(run.lines().last().map(String::as_str), Some("3<-0 ExecutionAborted"));
    assert_eq!(run.execution.next_due(), None);
}

#[test]
fn a_timer_that_fires_early_does_nothing() {
    let mut run = Run::started(&chain(r#""A": { "Type": "Wait", "Seconds": 60, "End": true }"#), "{}");
    run.now = run.now.plus_seconds(59);
    assert_eq!(run.command(Command::Tick), 0);
    run.now = run.now.plus_seconds(1);
    assert!(run.command(Command::Tick) > 0);
    assert!(run.execution.is_settled());
}

#[test]
fn a_clock_that_steps_back_never_shows_in_the_history() {
    let mut run = Run::started(&chain(&format!(r#""A": {{ {TASK}, "End": true }}"#)), "{}");
    let started = run.now;
    run.now = Timestamp::from_millis(started.millis - 7_200_000);
    run.answer("1");
    let times: Vec<Timestamp> = run
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Event(event) => Some(event.at),
            Record::Note(_) => None,
        })
        .collect();
    assert!(times.is_sorted() && times[0] == started);
}

#[test]
fn a_retry_waits_and_schedules_again_from_the_failure() {
    let retry = r#""Retry": [{ "ErrorEquals": ["E"], "IntervalSeconds": 3, "MaxAttempts": 1 }]"#;
    let mut run = Run::started(&chain(&format!(r#""A": {{ {TASK}, {retry}, "End": true }}"#)), "{}");
    run.fail("E", "first");
    assert!(run.calls().is_empty());
    assert_eq!(run.execution.next_due(), Some(run.now.plus_seconds(3)));
    run.now = run.now.plus_seconds(3);
    run.command(Command::Tick);
    assert_eq!(run.lines()[5..], ["6<-5 LambdaFunctionScheduled", "7<-6 LambdaFunctionStarted"]);
    run.fail("E", "second");
    assert_eq!(run.lines()[7..], ["8<-7 LambdaFunctionFailed", "9<-8 ExecutionFailed"]);
}

#[test]
fn a_job_that_nobody_waits_for_is_owed_a_cancellation_until_it_is_settled() {
    let job = r#""Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Parameters": { "JobName": "j" }"#;
    let mut run = Run::started(&chain(&format!(r#""A": {{ {job}, "End": true }}"#)), "{}");
    let scheduled = run.calls()[0];
    run.answer(r#"{"JobRunId":"7"}"#);
    assert!(matches!(&run.execution.outstanding()[..], [Effect::Follow { scheduled: followed, .. }] if *followed == scheduled));
    run.command(Command::Stop { error: None, cause: None });
    assert!(run.execution.is_closed() && !run.execution.is_settled());
    assert!(matches!(&run.execution.outstanding()[..], [Effect::Cancel { scheduled: owed, .. }] if *owed == scheduled));
    run.command(Command::Settled { scheduled });
    assert!(run.execution.is_settled());
    assert_eq!(run.command(Command::Settled { scheduled }), 0);
}

#[test]
fn what_is_caught_nests_no_deeper_than_a_document() {
    let path = ".a".repeat(999);
    let catch = format!(r#""Catch": [{{ "ErrorEquals": ["States.ALL"], "ResultPath": "${path}", "Next": "B" }}]"#);
    let mut run =
        Run::started(&chain(&format!(r#""A": {{ {TASK}, {catch}, "End": true }}, "B": {{ "Type": "Pass", "End": true }}"#)), "{}");
    run.fail("Boom", "");
    assert_eq!(
        run.lines()[4..],
        [
            "5<-4 LambdaFunctionFailed",
            "6<-5 TaskStateExited A",
            "7<-6 PassStateEntered B",
            "8<-7 PassStateExited B",
            "9<-8 ExecutionSucceeded"
        ]
    );
    let deeper = catch.replace("$.a", "$.a.a");
    let mut run =
        Run::started(&chain(&format!(r#""A": {{ {TASK}, {deeper}, "End": true }}, "B": {{ "Type": "Pass", "End": true }}"#)), "{}");
    run.fail("Boom", "");
    assert_eq!(run.lines()[4..], ["5<-4 LambdaFunctionFailed", "6<-5 ExecutionFailed"]);
}

/// A text of 150,000 bytes: one is a payload, two are too much of one.
fn half_too_much() -> String {
    format!("\"{}\"", "x".repeat(150_000))
}

#[test]
fn branches_and_iterations_get_no_more_than_a_payload() {
    let block = r#"{ "StartAt": "A", "States": { "A": { "Type": "Pass", "Result": 1, "End": true } } }"#;
    let twice = r#"{ "a.$": "$", "b.$": "$" }"#;
    let cases = [
        (format!(r#""Type": "Parallel", "Parameters": {twice}, "Branches": [{block}]"#), half_too_much()),
        (format!(r#""Type": "Map", "ItemSelector": {twice}, "ItemProcessor": {block}"#), format!("[{}]", half_too_much())),
    ];
    for (state, input) in cases {
        let caught = r#""ResultPath": null, "Catch": [{ "ErrorEquals": ["States.DataLimitExceeded"], "ResultPath": null, "Next": "B" }]"#;
        let machine = format!(
            r#"{{ "StartAt": "P", "States": {{ "P": {{ {state}, {caught}, "End": true }}, "B": {{ "Type": "Pass", "End": true }} }} }}"#
        );
        let run = Run::started(&machine, &input);
        assert!(run.lines().iter().any(|line| line.ends_with("PassStateEntered B")), "{state}: {:?}", run.lines());
    }
}

#[test]
fn parsed_trees_of_large_payloads_are_let_go_of() {
    let looks = r#""Q": { "Type": "Wait", "SecondsPath": "$.list[0]", "End": true }"#;
    let processor = format!(r#""ItemProcessor": {{ "StartAt": "P", "States": {{ "P": {{ "Type": "Pass", "Next": "Q" }}, {looks} }} }}"#);
    let selector = r#""ItemsPath": "$.items", "ItemSelector": { "list.$": "$.list" }"#;
    let state = format!(r#""A": {{ "Type": "Map", {selector}, {processor}, "ResultPath": null, "End": true }}"#);
    let input = format!(r#"{{ "items": [{}1], "list": [{}1] }}"#, "1,".repeat(39), "9,".repeat(60_000));
    let mut run = Run::started(&chain(&state), &input);
    run.finish_slices();
    assert_eq!(run.lines().iter().filter(|line| line.ends_with("WaitStateEntered Q")).count(), 40);
    let mut frames = run.execution.frames().clone();
    let heavy = frames.values_mut().flat_map(Frame::payloads_mut).filter(|payload| payload.is_heavy());
    assert!(heavy.map(|payload| payload.byte_count()).sum::<usize>() <= 512 * 1024, "40 inputs of 120 kB were looked into");
    let entered = run.records.iter().filter_map(|record| match record {
        Record::Event(Event { kind: EventKind::StateEntered { input, .. }, .. }) => Some(input),
        Record::Event(_) | Record::Note(_) => None,
    });
    assert!(entered.into_iter().all(|input| !input.is_heavy()), "records wait to be stored without trees");
}

#[test]
fn a_catcher_that_makes_too_much_fails_its_branch_and_the_state_around_may_catch_that() {
    let task = r#""Type": "Task", "QueryLanguage": "JSONata", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f""#;
    let catch = r#""Catch": [{ "ErrorEquals": ["States.ALL"], "Output": "{% $pad('', 262200, 'x') %}", "Next": "B" }]"#;
    let branch =
        format!(r#"{{ "StartAt": "T", "States": {{ "T": {{ {task}, {catch}, "End": true }}, "B": {{ "Type": "Pass", "End": true }} }} }}"#);
    let mut run = Run::started(
        &chain(&format!(
            r#""A": {{ "Type": "Parallel", "Branches": [{branch}], "Catch": [{{ "ErrorEquals": ["States.DataLimitExceeded"], "Next": "C" }}], "End": true }},
               "C": {{ "Type": "Succeed" }}"#
        )),
        "{}",
    );
    run.fail("Boom", "");
    assert_eq!(
        run.lines()[6..],
        [
            "7<-6 LambdaFunctionFailed",
            "8<-7 TaskStateAborted",
            "9<-7 ParallelStateFailed",
            "10<-9 ParallelStateExited A",
            "11<-10 SucceedStateEntered C",
            "12<-11 SucceedStateExited C",
            "13<-12 ExecutionSucceeded"
        ]
    );
}

#[test]
fn a_followed_job_ends_its_task_once() {
    let job = r#""Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Parameters": { "JobName": "j" }"#;
    let mut run = Run::started(&chain(&format!(r#""A": {{ {job}, "End": true }}"#)), "{}");
    let scheduled = run.calls()[0];
    let ended = || Command::JobEnded { scheduled, answer: TaskAnswer::Succeeded { output: Payload::parse("1").expect("JSON") } };
    assert_eq!(run.command(ended()), 0, "before the call is answered there is no job");
    run.answer(r#"{"JobRunId":"7"}"#);
    let again = TaskAnswer::Succeeded { output: Payload::parse("2").expect("JSON") };
    assert_eq!(run.command(Command::CallAnswered { scheduled, answer: again }), 0, "the call's second answer is not the job's end");
    run.command(ended());
    assert_eq!(
        run.lines()[2..],
        [
            "3<-2 TaskScheduled",
            "4<-3 TaskStarted",
            "5<-4 TaskSubmitted",
            "6<-5 TaskSucceeded",
            "7<-6 TaskStateExited A",
            "8<-7 ExecutionSucceeded"
        ]
    );
    assert_eq!(run.command(ended()), 0, "after the end");
}

#[test]
fn a_token_answers_its_own_attempt_only() {
    let wait = r#""Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": { "FunctionName": "f", "Payload": { "token.$": "$$.Task.Token" } }"#;
    let mut run = Run::started(&chain(&format!(r#""A": {{ {wait}, "End": true }}"#)), "{}");
    let Effect::Call { scheduled, parameters, .. } = &run.execution.outstanding()[0] else { panic!("a call") };
    let (scheduled, token) = (*scheduled, parameters.value()["Payload"]["token"].as_str().expect("the token").to_owned());
    let nonce: u64 = token.rsplit('-').next().and_then(|nonce| nonce.parse().ok()).expect("a nonce");
    run.answer("{}");
    assert_eq!(run.execution.token_state(scheduled, nonce), TokenState::Open);
    assert_eq!(run.execution.token_state(scheduled, nonce ^ 1), TokenState::Closed);
    let answer = TaskAnswer::Succeeded { output: Payload::parse("\"yes\"").expect("JSON") };
    run.command(Command::TokenAnswered { scheduled, nonce, answer });
    assert_eq!(
        run.lines()[2..],
        [
            "3<-2 TaskScheduled",
            "4<-3 TaskStarted",
            "5<-4 TaskSubmitted",
            "6<-5 TaskSucceeded",
            "7<-6 TaskStateExited A",
            "8<-7 ExecutionSucceeded"
        ]
    );
    assert_eq!(run.execution.token_state(scheduled, nonce), TokenState::Closed);
}

#[test]
fn an_activity_task_is_offered_until_delivered_and_started_once() {
    let definition = chain(r#""A": { "Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:known", "End": true }"#);
    let mut run = Run::started(&definition, "{}");
    let scheduled = run.calls()[0];
    assert!(run.command(Command::ActivityStarted { scheduled, worker_name: Some("w".to_owned()) }) == 1);
    assert!(matches!(run.execution.outstanding()[..], [Effect::Offer { started: true, .. }]), "offered until it is delivered");
    assert_eq!(run.command(Command::ActivityStarted { scheduled, worker_name: None }), 0, "polled again: no second event");
    run.command(Command::Delivered { scheduled });
    assert!(run.execution.outstanding().is_empty());
    let gone = Run::started(&definition.replace("known", "gone"), "{}");
    let Status::Failed { cause, .. } = gone.execution.status() else { panic!("it failed") };
    assert_eq!(
        cause.as_deref(),
        Some(
            "An error occurred while executing the state 'A' (entered at the event id #2). \
             The activity arn:aws:states:us-east-1:123456789012:activity:gone does not exist."
        )
    );
}

#[test]
fn the_first_failing_iteration_ends_the_map_as_aws_records_it() {
    let map = format!(
        r#""A": {{ "Type": "Map", "ItemProcessor": {{ "StartAt": "T", "States": {{ "T": {{ {TASK}, "End": true }} }} }}, "End": true }}"#
    );
    let mut run = Run::started(&chain(&map), "[1,2]");
    run.fail("E", "c");
    let failed = run.lines().iter().position(|line| line.contains("LambdaFunctionFailed")).expect("it failed") + 1;
    assert_eq!(
        run.lines()[failed..],
        [
            format!("{}<-{failed} MapIterationFailed", failed + 1),
            format!("{}<-{failed} TaskStateAborted", failed + 2),
            format!("{}<-{failed} MapIterationAborted", failed + 3),
            format!("{}<-{failed} TaskStateAborted", failed + 4),
            format!("{}<-{failed} MapStateFailed", failed + 5),
            format!("{}<-{} ExecutionFailed", failed + 6, failed + 5),
        ]
    );
}

#[test]
fn a_document_that_grows_deeper_with_each_state_ends_the_execution_and_not_the_process() {
    let definition = chain(
        r#""A": { "Type": "Pass", "Parameters": { "a.$": "$" }, "Next": "B" }, "B": { "Type": "Choice",
        "Choices": [{ "Variable": "$", "IsPresent": true, "Next": "A" }], "Default": "C" }, "C": { "Type": "Succeed" }"#,
    );
    let mut run = Run::started(&definition, "{}");
    while run.execution.is_ready() {
        let mut context = Context {
            now: run.now,
            dice: Dice::seeded(1),
            world: &Anywhere,
            budget: Budget::of_steps(1_000_000),
            cancel: None,
            machine_deleted: false,
        };
        run.execution.advance(Command::Continue, &mut context);
    }
    let Status::Failed { error, cause, .. } = run.execution.status() else { panic!("it failed") };
    assert_eq!(error.as_deref(), Some("States.Runtime"));
    assert!(cause.as_deref().is_some_and(|cause| cause.ends_with("nests deeper than 1000 levels")), "{cause:?}");
}

#[test]
fn branches_take_turns() {
    let branch = |name: &str| format!(r#"{{ "StartAt": "{name}", "States": {{ "{name}": {{ "Type": "Pass", "End": true }} }} }}"#);
    let parallel = format!(r#""A": {{ "Type": "Parallel", "Branches": [{}, {}], "End": true }}"#, branch("L"), branch("R"));
    let mut run = Run::started(&chain(&parallel), "{}");
    run.finish_slices();
    let Status::Succeeded { output, .. } = run.execution.status() else { panic!("it succeeded") };
    assert_eq!(output.text(), "[{},{}]");
    let frames: Vec<FrameId> = run
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Event(event) if matches!(event.kind, EventKind::StateEntered { .. }) => Some(event.frame),
            Record::Event(_) | Record::Note(_) => None,
        })
        .collect();
    assert_eq!(frames, [FrameId(0), FrameId(1), FrameId(2)]);
}
