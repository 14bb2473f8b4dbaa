//! Answers JSONPath cases one line at a time, to be held against another implementation.
//!
//! Reads lines of `{"path": text, "document": any}` and prints for each `{"definite": bool, "value": any}`, or
//! `{"error": "invalid" | "missing" | "failed", "message": text}`.

use std::io::{BufRead, Write};

use serde_json::{Value, json};
use skald_query::Budget;
use skald_query::jsonpath::{EvalError, Path};

const BUDGET_STEPS: u64 = 10_000_000;

fn main() -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        writeln!(output, "{}", answer(case["path"].as_str().unwrap_or_default(), &case["document"]))?;
    }
    output.flush()
}

fn answer(path: &str, document: &Value) -> Value {
    let path = match Path::parse(path) {
        Ok(path) => path,
        Err(error) => return json!({"error": "invalid", "message": error.reason}),
    };
    match path.find(document, &mut Budget::of_steps(BUDGET_STEPS)) {
        Ok(found) => json!({"definite": path.is_definite(), "value": found.into_value()}),
        Err(EvalError::NotFound { reason }) => json!({"error": "missing", "definite": path.is_definite(), "message": reason}),
        Err(EvalError::Failed { reason }) => json!({"error": "failed", "definite": path.is_definite(), "message": reason}),
        Err(error @ EvalError::Exhausted) => json!({"error": "exhausted", "message": error.to_string()}),
    }
}
