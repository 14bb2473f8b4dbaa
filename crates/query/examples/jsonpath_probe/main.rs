//! Holds our JSONPath against another implementation, on cases it makes up.
//!
//! `jsonpath_probe answer` reads lines of `{"path": text, "document": any}` and prints for each line
//! `{"definite": bool, "value": any}`, or `{"error": "invalid" | "missing" | "failed", "message": text}`.
//! `jsonpath_probe generate SEED COUNT` prints such cases; the same seed gives the same ones.
//! `jsonpath_probe differ SEED COUNT COMMAND…` starts a command that answers as `answer` does, flushing each line (a small
//! Java program around the Jayway library), asks both, and prints each case they answer differently.

mod generate;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use skald_query::Budget;
use skald_query::jsonpath::{EvalError, Path};

const BUDGET_STEPS: u64 = 10_000_000;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["answer"] => answer_all(),
        ["generate", seed, count] => {
            for case in generate::cases(seed.parse()?).take(count.parse()?) {
                println!("{case}");
            }
            Ok(())
        }
        ["differ", seed, count, program, rest @ ..] => differ(seed.parse()?, count.parse()?, Command::new(program).args(rest)),
        _ => bail!("jsonpath_probe answer | generate SEED COUNT | differ SEED COUNT COMMAND…"),
    }
}

fn answer_all() -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        writeln!(output, "{}", answer(&case))?;
        output.flush()?;
    }
    Ok(())
}

fn answer(case: &Value) -> Value {
    let path = match Path::parse(case["path"].as_str().unwrap_or_default()) {
        Ok(path) => path,
        Err(error) => return json!({"error": "invalid", "message": error.reason}),
    };
    let definite = path.is_definite();
    match path.find(&case["document"], &mut Budget::of_steps(BUDGET_STEPS)) {
        Ok(found) => json!({"definite": definite, "value": found.into_value()}),
        Err(EvalError::NotFound { reason } | EvalError::PastEnd { reason }) => json!({"definite": definite, "error": "missing", "message": reason}),
        Err(EvalError::Failed { reason }) => json!({"definite": definite, "error": "failed", "message": reason}),
        Err(error @ EvalError::Exhausted) => json!({"definite": definite, "error": "exhausted", "message": error.to_string()}),
    }
}

fn differ(seed: u64, count: usize, oracle: &mut Command) -> anyhow::Result<()> {
    let mut oracle = oracle.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut questions = oracle.stdin.take().context("the oracle reads its input")?;
    let mut answers = BufReader::new(oracle.stdout.take().context("the oracle writes its output")?).lines();
    let mut different = 0;
    for case in generate::cases(seed).take(count) {
        writeln!(questions, "{case}")?;
        let theirs: Value = serde_json::from_str(&answers.next().context("the oracle answers every line")??)?;
        let ours = answer(&case);
        if !is_same(&ours, &theirs) {
            different += 1;
            println!(
                "path     {}\ndocument {}\nours     {ours}\ntheirs   {theirs}\n",
                case["path"].as_str().unwrap_or_default(),
                case["document"]
            );
        }
    }
    drop(questions);
    oracle.wait()?;
    println!("seed {seed}: {different} of {count} differ");
    Ok(())
}

fn is_same(ours: &Value, theirs: &Value) -> bool {
    // On AWS, unlike in the library, a missing parent before an indefinite part is an empty list.
    let is_softened = theirs["error"] == "missing" && theirs["definite"] == false && ours["value"] == json!([]);
    is_softened || (ours["error"] == theirs["error"] && is_same_value(&ours["value"], &theirs["value"]))
}

/// The library prints doubles where we keep the text of the document.
fn is_same_value(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            let is_integer = |text: &str| !text.contains(['.', 'e', 'E']);
            let (ours_text, theirs_text) = (ours.as_str(), theirs.as_str());
            ours_text == theirs_text
                || (ours_text, theirs_text) == ("-0", "0")
                || (!is_integer(ours_text) && !is_integer(theirs_text) && ours.as_f64() == theirs.as_f64())
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_same_value(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|((name, ours), (other, theirs))| name == other && is_same_value(ours, theirs))
        }
        _ => ours == theirs,
    }
}
