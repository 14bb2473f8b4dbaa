//! `test_state` cases: one state, tried with an input.

use anyhow::Result;
use serde_json::json;
use skald_query::{Payload, Value};

use super::host::Host;
use super::stubs::Script;
use super::{check_answer, definition_text};
use crate::compare::Bindings;
use crate::verdict::Verdict;

pub(super) async fn run(case: &Value) -> Result<Verdict> {
    // What its task answered is told with the answer.
    let response = &case["expected"]["response"];
    let result = [&response["inspectionData"]["result"], &response["output"]].into_iter().find(|result| !result.is_null());
    let result = match result {
        Some(Value::String(text)) => Payload::parse(text.as_str()).unwrap_or_else(|_| Payload::empty_object()),
        Some(other) => Payload::from_value(other.clone()),
        None => Payload::empty_object(),
    };
    let host = Host::start(Script::always(result)).await?;
    let mut client = host.client().await?;
    let mut request = case["params"].clone();
    request["definition"] = json!(definition_text(case));
    if let Some(input) = case["input_text"].as_str() {
        request["input"] = json!(input);
    }
    let answer = client.call("TestState", &request).await;
    host.stop().await;
    check_answer(&case["expected"], &answer?, &mut Bindings::default(), "answer")?;
    Ok(Verdict::Passed)
}
