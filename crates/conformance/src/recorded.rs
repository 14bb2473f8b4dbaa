//! Recorded cases: what AWS answered, asked of the real server over HTTP.
//!
//! [`judge_all`] runs every case of a folder in the recordings' format (`sets/sfn/README.md`), many at once and in real time.
//! Each case has a server of its own with an engine on a store in memory; its tasks answer as recorded.

mod host;
mod logged;
mod stubs;
mod tasks;
mod history;
mod execution;
mod express;
mod validation;
mod test_state;
mod api;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::json;
use skald_query::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::Answer;
use crate::compare::{Beyond, Bindings, compare};
use crate::verdict::{Judged, Verdict};

/// Cases that run at once: most of them wait.
const CASES_MAX: usize = 64;
/// Documents nest up to 1,000 levels, and printing and dropping them recurses.
const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Runs the cases under `folder` whose id contains `only`; in the order of the files.
///
/// # Errors
/// A file that is not in the recordings' format.
pub fn judge_all(folder: &Path, only: &str) -> Result<Vec<Judged>> {
    let mut cases = Vec::new();
    for file in crate::set::json_files(folder)? {
        let document = crate::set::read(&file)?;
        let listed = document["cases"].as_array().with_context(|| format!("{}: no cases", file.display()))?;
        cases.extend(listed.iter().filter(|case| text_of(&case["id"]).contains(only)).cloned());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(THREAD_STACK_BYTES).build()?;
    let judged = runtime.block_on(judge_concurrently(cases));
    runtime.shutdown_background();
    judged
}

async fn judge_concurrently(cases: Vec<Value>) -> Result<Vec<Judged>> {
    let room = Arc::new(Semaphore::new(CASES_MAX));
    let mut running = JoinSet::new();
    for (place, case) in cases.into_iter().enumerate() {
        let room = Arc::clone(&room);
        running.spawn(async move {
            let _permit = room.acquire_owned().await.expect("it is never closed");
            (place, judge(&case).await)
        });
    }
    let mut judged = Vec::new();
    while let Some(done) = running.join_next().await {
        judged.push(done?);
    }
    judged.sort_by_key(|(place, _)| *place);
    Ok(judged.into_iter().map(|(_, judged)| judged).collect())
}

async fn judge(case: &Value) -> Judged {
    let outcome = match text_of(&case["kind"]) {
        "execution" | "output" => execution::run(case).await,
        "validation" => validation::run(case).await,
        "test_state" => test_state::run(case).await,
        "api" => api::run(case).await,
        other => Err(anyhow::anyhow!("no kind of case is called {other:?}")),
    };
    let verdict = outcome.unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
    Judged { area: text_of(&case["area"]).to_owned(), id: text_of(&case["id"]).to_owned(), verdict }
}

/// An answer against `{"response"}` or `{"error": {"code", "message"}, "http_status"}`.
fn check_answer(expected: &Value, answer: &Answer, bindings: &mut Bindings, place: &str) -> Result<()> {
    if let Some(response) = expected.get("response") {
        if !answer.is_success() {
            bail!("refused: {}", refusal(answer));
        }
        compare(response, &answer.body, Beyond::Allowed, bindings, place)?;
    }
    if let Some(error) = expected.get("error") {
        if answer.is_success() {
            bail!("recorded {}, came {}", error, answer.body);
        }
        let mut came = answer.body.clone();
        came["code"] = json!(answer.error_code());
        compare(error, &came, Beyond::Allowed, bindings, place)?;
    }
    if let Some(status) = expected.get("http_status").filter(|status| **status != answer.status) {
        bail!("HTTP status {}, recorded {status}", answer.status);
    }
    Ok(())
}

fn refusal(answer: &Answer) -> String {
    format!("{} {}", answer.error_code(), text_of(&answer.body["message"]))
}

/// The text that was sent.
fn definition_text(case: &Value) -> String {
    case["definition_text"].as_str().map_or_else(|| case["definition"].to_string(), str::to_owned)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
