//! Map, inline: runs its processor once for each item, so many at a time.

use std::sync::Arc;

use serde_json::Value;
use skald_asl::data_flow::DataFlow;
use skald_asl::states::{Items, Map, Mode};
use skald_asl::template::Template;
use skald_query::Payload;

use crate::data_flow::States;
use crate::decide::{Halt, Slice};
use crate::event::{EventId, EventKind, FrameId, StateType};
use crate::failure::Failure;

/// SOURCE: limits.md §1, "inline Map concurrency".
const CONCURRENCY_MAX: u32 = 40;

pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, map: &Map, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Map, name, raw, None)?;
    if let Mode::Distributed(_) = map.mode {
        return Err(Halt::Failed(slice.scope(frame).not_supported_yet("Distributed Map")));
    }
    fan_out(slice, frame, map)
}

/// Starts the first iterations: on entering, and again on each retry.
pub(crate) fn fan_out(slice: &mut Slice<'_, '_, '_>, frame: FrameId, map: &Map) -> Result<(), Halt> {
    let scope = slice.scope(frame);
    let input = scope.input(&map.flow, &slice.visit(frame).input)?;
    let items = items(&scope, map, &input)?;
    slice.check_size(frame, &items)?;
    let concurrency = match scope.number("MaxConcurrency", &map.max_concurrency, &input)? {
        0 => CONCURRENCY_MAX,
        wanted => u32::try_from(wanted).unwrap_or(CONCURRENCY_MAX).min(CONCURRENCY_MAX),
    };
    let length = items.value().as_array().map_or(0, Vec::len);
    let length = u32::try_from(length).expect("a payload of 256 KiB has fewer items");
    let started = slice.event(frame, slice.last(frame), EventKind::MapStateStarted { length, items: items.light(), concurrency })?;
    if length == 0 {
        return succeed(slice, frame, map);
    }
    for _ in 0..concurrency.min(length) {
        begin_iteration(slice, frame, map, started)?;
    }
    Ok(())
}

/// One iteration ended: the next takes its place, or the state ends.
pub(super) fn iteration_ended(slice: &mut Slice<'_, '_, '_>, frame: FrameId, map: &Map, index: u32, exit: EventId) -> Result<(), Halt> {
    let name = Arc::clone(&slice.visit(frame).state);
    slice.event(frame, exit, EventKind::MapIterationSucceeded { name, index })?;
    let Some(fan_out) = super::fan_out_of(slice, frame) else { return Ok(()) };
    if fan_out.unfinished == 0 {
        return succeed(slice, frame, map);
    }
    let begun = fan_out.iterations.as_ref().map_or(0, |iterations| iterations.next_index as usize);
    if begun < fan_out.outputs.len() {
        begin_iteration(slice, frame, map, exit)?;
    }
    Ok(())
}

fn items(scope: &crate::scope::Scope<'_>, map: &Map, input: &Payload) -> Result<Payload, Failure> {
    let (items, refusal) = match &map.items {
        Items::Path(path) => {
            let items = match path.is_identity() {
                true => input.clone(),
                false => Payload::from_value(scope.find(path, input).map_err(|error| scope.invalid_path(path, error))?),
            };
            (items, scope.runtime(&format!("Reference path \"{}\" must point to array.", path.text())))
        }
        // SOURCE: recorded, `scenarios.json`: no location.
        Items::Template(None) => {
            (input.clone(), scope.query_error(None, &format!("Map state input must be an array but was: {}", input.text())))
        }
        Items::Template(Some(template)) => {
            let items = scope.expressions(States::of_input(input)).payload(template, "Items")?;
            let refusal = match template {
                Template::Expression(expression) => scope.unexpected_type(expression, "Items", "array", items.value()),
                Template::Literal(_) | Template::Object(_) | Template::Array(_) | Template::Path(_) | Template::Call(_) => {
                    scope.query_error(Some("Items"), &format!("Map state input must be an array but was: {}", items.text()))
                }
            };
            (items, refusal)
        }
    };
    if items.value().is_array() { Ok(items) } else { Err(refusal) }
}

fn begin_iteration(slice: &mut Slice<'_, '_, '_>, frame: FrameId, map: &Map, previous: EventId) -> Result<(), Halt> {
    let Some(iterations) = super::fan_out_of(slice, frame).and_then(|fan_out| fan_out.iterations.as_ref()) else { return Ok(()) };
    let index = iterations.next_index;
    let item = iterations.next_item().map_or(Value::Null, |(item, _)| Payload::trusted(item).value().clone());
    let input = match &map.item_selector {
        None => Payload::from_value(item),
        Some(selector) => {
            let mut scope = slice.scope(frame);
            scope.map_item = Some((index, item));
            let raw = &slice.visit(frame).input;
            match &map.flow {
                DataFlow::JsonPath(flow) => scope.template(Some(selector), &scope.data(&flow.input_path, raw)?)?,
                DataFlow::Jsonata(_) => scope.expressions(States::of_input(raw)).payload(selector, "ItemSelector")?,
            }
        }
    };
    slice.check_size(frame, &input)?;
    let name = Arc::clone(&slice.visit(frame).state);
    let start_at = Arc::clone(&slice.definition.state(map.processor.start_at).name);
    let iteration = FrameId(slice.execution.next_frame);
    slice.event(frame, previous, EventKind::MapIterationStarted { name, index, iteration, input, start_at })?;
    Ok(())
}

fn succeed(slice: &mut Slice<'_, '_, '_>, frame: FrameId, map: &Map) -> Result<(), Halt> {
    let Some(fan_out) = super::fan_out_of(slice, frame) else { return Ok(()) };
    let result = super::results(fan_out);
    slice.event(frame, slice.last(frame), EventKind::MapStateSucceeded)?;
    let outcome = slice.scope(frame).leave_with_result(&map.flow, &map.assign, &slice.visit(frame).input, &result)?;
    slice.exit(frame, StateType::Map, outcome, map.transition)
}
