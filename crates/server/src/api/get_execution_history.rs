//! `GetExecutionHistory`.

use std::ops::ControlFlow;

use skald_engine::execution::{HistoryRequest, NewestFirst};
use skald_interpreter::Event;
use skald_interpreter::history::{self, Include};

use super::list_state_machines::TOKEN_LENGTH_MAX;
use super::{ARN_LENGTH_MAX, Context, Paging, arn, next_token};
use crate::page_token::{List, Query};
use crate::protocol::ApiError;
use crate::validation::{Members, Shown};

/// A page ends early beyond this; AWS, too, may answer fewer events than were asked for.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

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
    let request = HistoryRequest { execution_arn, newest_first, cursor: asked.cursor };
    let mut page = Page::new(asked.limit);
    let next = context.shared.engine.history(&context.scope, request, |event| page.add(event, include)).await?;
    Ok(page.finish(next_token(&query, next.as_deref())))
}

/// An answer that is written event by event: a tree of them all would take ten times its room.
struct Page {
    text: Vec<u8>,
    events_left: usize,
}

impl Page {
    fn new(events_max: usize) -> Self {
        Self { text: br#"{"events":["#.to_vec(), events_left: events_max }
    }

    fn add(&mut self, event: &Event, include: Include) -> ControlFlow<()> {
        if self.text.last() != Some(&b'[') {
            self.text.push(b',');
        }
        self.text.extend_from_slice(history::render(event, include).to_string().as_bytes());
        self.events_left -= 1;
        if self.events_left == 0 || self.text.len() >= PAGE_BYTES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// A token is base64: it needs no escapes.
    fn finish(mut self, next_token: Option<String>) -> Vec<u8> {
        self.text.push(b']');
        if let Some(token) = next_token {
            self.text.extend_from_slice(format!(r#","nextToken":"{token}""#).as_bytes());
        }
        self.text.push(b'}');
        self.text
    }
}
