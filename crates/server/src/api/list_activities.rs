//! `ListActivities`.

use serde::Serialize;
use skald_engine::catalog::Activity;

use super::list_state_machines::TOKEN_LENGTH_MAX;
use super::{Context, Paging, next_token};
use crate::page_token::{List, Query};
use crate::protocol::{ApiError, Instant, encode};
use crate::validation::Members;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    activities: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    activity_arn: &'a str,
    name: &'a str,
    creation_date: Instant,
}

pub(super) async fn call(context: &Context<'_>, mut members: Members) -> Result<Vec<u8>, ApiError> {
    let paging = Paging::read(&mut members, TOKEN_LENGTH_MAX)?;
    members.finish()?;

    let query = Query::new(List::Activities, &context.scope, &[]);
    let page = context.shared.engine.list_activities(&context.scope, paging.request(&query)?).await?;
    encode(&Answer { activities: page.items.iter().map(item).collect(), next_token: next_token(&query, page.next.as_deref()) })
}

fn item(activity: &Activity) -> Item<'_> {
    Item { activity_arn: &activity.arn, name: &activity.name, creation_date: Instant(activity.created_at) }
}
