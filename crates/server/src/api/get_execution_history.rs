//! `GetExecutionHistory`.

use serde::Serialize;
use serde_json::Value;
use skald_engine::execution::{HistoryRequest, NewestFirst};
use skald_interpreter::history::{self, Include};

use super::list_state_machines::TOKEN_LENGTH_MAX;
use super::{ARN_LENGTH_MAX, Context, Paging, arn, next_token};
use crate::page_token::{List, Query};
use crate::protocol::{ApiError, encode};
use crate::validation::{Members, Shown};

/// Events asked for at once: what bounds the memory of a page of large payloads.
const CHUNK_EVENTS: usize = 50;
/// A page ends early beyond this; AWS, too, may answer fewer events than were asked for.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    events: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let execution_arn = members.required_text("executionArn", 1..=ARN_LENGTH_MAX, Shown::Plain)?;
    let paging = Paging::read(&mut members, TOKEN_LENGTH_MAX)?;
    let reverse_order = members.boolean("reverseOrder")?.unwrap_or(false);
    let include_data = members.boolean("includeExecutionData")?.unwrap_or(true);
    members.finish()?;

    arn::execution(&execution_arn)?;
    let newest_first = if reverse_order { NewestFirst::Yes } else { NewestFirst::No };
    let include = if include_data { Include::Data } else { Include::NoData };
    // The data may be left out of one page and not of the next: it is no part of the list's identity.
    let query = Query::new(List::History, &context.scope, &[&execution_arn, if reverse_order { "reverse" } else { "" }]);
    let asked = paging.request(&query)?;
    let mut cursor = asked.cursor;
    let mut events = Vec::new();
    let mut bytes = 0;
    loop {
        let limit = (asked.limit - events.len()).min(CHUNK_EVENTS);
        let request = HistoryRequest { execution_arn: execution_arn.clone(), limit, newest_first, cursor };
        let page = context.shared.engine.history(&context.scope, request).await?;
        for event in &page.items {
            let shown = history::render(event, include);
            bytes += text_bytes(&shown);
            events.push(shown);
        }
        cursor = page.next;
        if cursor.is_none() || page.items.is_empty() || events.len() >= asked.limit || bytes >= PAGE_BYTES_MAX {
            return encode(&Answer { events, next_token: next_token(&query, cursor.as_deref()) });
        }
    }
}

/// Bytes of the texts in an event: everything large in it is text.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(members) => members.values().map(text_bytes).sum(),
    }
}
