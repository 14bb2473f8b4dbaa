//! Map, inline: runs its processor once for each item, so many at a time.

use std::sync::Arc;

use serde_json::Value;
use skald_asl::states::Map;
use skald_query::Payload;

use crate::decide::{Halt, Slice};
use crate::event::{EventId, EventKind, FrameId, StateType};
use crate::failure::Failure;

/// SOURCE: limits.md §1, "inline Map concurrency".
const CONCURRENCY_MAX: u32 = 40;

pub(crate) fn enter(slice: &mut Slice<'_, '_, '_>, frame: FrameId, map: &Map, name: &Arc<str>, raw: Payload) -> Result<(), Halt> {
    slice.entered(frame, StateType::Map, name, raw, None)?;
    fan_out(slice, frame, map)
}

/// Starts the first iterations: on entering, and again on each retry.
pub(crate) fn fan_out(slice: &mut Slice<'_, '_, '_>, frame: FrameId, map: &Map) -> Result<(), Halt> {
    let scope = slice.scope(frame);
    let input = scope.data(&map.input_path, &slice.visit(frame).input)?;
    let items = items(&scope, map, &input)?;
    let concurrency = match scope.number("MaxConcurrencyPath", &map.max_concurrency, &input)? {
        0 => CONCURRENCY_MAX,
        wanted => u32::try_from(wanted).unwrap_or(CONCURRENCY_MAX).min(CONCURRENCY_MAX),
    };
    let length = items.value().as_array().map_or(0, Vec::len);
    let length = u32::try_from(length).expect("a payload of 256 KiB has fewer items");
    let started = slice.event(frame, slice.last(frame), EventKind::MapStateStarted { length, items, concurrency })?;
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
    let items = if map.items_path.is_identity() {
        input.clone()
    } else {
        Payload::from_value(scope.find(&map.items_path, input).map_err(|error| scope.invalid_path(&map.items_path, error))?)
    };
    if !items.value().is_array() {
        return Err(scope.runtime(&format!("Reference path \"{}\" must point to array.", map.items_path.text())));
    }
    Ok(items)
}

fn begin_iteration(slice: &mut Slice<'_, '_, '_>, frame: FrameId, map: &Map, previous: EventId) -> Result<(), Halt> {
    let Some(iterations) = super::fan_out_of(slice, frame).and_then(|fan_out| fan_out.iterations.as_ref()) else { return Ok(()) };
    let (index, items) = (iterations.next_index, iterations.items.clone());
    let item = items.value().get(index as usize).cloned().unwrap_or(Value::Null);
    let input = match &map.item_selector {
        None => Payload::from_value(item),
        Some(selector) => {
            let mut scope = slice.scope(frame);
            let input = scope.data(&map.input_path, &slice.visit(frame).input)?;
            scope.map_item = Some((index, item));
            scope.template(Some(selector), &input)?
        }
    };
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
    let scope = slice.scope(frame);
    let raw = &slice.visit(frame).input;
    let selected = scope.template(map.result_selector.as_ref(), &result)?;
    let merged = scope.result(&map.result_path, raw, selected)?;
    let output = scope.data(&map.output_path, &merged)?;
    slice.exit(frame, StateType::Map, output, map.transition)
}
