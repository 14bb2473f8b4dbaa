use serde_json::json;

use super::*;

fn event(id: u64, previous: u64, kind: &str, name: &str) -> Value {
    json!({ "id": id, "previousEventId": previous, "type": kind, "details": { "name": name } })
}

/// Two branches of one state each; `order` is the order of their exits.
fn branches(order: [&str; 2]) -> Vec<Value> {
    let entered = |name: &str| if name == "A" { 2 } else { 3 };
    vec![
        event(1, 0, "ParallelStateStarted", "P"),
        event(2, 1, "PassStateEntered", "A"),
        event(3, 1, "PassStateEntered", "B"),
        event(4, entered(order[0]), "PassStateExited", order[0]),
        event(5, entered(order[1]), "PassStateExited", order[1]),
        event(6, 5, "ParallelStateSucceeded", "P"),
    ]
}

fn outcome(case: Value, events: &[Value]) -> Result<(), String> {
    check(&case, events, &mut Bindings::default()).map_err(|error| error.to_string())
}

#[test]
fn events_are_compared_one_by_one() {
    let recorded = branches(["A", "B"]);
    let case = json!({ "expected": { "events": recorded } });
    assert_eq!(outcome(case.clone(), &recorded), Ok(()));
    assert!(outcome(case.clone(), &branches(["B", "A"])).is_err_and(|error| error.starts_with("event 4 PassStateExited")));
    assert_eq!(outcome(case.clone(), &recorded[..5]), Err("event 6 ParallelStateSucceeded: recorded, did not come".to_owned()));
    let mut longer = recorded;
    longer.push(event(7, 6, "ExecutionSucceeded", "x"));
    assert!(outcome(case, &longer).is_err_and(|error| error.starts_with("event 7 ExecutionSucceeded: not recorded")));
}

#[test]
fn another_interleaving_is_as_good_where_the_case_says_so() {
    let case = json!({ "order": "concurrent: another interleaving is as good", "expected": { "events": branches(["A", "B"]) } });
    assert_eq!(outcome(case.clone(), &branches(["B", "A"])), Ok(()));
    let mut crossed = branches(["B", "A"]);
    crossed[3]["previousEventId"] = json!(2);
    assert!(outcome(case.clone(), &crossed).is_err(), "B's exit does not follow A's beginning");
    let mut other = branches(["A", "B"]);
    other[4]["details"]["name"] = json!("C");
    assert!(outcome(case, &other).is_err());
}

#[test]
fn events_that_lost_their_ids_are_a_set() {
    let mut recorded = branches(["A", "B"]);
    for event in &mut recorded[1..5] {
        event["id"] = Value::Null;
        event["previousEventId"] = Value::Null;
    }
    let lost = recorded.remove(3);
    let case = json!({
        "order": "compare each run of events whose id is null as a set",
        "lost_events": { "ids": [4] },
        "expected": { "events": recorded },
    });
    assert_eq!(lost["details"]["name"], "A");
    assert_eq!(outcome(case.clone(), &branches(["A", "B"])), Ok(()));
    assert!(outcome(case, &branches(["B", "A"])).is_err(), "the lost event was A's exit");
}
