//! What an accepted definition becomes, where findings lie in the text, and that no text breaks the parser.

use std::panic::catch_unwind;

use skald_asl::data_flow::{DataPath, Number, ResultPath};
use skald_asl::diagnostic::locate;
use skald_asl::parse::{MachineType, Options, diagnose, parse};
use skald_asl::retry::Jitter;
use skald_asl::states::{Comparator, Items, Mode, Operand, Order, Pattern, Resource, Test, TextPattern, Until};
use skald_asl::template::{Field, Template};
use skald_asl::{Code, Definition, StateKind, Transition};

const ORDER_SAGA: &str = include_str!("data/order-saga.asl.json");

const EVERYTHING: &str = include_str!("data/everything.asl.json");

fn accepted(text: &str) -> Definition {
    match parse(text, &Options::default()) {
        Ok(parsed) => parsed.definition,
        Err(errors) => panic!("{errors:#?}"),
    }
}

fn state<'d>(definition: &'d Definition, name: &str) -> &'d StateKind {
    &definition.state(definition.find(name).unwrap_or_else(|| panic!("no state {name}"))).kind
}

#[test]
fn the_order_saga_is_taken_as_printed() {
    let parsed = parse(ORDER_SAGA, &Options::default()).expect("no errors");
    assert_eq!(parsed.definition.states().len(), 7);
    assert_eq!(parsed.warnings.len(), 6);
    assert!(parsed.warnings.iter().all(|warning| warning.code == Code::PlaceholderArn));
    let StateKind::Task(task) = state(&parsed.definition, "CreateOrder") else { panic!("no task") };
    let arn = "arn:aws:lambda:region:acct:function:createOrder".to_owned();
    assert_eq!(task.resource, Resource::Lambda { arn });
    assert_eq!(task.catchers[0].next, parsed.definition.find("FailSaga").expect("a state"));
    assert_eq!(task.catchers[0].result_path, ResultPath::default());
}

#[test]
fn states_of_all_blocks_are_in_one_table() {
    let definition = accepted(EVERYTHING);
    let names: Vec<&str> = definition.states().iter().map(|state| &*state.name).collect();
    assert_eq!(names, ["Shape", "Call", "Decide", "Hold", "Fork", "Each", "Done", "Broken", "Left", "Right", "Item"]);
    for name in names {
        assert_eq!(&*definition.state(definition.find(name).expect("listed")).name, name);
    }
    assert_eq!((definition.start_at, definition.timeout_seconds), (definition.find("Shape").expect("listed"), Some(0)));
    let StateKind::Parallel(fork) = state(&definition, "Fork") else { panic!("no Parallel") };
    let starts: Vec<_> = fork.branches.iter().map(|branch| Some(branch.start_at)).collect();
    assert_eq!(starts, [definition.find("Left"), definition.find("Right")]);
    let StateKind::Map(each) = state(&definition, "Each") else { panic!("no Map") };
    assert_eq!(Some(each.processor.start_at), definition.find("Item"));
    let Items::Path(items) = &each.items else { panic!("no path") };
    assert_eq!((items.text(), &each.max_concurrency, &each.mode), ("$.list[*]", &Number::Literal(2), &Mode::Inline));
}

#[test]
fn a_pass_keeps_its_paths_and_its_result() {
    let definition = accepted(EVERYTHING);
    let StateKind::Pass(pass) = state(&definition, "Shape") else { panic!("no Pass") };
    let flow = pass.flow.paths().expect("it speaks JSONPath");
    assert_eq!((&flow.input_path, &flow.result_path), (&DataPath::Null, &ResultPath::Discard));
    assert_eq!(pass.result.as_ref().map(|result| result.text()), Some(r#"{"b":1,"a":[1.5,null]}"#));
    let Some(Template::Object(fields)) = &flow.parameters else { panic!("nothing to evaluate") };
    let [fixed, list, taken] = &fields[..] else { panic!("{fields:?}") };
    assert!(matches!(fixed, Field { key, value: Template::Literal(_) } if key == "fixed"));
    assert!(matches!(taken, Field { key, value: Template::Path(path) } if key == "taken" && path.text() == "$.a"));
    let Template::Array(items) = &list.value else { panic!("no list") };
    assert!(matches!(items[..], [Template::Literal(_), Template::Object(_)]));
}

#[test]
fn a_task_has_its_defaults() {
    let definition = accepted(EVERYTHING);
    let StateKind::Task(task) = state(&definition, "Call") else { panic!("no Task") };
    let (service, action) = ("states".to_owned(), "startExecution".to_owned());
    assert_eq!(task.resource, Resource::Service { service, action, pattern: Pattern::Sync2 });
    let [plain, tuned] = &task.retriers[..] else { panic!("two retriers") };
    assert_eq!((plain.interval_seconds, plain.max_attempts, plain.backoff_rate, plain.jitter), (1, 3, 2.0, Jitter::None));
    assert_eq!((tuned.interval_seconds, tuned.max_attempts, tuned.max_delay_seconds, tuned.jitter), (0, 0, Some(9), Jitter::Full));
    assert!(matches!(&task.timeout, Some(Number::Path(path)) if path.text() == "$.limit"));
    assert_eq!(task.heartbeat, None);
}

#[test]
fn choice_rules_keep_their_shape() {
    let definition = accepted(EVERYTHING);
    let StateKind::Choice(choice) = state(&definition, "Decide") else { panic!("no Choice") };
    let Test::And(tests) = &choice.rules[0].test else { panic!("no And") };
    let [Test::Not(not), Test::Compare { comparator, .. }, Test::Compare { comparator: matches, .. }] = &tests[..] else {
        panic!("{tests:?}")
    };
    assert!(matches!(**not, Test::Compare { comparator: Comparator::Is { expected: true, .. }, .. }));
    assert!(
        matches!(comparator, Comparator::Number { order: Order::LessOrEqual, operand: Operand::Literal(number) } if number.to_string() == "1.5")
    );
    let pieces = ["log-", "*.t", ""].map(str::to_owned).to_vec();
    assert!(matches!(matches, Comparator::TextMatches(pattern) if *pattern == TextPattern { pieces: pieces.clone() }));
    assert_eq!(choice.default, definition.find("Done"));
    let StateKind::Wait(wait) = state(&definition, "Hold") else { panic!("no Wait") };
    assert_eq!(wait.until, Until::Seconds(7));
    assert_eq!(wait.transition, Transition::Next(definition.find("Fork").expect("listed")));
}

#[test]
fn all_comparison_operators_are_known() {
    let mut count = 0;
    for (family, operand) in [("String", r#""a""#), ("Numeric", "1"), ("Timestamp", r#""2020-01-01T00:00:00Z""#), ("Boolean", "true")] {
        for order in ["Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals"] {
            if family == "Boolean" && order != "Equals" {
                continue;
            }
            check_comparison(&format!("{family}{order}"), operand);
            check_comparison(&format!("{family}{order}Path"), r#""$$.State.Name""#);
            count += 2;
        }
    }
    for test in ["IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp"] {
        check_comparison(test, "false");
        count += 1;
    }
    check_comparison("StringMatches", r#""a*""#);
    assert_eq!(count + 1, 39);
}

fn check_comparison(name: &str, operand: &str) {
    accepted(&format!(
        r#"{{"StartAt":"C","States":{{"C":{{"Type":"Choice","Choices":[{{"Variable":"$.v","{name}":{operand},"Next":"S"}}]}},"S":{{"Type":"Succeed"}}}}}}"#
    ));
}

#[test]
fn findings_are_found_in_the_text() {
    let text = "{\n  \"StartAt\": \"A/B\",\n  \"States\": {\n    \"A\": {},\n    \"A/B\": { \"Choices\": [ {\"Next\": \"ü\"},\n      {\"x\\\"\": [1, 2]} ], \"End\": true }\n  }\n}";
    for (location, place) in [
        ("/", (1, 1)),
        ("/StartAt", (2, 14)),
        ("/States/A", (4, 10)),
        ("/States/A/B", (5, 12)),
        ("/States/A/B/Choices[0]/Next", (5, 36)),
        ("/States/A/B/Choices[1]", (6, 7)),
        ("/States/A/B/Choices[1]/x\"[1]", (6, 19)),
        ("/States/A/B/Choices[2]/Next", (5, 25)),
        ("/States/A/B/End", (6, 33)),
        ("/States/A/Type", (4, 10)),
    ] {
        assert_eq!(locate(text, location), Some(place), "{location}");
    }
    assert_eq!(locate(text, "[Source: …]"), None);
    assert_eq!(locate("{\"a\": ", "/a/b"), None);
}

#[test]
fn no_text_breaks_the_parser() {
    let options = [MachineType::Standard, MachineType::Express].map(|machine_type| Options { machine_type });
    let check = |text: &str| {
        let outcome = catch_unwind(|| {
            for options in &options {
                for finding in diagnose(text, options) {
                    finding.location.as_deref().map(|location| locate(text, location));
                }
                assert!(parse(text, options).map_or_else(|errors| !errors.is_empty(), |_| true), "refused without a reason");
            }
        });
        assert!(outcome.is_ok(), "panicked at\n{text}");
    };
    let broken = include_str!("data/findings.md");
    for text in [EVERYTHING, ORDER_SAGA] {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            check(&text[..end]);
        }
        for (changed, count) in mutations(text) {
            check(&changed);
            assert!(count > 0);
        }
    }
    for definition in broken.split("```json\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
        check(definition);
        for (changed, _) in mutations(definition) {
            check(&changed);
        }
    }
}

/// The definition with each of its values in turn replaced by one of another type, and with each of its members left out.
fn mutations(text: &str) -> Vec<(String, usize)> {
    let Ok(document) = serde_json::from_str::<serde_json::Value>(text) else { return Vec::new() };
    let count = count_values(&document);
    let replacements = ["null", "true", "-1", "1e300", r#""""#, r#""$.x""#, "[]", "{}", "[[{}]]", r#"{"a.$":"$$$"}"#];
    let mut changed = Vec::new();
    for place in 0..count {
        for replacement in replacements {
            let mut copy = document.clone();
            let replacement = serde_json::from_str(replacement).expect("JSON");
            replace(&mut copy, &mut place.clone(), Some(&replacement));
            changed.push((copy.to_string(), count));
        }
        let mut copy = document.clone();
        replace(&mut copy, &mut place.clone(), None);
        changed.push((copy.to_string(), count));
    }
    changed
}

fn count_values(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(count_values).sum::<usize>(),
        serde_json::Value::Object(members) => 1 + members.values().map(count_values).sum::<usize>(),
        _ => 1,
    }
}

/// Replaces, or removes from its parent, the value that `place` others precede.
fn replace(value: &mut serde_json::Value, place: &mut usize, replacement: Option<&serde_json::Value>) -> bool {
    if *place == 0 {
        if let Some(replacement) = replacement {
            *value = replacement.clone();
        }
        return true;
    }
    *place -= 1;
    match value {
        serde_json::Value::Array(items) => {
            for index in 0..items.len() {
                let is_it = *place == 0;
                if replace(&mut items[index], place, replacement) {
                    if is_it && replacement.is_none() {
                        items.remove(index);
                    }
                    return true;
                }
            }
            false
        }
        serde_json::Value::Object(members) => {
            let keys: Vec<String> = members.keys().cloned().collect();
            for key in keys {
                let is_it = *place == 0;
                if replace(&mut members[&key], place, replacement) {
                    if is_it && replacement.is_none() {
                        members.shift_remove(&key);
                    }
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}
