//! `ListStateMachines`.

use serde::Serialize;

use super::describe_state_machine::machine_type;
use super::{Context, Paging, next_token};
use crate::page_token::{List, Query};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::Members;

/// SOURCE: API model, `PageToken`.
pub(super) const TOKEN_LENGTH_MAX: usize = 1_024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    state_machines: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    state_machine_arn: &'a str,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    creation_date: Instant,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let paging = Paging::read(&mut members, TOKEN_LENGTH_MAX)?;
    members.finish()?;

    let query = Query::new(List::StateMachines, &context.scope, &[]);
    let page = context.shared.engine.list_machines(&context.scope, paging.request(&query)?).await?;
    let item = |machine| {
        let machine: &skald_engine::catalog::Machine = machine;
        Item {
            state_machine_arn: &machine.arn,
            name: &machine.name,
            kind: machine_type(machine.machine_type),
            creation_date: Instant(machine.created_at),
        }
    };
    encode(&Answer { state_machines: page.items.iter().map(item).collect(), next_token: next_token(&query, page.next.as_deref()) })
}
