use serde_json::json;

use super::*;

#[track_caller]
fn check(recorded: Value, actual: Value, beyond: Beyond, difference: Option<&str>) {
    let outcome = compare(&recorded, &actual, beyond, &mut Bindings::default(), "it");
    assert_eq!(outcome.err().map(|error| error.to_string()).as_deref(), difference);
}

#[test]
fn a_variable_is_the_same_text_everywhere() {
    let recorded = json!(["arn:{{name:1}}:x", "{{name:1}}"]);
    check(recorded.clone(), json!(["arn:a:b:x", "a:b"]), Beyond::Refused, None);
    check(recorded, json!(["arn:a:b:x", "a"]), Beyond::Refused, Some(r#"it[1]: recorded "{{name:1}}", came "a""#));
}

#[test]
fn anything_is_anything_and_binds_nothing() {
    check(json!(["{{any:date}}", "{{any:date}}"]), json!([1, { "a": 2 }]), Beyond::Refused, None);
    check(json!(["{{any:x}}-1", "{{any:x}}-1"]), json!(["a-1", "b-1"]), Beyond::Refused, None);
}

#[test]
fn parsed_strings_are_compared_as_values_and_to_the_last_member() {
    check(json!({ "output": { "a": 1 } }), json!({ "output": "{ \"a\": 1 }", "more": 1 }), Beyond::Allowed, None);
    let difference = Some("it.output.b: not recorded, came 2");
    check(json!({ "output": { "a": 1 } }), json!({ "output": "{\"a\":1,\"b\":2}" }), Beyond::Allowed, difference);
    check(json!("[1, 2]"), json!("[1,2]"), Beyond::Refused, None);
    check(json!("[1]"), json!("[1.0]"), Beyond::Refused, Some("it[0]: recorded 1, came 1.0"));
    check(json!("1"), json!("1.0"), Beyond::Refused, Some(r#"it: recorded "1", came "1.0""#));
}

#[test]
fn fractions_are_the_same_however_they_are_written() {
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    check(read("[1.0, 1e22, 100.0]"), read("[1.00, 1.0E22, 1E2]"), Beyond::Refused, None);
    check(read("[100]"), read("[100.0]"), Beyond::Refused, Some("it[0]: recorded 100, came 100.0"));
}

#[test]
fn nothing_is_not_null() {
    check(json!({ "a": null }), json!({}), Beyond::Allowed, Some("it.a: recorded null, came nothing"));
    check(json!({}), json!({ "a": null }), Beyond::Refused, Some("it.a: not recorded, came null"));
}

#[test]
fn known_variables_are_filled_in() {
    let mut bindings = Bindings::default();
    compare(&json!("x:{{name}}"), &json!("x:y"), Beyond::Refused, &mut bindings, "it").expect("it matches");
    assert_eq!(bindings.fill("{{name}}/{{other}}"), "y/{{other}}");
}
