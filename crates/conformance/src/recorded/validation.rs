//! `validation` cases: what is said about a definition.

use anyhow::Result;
use serde_json::json;
use skald_query::Value;

use super::host::Host;
use super::stubs::Script;
use super::{check_answer, definition_text, text_of};
use crate::compare::Bindings;
use crate::verdict::Verdict;

pub(super) async fn run(case: &Value) -> Result<Verdict> {
    let host = Host::start(Script::default()).await?;
    let mut client = host.client().await?;
    let mut request = case["params"].clone();
    request["definition"] = json!(definition_text(case));
    let answer = client.call(text_of(&case["operation"]), &request).await;
    host.stop().await;
    check_answer(&case["expected"], &answer?, &mut Bindings::default(), "answer")?;
    Ok(Verdict::Passed)
}
