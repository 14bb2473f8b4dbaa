use serde_json::json;

use super::*;

fn members(value: Value) -> Members {
    match value {
        Value::Object(map) => Members::root(map),
        other => panic!("{other} is no object"),
    }
}

fn message(members: Members) -> String {
    members.finish().expect_err("a broken constraint").message
}

#[test]
fn texts_are_the_frameworks() {
    let mut all = members(json!({
        "name": "", "definition": "", "maxResults": 1001, "low": -1, "status": "succeeded", "missing": null,
    }));
    let _ = all.text("name", 1..=80, Shown::Plain);
    let _ = all.text("definition", 1..=80, Shown::Sensitive);
    let _ = all.integer("maxResults", 0..=1000);
    let _ = all.integer("low", 0..=1000);
    let _ = all.one_of("status", &["SUCCEEDED", "RUNNING"]);
    let _ = all.required_text("missing", 1..=80, Shown::Plain);
    assert_eq!(
        message(all),
        "6 validation errors detected: \
         Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1; \
         Value at 'definition' failed to satisfy constraint: Member must have length greater than or equal to 1; \
         Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000; \
         Value '-1' at 'low' failed to satisfy constraint: Member must have value greater than or equal to 0; \
         Value 'succeeded' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [SUCCEEDED, RUNNING]; \
         Value null at 'missing' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn one_error_is_singular() {
    let mut one = members(json!({ "name": "ab" }));
    let _ = one.text("name", 0..=1, Shown::Plain);
    assert_eq!(
        message(one),
        "1 validation error detected: Value 'ab' at 'name' failed to satisfy constraint: Member must have length less than or equal to 1"
    );
}

#[test]
fn paths_lead_into_lists_from_1() {
    let mut root = members(json!({ "tags": [{ "key": "a" }, { "key": "" }] }));
    for mut tag in root.structures("tags").expect("a list").expect("tags") {
        let _ = tag.text("key", 1..=128, Shown::Plain);
        root.adopt(tag);
    }
    assert!(message(root).contains("Value '' at 'tags.2.member.key' failed"));
}

#[test]
fn lengths_count_utf_16_units() {
    let mut root = members(json!({ "plain": "ä".repeat(80), "astral": "😀".repeat(41) }));
    let _ = root.text("plain", 1..=80, Shown::Plain);
    let _ = root.text("astral", 1..=80, Shown::Plain);
    assert!(message(root).starts_with("1 validation error detected: Value '😀"));
}

#[test]
fn wrong_types_end_the_reading() {
    let value = json!({ "number": 1, "text": "a", "truth": true, "list": [], "map": {}, "fraction": 1.5, "numbers": [1] });
    let mut root = members(value.clone());
    let kinds = [
        root.text("number", 0..=9, Shown::Plain).expect_err("no text"),
        root.integer("text", 0..=9).expect_err("no number"),
        root.integer("fraction", 0..=9).expect_err("no integer"),
        root.boolean("list").expect_err("no truth"),
        root.one_of("map", &["A"]).expect_err("no text"),
        root.structure("truth").expect_err("no structure"),
        root.structures("numbers").expect_err("no structures"),
    ];
    assert!(kinds.iter().all(|error| error.kind == "SerializationException"));
    let mut again = members(value);
    assert_eq!(again.text("number", 0..=9, Shown::Plain).expect_err("no text").message, "NUMBER_VALUE cannot be converted to String");
}

#[test]
fn null_is_absent_and_unknown_members_are_ignored() {
    let mut root = members(json!({ "name": null, "future": { "a": 1 } }));
    assert_eq!(root.text("name", 1..=80, Shown::Plain).expect("absent"), None);
    assert_eq!(root.boolean("flag").expect("absent"), None);
    root.finish().expect("nothing is wrong");
}
