//! `api` cases: calls in order, and what each was answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use skald_query::Value;

use super::host::Host;
use super::stubs::Script;
use super::tasks::LOOK_PAUSE;
use super::{check_answer, execution, list, text_of};
use crate::client::{Answer, Client};
use crate::compare::{Beyond, Bindings, compare};
use crate::verdict::{Reason, Verdict};

/// How long a step that was polled may take until it is as recorded.
const POLL_PATIENCE: Duration = Duration::from_secs(10);
/// How long executions may take to end.
const END_PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn run(case: &Value) -> Result<Verdict> {
    if let Some(reason) = not_run(case) {
        return Ok(Verdict::NotRun(reason));
    }
    let host = Host::start(Script::of_functions(case)).await?;
    let mut run = Run { client: host.client().await?, bindings: Bindings::default(), answers: BTreeMap::new(), started: Vec::new() };
    let mut outcome = Ok(());
    let steps = list(&case["steps"]);
    for (index, step) in steps.iter().enumerate() {
        outcome = run.take(step, index.checked_sub(1).map(|before| &steps[before]), steps.get(index + 1)).await;
        if let Err(error) = outcome {
            outcome = Err(error.context(format!("step {} {}", step["n"], text_of(&step["op"]))));
            break;
        }
    }
    drop(run);
    host.stop().await;
    outcome.map(|()| Verdict::Passed)
}

fn not_run(case: &Value) -> Option<Reason> {
    let steps = list(&case["steps"]);
    let is_called = |names: &[&str]| steps.iter().any(|step| names.contains(&text_of(&step["op"])));
    is_called(&["ListMapRuns", "DescribeMapRun", "UpdateMapRun"]).then_some(Reason::DistributedMap)
}

struct Run {
    client: Client,
    bindings: Bindings,
    /// The answers so far, by the number of their step.
    answers: BTreeMap<u64, Value>,
    /// Executions that were started and can be looked at.
    started: Vec<String>,
}

impl Run {
    async fn take(&mut self, step: &Value, before: Option<&Value>, after: Option<&Value>) -> Result<()> {
        let (operation, members) = (text_of(&step["op"]), self.members(&step["params"])?);
        if is_polled(step) {
            self.wait_for_end(operation, &members, after).await?;
        }
        let began = Instant::now();
        let answer = loop {
            let answer = self.client.call(operation, &members).await?;
            let mut tried = self.bindings.clone();
            match check_step(step, &answer, &mut tried) {
                Ok(()) => {
                    self.bindings = tried;
                    break answer;
                }
                Err(error) => {
                    let may_change = reads(operation) && answer.is_success() && before.is_some_and(is_polled);
                    if !may_change || began.elapsed() > POLL_PATIENCE {
                        return Err(error);
                    }
                    tokio::time::sleep(LOOK_PAUSE).await;
                }
            }
        };
        let number = step["n"].as_u64().unwrap_or(0);
        if let Some(arn) = answer.body["executionArn"].as_str().filter(|_| operation == "StartExecution") {
            // Later steps call the execution by the number of this one.
            let mut parts = arn.split(':').skip(7).map(str::to_owned);
            self.bindings.bind(format!("{{{{execution-name-{number}}}}}"), parts.next().unwrap_or_default());
            match parts.next() {
                Some(id) => self.bindings.bind(format!("{{{{express-id-{number}}}}}"), id),
                None => self.started.push(arn.to_owned()),
            }
        }
        self.answers.insert(number, answer.body);
        Ok(())
    }

    /// The test polled here: until executions had ended, or one that is stopped next had begun.
    async fn wait_for_end(&mut self, operation: &str, members: &Value, after: Option<&Value>) -> Result<()> {
        let of_one = members["executionArn"].as_str().map(|arn| vec![arn.to_owned()]);
        let is_of_executions = matches!(operation, "GetExecutionHistory" | "DescribeExecution" | "ListExecutions");
        if !is_of_executions || after.is_some_and(|after| after["op"] == "StopExecution") {
            return Ok(());
        }
        for arn in of_one.unwrap_or_else(|| self.started.clone()) {
            let ended = tokio::time::timeout(END_PATIENCE, execution::ended(&mut self.client, &arn)).await;
            ended.with_context(|| format!("{arn} did not end"))??;
        }
        Ok(())
    }

    /// Puts in what earlier answers said.
    fn members(&self, recorded: &Value) -> Result<Value> {
        Ok(match recorded {
            Value::String(text) => self.text(text)?,
            Value::Array(items) => Value::Array(items.iter().map(|item| self.members(item)).collect::<Result<_>>()?),
            Value::Object(members) => {
                let filled = members.iter().map(|(name, value)| Ok((name.clone(), self.members(value)?)));
                Value::Object(filled.collect::<Result<_>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => recorded.clone(),
        })
    }

    fn text(&self, recorded: &str) -> Result<Value> {
        let mut text = self.bindings.fill(recorded);
        while let Some((start, step, member)) = find_reference(&text) {
            let end = start + text[start..].find("}}").context("a variable does not end")? + 2;
            let value = member.split('.').fold(self.answers.get(&step), |value, name| value?.get(name));
            let value = value.with_context(|| format!("step {step} answered no {member}"))?;
            let is_whole = start == 0 && end == text.len();
            match value {
                Value::String(value) => text.replace_range(start..end, value),
                other if is_whole => return Ok(other.clone()),
                other => text.replace_range(start..end, &other.to_string()),
            }
        }
        Ok(json!(text))
    }
}

/// The first `{{stepN.member}}`: where it begins, N, and the member.
fn find_reference(text: &str) -> Option<(usize, u64, String)> {
    let start = text.find("{{step")?;
    let inner = text[start..].strip_prefix("{{step")?;
    let (step, member) = inner[..inner.find("}}")?].split_once('.')?;
    Some((start, step.parse().ok()?, member.to_owned()))
}

fn check_step(step: &Value, answer: &Answer, bindings: &mut Bindings) -> Result<()> {
    if let Some(expected) = step.get("expect") {
        check_answer(expected, answer, bindings, "answer")?;
    }
    for (path, recorded) in step["expect_parts"].as_object().into_iter().flatten() {
        let part = path.split('.').try_fold(&answer.body, |part, name| match name.parse::<usize>() {
            Ok(index) if part.is_array() => part.get(index),
            Ok(_) | Err(_) => part.get(name),
        });
        let Some(part) = part else { bail!("{path}: recorded, came nothing in {}", answer.body) };
        compare(recorded, part, Beyond::Allowed, bindings, path)?;
    }
    Ok(())
}

fn is_polled(step: &Value) -> bool {
    step["poll"] == true
}

fn reads(operation: &str) -> bool {
    ["Describe", "List", "Get"].iter().any(|verb| operation.starts_with(verb))
}
