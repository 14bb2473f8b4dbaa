//! The script of a case: what tasks answer, and what people and workers outside do.
//!
//! One line each; `after 5s` may end a line, and counts from when the task was scheduled (or, for what nobody scheduled,
//! from the start of the run). Durations are `250ms`, `5s`, `10m`, `2h` or `400d`.
//!
//! ```text
//! task createOrder: ok {"id": 1} after 2s     a state, a function, or service:action; lines of one key are taken in turn
//! task createOrder: fail Boom no stock        error, then the cause
//! task createOrder: never
//! token Ask: beat after 3s                    what is sent by the token of this state's task
//! token Ask#2: fail Boom no after 4s          of its second token only
//! worker Approve: vanish                      polls the activity: the answer of the poll never arrives, …
//! worker Approve: lost                        … or arrives, and the worker is never heard of again, …
//! worker Approve: ok {} after 2s              … or it works
//! cancel fails 2                              so often does cancelling a job fail
//! stop after 5s Boom because
//! start again after 2s {"other": "input"}     the same name
//! clock +1h after 3s                          the wall clock steps
//! delete machine after 2s
//! delete activity Approve after 2s
//! executions 3                                so many at once
//! patience 400d                               how long the run may take
//! crash changes times                         heartbeats and polls begin anew: what may differ after a crash, `times` or `events`
//! ```

use anyhow::{Context, Result, bail};
use skald_query::Payload;

/// How long a run may take, in its own time, when the script does not say.
const PATIENCE_MS: i64 = 4 * 3_600_000;

/// What the world outside does.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub tasks: Vec<(String, Step)>,
    pub tokens: Vec<(TokenKey, Step)>,
    pub workers: Vec<(String, Worker)>,
    /// What workers call themselves.
    pub worker_name: Option<String>,
    pub acts: Vec<Act>,
    pub failing_cancels: u32,
    /// At least one.
    pub executions: u32,
    pub patience_ms: i64,
    pub crash_changes: CrashChanges,
}

/// What a crash may change beside the times of a few milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CrashChanges {
    #[default]
    Nothing,
    /// Heartbeats are soft: after a restart their clock starts anew.
    Times,
    /// A started and undelivered activity task is offered again: to whom decides what happens. The end stays.
    Events,
}

/// An answer and when it comes.
#[derive(Debug, Clone)]
pub struct Step {
    pub answer: Answer,
    pub after_ms: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Ok(Payload),
    /// What came in goes out.
    Echo,
    Fail {
        error: Option<String>,
        cause: Option<String>,
    },
    Never,
    /// A heartbeat; tokens only.
    Beat,
}

/// Which tokens a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey {
    pub state: String,
    /// 1 is the first; none: all of them.
    pub number: Option<usize>,
}

/// What a worker does with a task it polled.
#[derive(Debug, Clone)]
pub enum Worker {
    Vanish,
    Lost,
    Answers(Step),
}

/// Something done once.
#[derive(Debug, Clone)]
pub struct Act {
    pub after_ms: i64,
    pub deed: Deed,
}

#[derive(Debug, Clone)]
pub enum Deed {
    Stop { error: Option<String>, cause: Option<String> },
    StartAgain { input: Option<Payload> },
    StepClock { by_ms: i64 },
    DeleteMachine,
    DeleteActivity { name: String },
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// Names the line that cannot be read.
    pub fn parse(text: &str) -> Result<Self> {
        let mut script = Self { executions: 1, patience_ms: PATIENCE_MS, worker_name: Some("worker".to_owned()), ..Self::default() };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            script.line(line).with_context(|| format!("in the script's line `{line}`"))?;
        }
        Ok(script)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let (verb, rest) = line.split_once(' ').context("one word says nothing")?;
        match verb {
            "task" => {
                let (key, answer) = keyed(rest)?;
                self.tasks.push((key, Step::parse(answer)?));
            }
            "token" => {
                let (key, answer) = keyed(rest)?;
                let key = match key.split_once('#') {
                    None => TokenKey { state: key, number: None },
                    Some((state, number)) => TokenKey { state: state.to_owned(), number: Some(number.parse()?) },
                };
                self.tokens.push((key, Step::parse(answer)?));
            }
            "worker" => {
                let (key, answer) = keyed(rest)?;
                self.workers.push((
                    key,
                    match answer {
                        "vanish" => Worker::Vanish,
                        "lost" => Worker::Lost,
                        answer => Worker::Answers(Step::parse(answer)?),
                    },
                ));
            }
            "cancel" => self.failing_cancels = rest.strip_prefix("fails ").context("`cancel fails N`")?.parse()?,
            "executions" => self.executions = rest.parse()?,
            "crash" => {
                self.crash_changes = match rest {
                    "changes times" => CrashChanges::Times,
                    "changes events" => CrashChanges::Events,
                    rest => bail!("a crash cannot `{rest}`"),
                }
            }
            "patience" => self.patience_ms = duration_ms(rest)?,
            "stop" => {
                let (after_ms, rest) = first_after(rest)?;
                let (error, cause) = error_and_cause(rest);
                self.acts.push(Act { after_ms, deed: Deed::Stop { error, cause } });
            }
            "start" => {
                let (after_ms, rest) = first_after(rest.strip_prefix("again ").context("`start again after …`")?)?;
                let input = if rest.is_empty() { None } else { Some(Payload::parse(rest)?) };
                self.acts.push(Act { after_ms, deed: Deed::StartAgain { input } });
            }
            "clock" => {
                let (step, rest) = rest.split_once(' ').context("`clock +1h after …`")?;
                let (after_ms, _) = first_after(rest)?;
                let (sign, size) = step.split_at(1);
                let by_ms = if sign == "-" { -duration_ms(size)? } else { duration_ms(size)? };
                self.acts.push(Act { after_ms, deed: Deed::StepClock { by_ms } });
            }
            "delete" => {
                let (what, rest) = rest.split_once(" after ").context("`delete … after …`")?;
                let deed = match what.split_once(' ') {
                    None => Deed::DeleteMachine,
                    Some((_, name)) => Deed::DeleteActivity { name: name.to_owned() },
                };
                self.acts.push(Act { after_ms: duration_ms(rest)?, deed });
            }
            verb => bail!("nothing is called `{verb}`"),
        }
        Ok(())
    }
}

impl Step {
    /// `ok JSON`, `echo`, `fail ERROR CAUSE`, `never` or `beat`, and perhaps `after 5s`.
    pub fn parse(text: &str) -> Result<Self> {
        let (text, after_ms) = match text.rsplit_once("after ").map(|(before, last)| (before, duration_ms(last))) {
            Some((before, Ok(after_ms))) => (before.trim_end(), after_ms),
            Some((_, Err(_))) | None => (text, 0),
        };
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let answer = match verb {
            "ok" => Answer::Ok(Payload::parse(rest)?),
            "echo" => Answer::Echo,
            "never" => Answer::Never,
            "beat" => Answer::Beat,
            "fail" => {
                let (error, cause) = error_and_cause(rest);
                Answer::Fail { error, cause }
            }
            verb => bail!("no answer is called `{verb}`"),
        };
        Ok(Self { answer, after_ms })
    }
}

fn keyed(text: &str) -> Result<(String, &str)> {
    let (key, rest) = text.split_once(": ").context("a key and a colon come first")?;
    Ok((key.to_owned(), rest.trim()))
}

/// `after 5s REST`
fn first_after(text: &str) -> Result<(i64, &str)> {
    let rest = text.strip_prefix("after ").context("`after` and a duration are missing")?;
    let (duration, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok((duration_ms(duration)?, rest))
}

fn error_and_cause(text: &str) -> (Option<String>, Option<String>) {
    let (error, cause) = text.split_once(' ').unwrap_or((text, ""));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (some(error), some(cause))
}

fn duration_ms(text: &str) -> Result<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).context("a duration has a unit")?;
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        unit => bail!("no unit is called `{unit}`"),
    };
    Ok(number.parse::<i64>()? * scale)
}
