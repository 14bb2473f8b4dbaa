//! Machines of one state, whose templates hold expressions.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value, json};

use super::{intrinsic, jsonata, jsonpath, name};

pub fn definition(bytes: &mut Unstructured<'_>) -> Result<String> {
    let is_jsonata = bytes.arbitrary::<bool>()?;
    let mut state = Map::new();
    let kind = *bytes.choose(&["Pass", "Task", "Wait", "Choice", "Map", "Fail", "Succeed"])?;
    state.insert("Type".to_owned(), kind.into());
    if is_jsonata {
        state.insert("QueryLanguage".to_owned(), "JSONata".into());
        grow_jsonata(kind, &mut state, bytes)?;
    } else {
        grow_jsonpath(kind, &mut state, bytes)?;
    }
    if !matches!(kind, "Choice" | "Fail" | "Succeed") {
        state.insert("End".to_owned(), true.into());
    }
    Ok(json!({"StartAt": "S", "States": {"S": state, "T": {"Type": "Succeed"}}}).to_string())
}

fn grow_jsonata(kind: &str, state: &mut Map<String, Value>, bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut put = |field: &str, value: Value| state.insert(field.to_owned(), value);
    let expression = |bytes: &mut Unstructured<'_>| Ok(Value::from(format!("{{% {} %}}", jsonata::expression(bytes)?)));
    if kind != "Fail" {
        put("Output", template(bytes, true, 0)?);
    }
    if bytes.arbitrary()? && !matches!(kind, "Fail" | "Succeed") {
        put("Assign", json!({"v": template(bytes, true, 1)?, "w": template(bytes, true, 1)?}));
    }
    match kind {
        "Task" => {
            put("Resource", "arn:aws:states:::lambda:invoke".into());
            put("Arguments", template(bytes, true, 0)?);
        }
        "Wait" => _ = put("Seconds", expression(bytes)?),
        "Choice" => {
            put("Choices", json!([{"Condition": expression(bytes)?, "Next": "T", "Output": template(bytes, true, 1)?}]));
            put("Default", "T".into());
        }
        "Map" => {
            put("Items", expression(bytes)?);
            put("ItemSelector", template(bytes, true, 0)?);
            put("ItemProcessor", json!({"StartAt": "I", "States": {"I": {"Type": "Pass", "QueryLanguage": "JSONata", "End": true}}}));
        }
        "Fail" => {
            put("Error", expression(bytes)?);
            put("Cause", expression(bytes)?);
        }
        _ => {}
    }
    Ok(())
}

fn grow_jsonpath(kind: &str, state: &mut Map<String, Value>, bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut put = |field: &str, value: Value| state.insert(field.to_owned(), value);
    if kind == "Fail" {
        put("ErrorPath", jsonpath::path(bytes)?.into());
        put("CausePath", intrinsic::call(bytes)?.into());
        return Ok(());
    }
    if bytes.ratio(1, 3)? {
        put("InputPath", jsonpath::path(bytes)?.into());
    }
    if bytes.ratio(1, 3)? {
        put("OutputPath", jsonpath::path(bytes)?.into());
    }
    if matches!(kind, "Pass" | "Task" | "Map") {
        put("ResultPath", json!(*bytes.choose(&[Some("$"), None, Some("$.a"), Some("$.b[5].a"), Some("$.c.b"), Some("$.new.x")])?));
        put(if kind == "Map" { "ItemSelector" } else { "Parameters" }, template(bytes, false, 0)?);
    }
    if bytes.arbitrary()? && kind != "Succeed" {
        put("Assign", json!({"v.$": text_evaluated(bytes)?, "w": template(bytes, false, 1)?}));
    }
    match kind {
        "Task" => {
            put("Resource", "arn:aws:lambda:us-east-1:123456789012:function:f".into());
            put("ResultSelector", template(bytes, false, 0)?);
            put("TimeoutSecondsPath", jsonpath::path(bytes)?.into());
        }
        "Wait" => _ = put(bytes.choose(&["SecondsPath", "TimestampPath"])?, jsonpath::path(bytes)?.into()),
        "Choice" => {
            let operator = *bytes.choose(&["StringEqualsPath", "NumericLessThanPath", "TimestampEqualsPath", "BooleanEqualsPath"])?;
            let rule = json!({"Variable": jsonpath::path(bytes)?, operator: jsonpath::path(bytes)?});
            let glob = json!({"Variable": jsonpath::path(bytes)?, "StringMatches": *bytes.choose(&["*a*b*", "**", "\\\\*", "a", ""])?});
            put("Choices", json!([{"Or": [rule, {"Not": glob}], "Next": "T"}]));
            put("Default", "T".into());
        }
        "Map" => {
            put("ItemsPath", jsonpath::path(bytes)?.into());
            put("ItemProcessor", json!({"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}));
        }
        _ => {}
    }
    Ok(())
}

fn template(bytes: &mut Unstructured<'_>, is_jsonata: bool, depth: usize) -> Result<Value> {
    if is_jsonata && (depth > 2 || bytes.arbitrary()?) {
        return Ok(format!("{{% {} %}}", jsonata::expression(bytes)?).into());
    }
    let mut members = Map::new();
    for _ in 0..bytes.int_in_range(1..=3)? {
        let key = name(bytes)?;
        match bytes.int_in_range(0..=4)? {
            0 if depth < 4 => _ = members.insert(key.to_owned(), template(bytes, is_jsonata, depth + 1)?),
            1 if depth < 4 => _ = members.insert(key.to_owned(), json!([template(bytes, is_jsonata, depth + 1)?, 1, null])),
            _ if is_jsonata => _ = members.insert(key.to_owned(), template(bytes, is_jsonata, depth + 3)?),
            _ => _ = members.insert(format!("{key}.$"), text_evaluated(bytes)?.into()),
        }
    }
    Ok(Value::Object(members))
}

fn text_evaluated(bytes: &mut Unstructured<'_>) -> Result<String> {
    if bytes.arbitrary()? { jsonpath::path(bytes) } else { intrinsic::call(bytes) }
}
