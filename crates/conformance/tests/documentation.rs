//! Every example of `docs/language.md` is run: it must give what the page says.
//!
//! An example is a row of a table whose columns are called Example, Input and Result:
//!
//! * The example is an expression (`$.a`, `States.UUID()`, `{% 1 + 1 %}`), a rule of a Choice (`{"Variable": …}`), whose
//!   result is whether it holds, or a state (`{"Type": …}`). What a state needs and the example leaves out is filled in:
//!   `End`, a `Resource` that answers with what it is sent, a `Default`, an `ItemProcessor` and `Branches` of a Pass.
//! * The members of the input are variables, too. An empty cell is `{}`.
//! * The result is the output, perhaps followed by variables (`$x = 1`) and a time (`after 5 s`), or `such as` one output
//!   of many, `fails: ` an error and a part of its cause, or `refused: ` a part of what is said of the definition.
//!
//! A fenced block ```` ```json ```` is a whole machine; one called `input` and one called `output` may follow.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use conformance::{DiskPlan, Run, Script, Settings, Simulation};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Map, Value, json};
use skald_interpreter::EventKind;
use skald_query::Payload;

const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:111111111111:function:echo";

fn main() {
    let arguments = Arguments::from_args();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/language.md");
    let examples = match std::fs::read_to_string(&page).with_context(|| page.display().to_string()).and_then(|text| read_page(&text)) {
        Ok(examples) => examples,
        Err(error) => {
            eprintln!("{error:#}");
            std::process::exit(1);
        }
    };
    let trials = examples.into_iter().map(|example| {
        let name = format!("line {}: {}", example.line, example.text.replace('\n', " "));
        Trial::test(name, move || Ok(example.check()?))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// One example, and what must come of it.
struct Example {
    line: usize,
    text: String,
    input: String,
    expected: Expected,
}

enum Expected {
    /// Output, variables by name, and whole seconds.
    Output { output: String, variables: Vec<(String, String)>, seconds: Option<i64> },
    /// An output of this kind.
    SuchAs(String),
    /// Error, and parts of its cause.
    Fails(Vec<String>),
    /// Parts of what is said of the definition.
    Refused(Vec<String>),
    /// The definition is accepted; more is not said.
    Accepted,
}

impl Example {
    fn check(&self) -> Result<()> {
        let machine = machine(&self.text, &self.input)?;
        let settings = Settings { input: Payload::parse(self.input.as_str())?, ..Settings::default() };
        let simulation = Simulation {
            machine,
            child: None,
            activities: Vec::new(),
            script: Script::parse("")?,
            settings,
            faults: Vec::new(),
            disk: DiskPlan::Memory,
        };
        let run = match (simulation.run(), &self.expected) {
            (Err(error), Expected::Refused(parts)) => {
                return says(parts, &error.to_string());
            }
            (run, _) => run?,
        };
        ensure!(run.violations.is_empty(), "broken promises: {:?}", run.violations);
        self.expect(&run).with_context(|| format!("history:\n  {}", run.history.join("\n  ")))
    }

    fn expect(&self, run: &Run) -> Result<()> {
        let last = run.events.last().context("there is no history")?;
        match (&self.expected, &last.kind) {
            (Expected::Output { output: expected, variables, seconds }, EventKind::ExecutionSucceeded { output }) => {
                ensure!(output.text() == expected.as_str(), "expected {expected}, came {}", output.text());
                for (name, value) in variables {
                    let assigned = run.events.iter().rev().find_map(|event| match &event.kind {
                        EventKind::StateExited { assigned, .. } => assigned.iter().find(|(assigned, _)| **assigned == **name),
                        _ => None,
                    });
                    let (_, assigned) = assigned.with_context(|| format!("${name} was never assigned"))?;
                    ensure!(assigned.text() == value.as_str(), "expected ${name} = {value}, came {}", assigned.text());
                }
                let took = (last.at.millis - run.events[0].at.millis + 500) / 1_000;
                ensure!(seconds.unwrap_or(0) == took, "it took {took} seconds");
                Ok(())
            }
            (Expected::SuchAs(example), EventKind::ExecutionSucceeded { output }) => {
                let kind = |text: &str| text.chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect::<String>();
                let is_number = |text: &str| text.parse::<f64>().is_ok();
                let is_alike = kind(example) == kind(output.text()) || (is_number(example) && is_number(output.text()));
                ensure!(is_alike, "expected one like {example}, came {}", output.text());
                Ok(())
            }
            (Expected::Fails(parts), EventKind::ExecutionFailed(details)) => {
                let (error, causes) = parts.split_first().context("no error is named")?;
                ensure!(details.error.as_ref() == Some(error), "it fails with {:?}", details.error);
                says(causes, details.cause.as_deref().unwrap_or_default())
            }
            (Expected::Accepted, _) => Ok(()),
            (Expected::Output { .. } | Expected::SuchAs(_) | Expected::Fails(_) | Expected::Refused(_), kind) => {
                bail!("it ended otherwise: {kind:?}")
            }
        }
    }
}

/// Each part stands in `text`.
fn says(parts: &[String], text: &str) -> Result<()> {
    let missing = parts.iter().find(|part| !text.contains(part.as_str()));
    missing.map_or(Ok(()), |part| bail!("`{part}` is not said, but: {text}"))
}

fn read_page(text: &str) -> Result<Vec<Example>> {
    let mut examples: Vec<Example> = Vec::new();
    let mut columns: Option<[usize; 3]> = None;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            read_block(kind, block.join("\n"), index + 1, &mut examples).with_context(|| format!("line {}", index + 1))?;
            continue;
        }
        let Some(cells) = cells(line) else {
            columns = None;
            continue;
        };
        let place = |title: &str| cells.iter().position(|cell| cell == title);
        if let (Some(example), Some(input), Some(result)) = (place("Example"), place("Input"), place("Result")) {
            columns = Some([example, input, result]);
            continue;
        }
        let Some([example, input, result]) = columns else { continue };
        if cells.iter().all(|cell| cell.chars().all(|c| c == '-' || c == ':')) || cells[example].is_empty() {
            continue;
        }
        let read = || -> Result<Example> {
            let input = code_spans(&cells[input]).into_iter().next().unwrap_or_else(|| "{}".to_owned());
            let text = code_spans(&cells[example]).into_iter().next().context("the example is no code")?;
            Ok(Example { line: index + 1, text, input, expected: read_result(&cells[result])? })
        };
        examples.push(read().with_context(|| format!("line {}", index + 1))?);
    }
    Ok(examples)
}

fn read_block(kind: &str, text: String, line: usize, examples: &mut Vec<Example>) -> Result<()> {
    match kind {
        "json" => examples.push(Example { line, text, input: "{}".to_owned(), expected: Expected::Accepted }),
        "json input" => examples.last_mut().context("no machine comes before")?.input = text,
        "json output" => {
            let expected = Expected::Output { output: text, variables: Vec::new(), seconds: None };
            examples.last_mut().context("no machine comes before")?.expected = expected;
        }
        kind => bail!("no block is called `{kind}`"),
    }
    Ok(())
}

fn read_result(cell: &str) -> Result<Expected> {
    let mut spans = code_spans(cell);
    ensure!(!spans.is_empty(), "the result is no code");
    if cell.starts_with("fails: ") {
        return Ok(Expected::Fails(spans));
    }
    if cell.starts_with("refused: ") {
        return Ok(Expected::Refused(spans));
    }
    let output = spans.remove(0);
    if cell.starts_with("such as ") {
        return Ok(Expected::SuchAs(output));
    }
    let variable = |span: &String| {
        let (name, value) = span.strip_prefix('$')?.split_once(" = ")?;
        Some((name.to_owned(), value.to_owned()))
    };
    let variables = spans.iter().map(|span| variable(span).context("a variable is `$name = value`")).collect::<Result<Vec<_>>>()?;
    let seconds = cell.split("after ").nth(1).and_then(|rest| rest.strip_suffix(" s")).map(str::parse).transpose()?;
    Ok(Expected::Output { output, variables, seconds })
}

/// The cells of a table's row, where `\|` is a bar.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.replace("\\|", "\u{0}").split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect())
}

/// What stands between backquotes, single or double.
fn code_spans(cell: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut rest = cell;
    while let Some(start) = rest.find('`') {
        let fence = if rest[start..].starts_with("``") { "``" } else { "`" };
        let from = &rest[start + fence.len()..];
        let Some(end) = from.find(fence) else { break };
        spans.push(from[..end].trim().to_owned());
        rest = &from[end + fence.len()..];
    }
    spans
}

/// The machine that runs the example; a machine is one as it stands.
fn machine(example: &str, input: &str) -> Result<String> {
    let state = if example.starts_with("{%") {
        json!({ "Type": "Pass", "Output": example })
    } else if example.starts_with('$') || example.starts_with("States.") {
        json!({ "Type": "Pass", "Parameters": { "it.$": example }, "OutputPath": "$.it" })
    } else {
        serde_json::from_str(example).context("the example is no JSON")?
    };
    let Value::Object(mut state) = state else { bail!("the example is no object") };
    if state.contains_key("States") {
        return Ok(example.to_owned());
    }
    let mut states = Map::new();
    if !state.contains_key("Type") {
        let value = |holds: bool| json!({ "Type": "Pass", "Result": holds, "End": true });
        states.insert("Holds".to_owned(), value(true));
        states.insert("Not".to_owned(), value(false));
        state.insert("Next".to_owned(), json!("Holds"));
        state = as_object(json!({ "Type": "Choice", "Choices": [state], "Default": "Not" }));
    }
    fill_in(&mut state, &mut states);
    states.insert("Example".to_owned(), Value::Object(state));
    let mut start_at = "Example";
    if let Ok(Value::Object(members)) = serde_json::from_str(input) {
        let is_name = |name: &String| name.chars().all(char::is_alphanumeric) && name.starts_with(char::is_alphabetic);
        let assign: Map<String, Value> =
            members.keys().filter(|name| is_name(name)).map(|name| (format!("{name}.$"), json!(format!("$.{name}")))).collect();
        if !assign.is_empty() {
            states.insert("Variables".to_owned(), json!({ "Type": "Pass", "Assign": assign, "Next": "Example" }));
            start_at = "Variables";
        }
    }
    Ok(json!({ "StartAt": start_at, "States": states }).to_string())
}

/// What a state needs beside what is shown.
fn fill_in(state: &mut Map<String, Value>, others: &mut Map<String, Value>) {
    let pass = |name: &str| json!({ "StartAt": name, "States": { name: { "Type": "Pass", "End": true } } });
    let kind = state.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let has_text = |text: &str| json!(state).to_string().contains(text);
    let (speaks_jsonata, names_last, goes_on) = (has_text("{%"), has_text("\"Last\""), state.contains_key("Next"));
    let has_default = state.contains_key("Default");
    let mut default = |field: &str, value: Value| {
        state.entry(field.to_owned()).or_insert(value);
    };
    if speaks_jsonata {
        default("QueryLanguage", json!("JSONata"));
    }
    match kind.as_str() {
        "Task" => default("Resource", json!(FUNCTION_ARN)),
        "Map" => default("ItemProcessor", pass("Item")),
        "Parallel" => default("Branches", json!([pass("First"), pass("Second")])),
        "Choice" if !has_default => default("Default", json!("Last")),
        _ => {}
    }
    match kind.as_str() {
        "Choice" | "Succeed" | "Fail" => {}
        _ if goes_on => {}
        _ => default("End", json!(true)),
    }
    if names_last || (kind == "Choice" && !has_default) {
        others.insert("Last".to_owned(), json!({ "Type": "Pass", "End": true }));
    }
}

fn as_object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
