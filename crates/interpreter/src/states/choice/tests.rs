use serde_json::json;
use skald_asl::StateKind;
use skald_asl::parse::{Options, parse};

use super::*;

/// A machine whose Choice has these rules; each leads to the Pass named in its `Next`.
fn choose_among(rules: &Value, default: Option<&str>, input: &Value) -> Result<Option<String>, Error> {
    choose_within(rules, default, input, 1_000_000)
}

fn choose_within(rules: &Value, default: Option<&str>, input: &Value, steps: u64) -> Result<Option<String>, Error> {
    let mut states = json!({ "Pick": { "Type": "Choice", "Choices": rules } });
    let targets = rules.as_array().into_iter().flatten().filter_map(|rule| rule["Next"].as_str()).chain(default);
    for target in targets {
        states[target] = json!({ "Type": "Pass", "End": true });
    }
    if let Some(default) = default {
        states["Pick"]["Default"] = json!(default);
    }
    let text = json!({ "StartAt": "Pick", "States": states }).to_string();
    let definition = parse(&text, &Options::default()).expect("the case is a valid definition").definition;
    let StateKind::Choice(choice) = &definition.state(definition.start_at).kind else { panic!("the machine starts with its Choice") };
    let context_object = json!({ "State": { "Name": "Pick" }, "Numbers": { "Two": 2 } });
    let beside = |path: &Path| (*path.root() == Root::Context).then_some(&context_object);
    let chosen = choose(choice, input, &beside, &mut Budget::of_steps(steps), &mut |_, _| panic!("these rules are of JSONPath"));
    let chosen = chosen.map_err(|refusal| match refusal {
        Refusal::Test(error) => error,
        Refusal::Condition(failure) => panic!("these rules are of JSONPath: {failure:?}"),
    })?;
    Ok(chosen.map(|(_, rule)| rule.next).or(choice.default).map(|id| definition.state(id).name.to_string()))
}

/// Whether the rule `test` holds for `input`.
fn holds(test: &Value, input: &Value) -> Result<bool, Error> {
    let mut rule = test.clone();
    rule["Next"] = json!("Yes");
    choose_among(&json!([rule]), None, input).map(|chosen| chosen.is_some())
}

fn check(cases: &[(Value, Value, bool)]) {
    for (test, input, expected) in cases {
        assert_eq!(holds(test, input), Ok(*expected), "{test} for {input}");
    }
}

/// Each operator against a variable `v`: what holds, and what does not.
fn check_operator(operator: &str, operand: &Value, holding: &[Value], not_holding: &[Value]) {
    for (values, expected) in [(holding, true), (not_holding, false)] {
        for value in values {
            let input = json!({ "v": value, "operand": operand });
            let literal = json!({ "Variable": "$.v", operator: operand });
            assert_eq!(holds(&literal, &input), Ok(expected), "{literal} for {input}");
            if !operator.starts_with("Is") && operator != "StringMatches" {
                let path = json!({ "Variable": "$.v", format!("{operator}Path"): "$.operand" });
                assert_eq!(holds(&path, &input), Ok(expected), "{path} for {input}");
            }
        }
    }
}

#[test]
fn text_is_ordered_by_utf16_code_units() {
    check_operator("StringEquals", &json!("b"), &[json!("b")], &[json!("B"), json!("b "), json!(""), json!(1), json!(null), json!(["b"])]);
    check_operator("StringLessThan", &json!("b"), &[json!("a"), json!(""), json!("B"), json!("azz")], &[json!("b"), json!("ba"), json!(0)]);
    check_operator("StringLessThanEquals", &json!("b"), &[json!("a"), json!("b")], &[json!("ba"), json!(false)]);
    check_operator("StringGreaterThan", &json!("b"), &[json!("ba"), json!("c"), json!("é")], &[json!("b"), json!("a"), json!({})]);
    check_operator("StringGreaterThanEquals", &json!("b"), &[json!("b"), json!("ba")], &[json!("a"), json!([])]);
    // U+1F600 is D83D DE00 in UTF-16: before U+FF61, although its code point is after it.
    check_operator("StringLessThan", &json!("\u{FF61}"), &[json!("\u{1F600}")], &[json!("\u{FF62}")]);
}

#[test]
fn numbers_compare_by_value_however_long() {
    check_operator("NumericEquals", &json!(1), &[json!(1), json!(1.0), json!(1e0)], &[json!(1.5), json!("1"), json!(true), json!(null)]);
    check_operator("NumericLessThan", &json!(1.5), &[json!(1), json!(-7)], &[json!(1.5), json!(2), json!("1")]);
    check_operator("NumericLessThanEquals", &json!(1.5), &[json!(1.5), json!(0)], &[json!(1.6)]);
    check_operator("NumericGreaterThan", &json!(0), &[json!(0.1), json!(u64::MAX)], &[json!(0), json!(-0.0), json!([1])]);
    check_operator("NumericGreaterThanEquals", &json!(0), &[json!(0), json!(3)], &[json!(-1), json!("3")]);
    // As doubles, the two are one.
    check_operator("NumericEquals", &json!(9_007_199_254_740_993_u64), &[], &[json!(9_007_199_254_740_992_u64)]);
}

#[test]
fn booleans_are_not_coerced() {
    check_operator("BooleanEquals", &json!(true), &[json!(true)], &[json!(false), json!("true"), json!(1), json!(null)]);
    check_operator("BooleanEquals", &json!(false), &[json!(false)], &[json!(true), json!(0), json!("")]);
}

#[test]
fn timestamps_compare_as_instants() {
    let noon = json!("2024-05-01T12:00:00Z");
    let (same, later, earlier) = (json!("2024-05-01T14:00:00+02:00"), json!("2024-05-01T12:00:00.001Z"), json!("2024-05-01T11:59:59Z"));
    let never = [json!("2024-05-01"), json!("noon"), json!(1_714_564_800), json!(null)];
    check_operator("TimestampEquals", &noon, &[noon.clone(), same.clone()], &[later.clone(), earlier.clone()]);
    check_operator("TimestampLessThan", &noon, std::slice::from_ref(&earlier), &[noon.clone(), later.clone()]);
    check_operator("TimestampLessThanEquals", &noon, &[earlier.clone(), same.clone()], std::slice::from_ref(&later));
    check_operator("TimestampGreaterThan", &noon, std::slice::from_ref(&later), &[same.clone(), earlier.clone()]);
    check_operator("TimestampGreaterThanEquals", &noon, &[later, same], &[earlier]);
    for operator in ["TimestampEquals", "TimestampLessThan", "TimestampGreaterThanEquals"] {
        check_operator(operator, &noon, &[], &never);
    }
}

#[test]
fn type_tests_say_what_a_value_is() {
    let (text, instant, number, truth, null) = (json!("x"), json!("2024-05-01T12:00:00Z"), json!(0), json!(false), json!(null));
    let (list, object) = (json!([]), json!({}));
    let everything = [&text, &instant, &number, &truth, &null, &list, &object].map(Clone::clone);
    let of_type: [(&str, &[&Value]); 6] = [
        ("IsPresent", &[&text, &instant, &number, &truth, &null, &list, &object]),
        ("IsNull", &[&null]),
        ("IsNumeric", &[&number]),
        ("IsString", &[&text, &instant]),
        ("IsBoolean", &[&truth]),
        ("IsTimestamp", &[&instant]),
    ];
    for (test, members) in of_type {
        let (inside, outside): (Vec<Value>, Vec<Value>) = everything.iter().cloned().partition(|value| members.contains(&value));
        check_operator(test, &json!(true), &inside, &outside);
        check_operator(test, &json!(false), &outside, &inside);
    }
}

#[test]
fn patterns_fit_the_whole_text() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("log-*.txt", &["log-.txt", "log-1.txt", "log-.txt.txt"], &["log.txt", "xlog-1.txt", "log-1.txt "]),
        ("*", &["", "a", "*"], &[]),
        ("", &[""], &["a"]),
        ("a*a", &["aa", "aba", "aaa"], &["a", "ab"]),
        ("*b*", &["b", "abc", "bb"], &["", "ac"]),
        ("a*b*c*d", &["abcd", "a-b-c-d", "abbccdd"], &["acbd", "abc", "abcde"]),
        ("*ab*ab", &["abab", "xabyab", "ababab"], &["ab", "aba"]),
        ("**", &["", "x"], &[]),
        (r"a\*b", &["a*b"], &["axb", "ab"]),
        (r"a\\*", &[r"a\", r"a\x"], &["a", "ax"]),
        (r"a\b*", &[r"a\b", r"a\bc"], &["ab"]),
        ("é*", &["é", "été"], &["e"]),
    ];
    for (pattern, fitting, not_fitting) in cases {
        let texts = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect::<Vec<_>>();
        check_operator("StringMatches", &json!(pattern), &texts(fitting), &texts(not_fitting));
    }
    check_operator("StringMatches", &json!("*"), &[], &[json!(1), json!(null), json!(["a"])]);
}

#[test]
fn combinations_look_only_as_far_as_they_must() {
    let yes = json!({ "Variable": "$.v", "IsPresent": true });
    let no = json!({ "Variable": "$.v", "IsPresent": false });
    let broken = json!({ "Variable": "$.missing", "IsNull": true });
    let input = json!({ "v": 1 });
    check(&[
        (json!({ "And": [yes, yes] }), input.clone(), true),
        (json!({ "And": [yes, no] }), input.clone(), false),
        (json!({ "And": [no, broken] }), input.clone(), false),
        (json!({ "Or": [no, yes] }), input.clone(), true),
        (json!({ "Or": [no, no] }), input.clone(), false),
        (json!({ "Or": [yes, broken] }), input.clone(), true),
        (json!({ "Not": no }), input.clone(), true),
        (json!({ "Not": { "Or": [no, { "And": [yes, yes] }] } }), input.clone(), false),
    ]);
    for test in [json!({ "And": [yes, broken] }), json!({ "Or": [no, broken] }), json!({ "Not": broken })] {
        assert!(holds(&test, &input).is_err(), "{test}");
    }
}

#[test]
fn the_first_rule_that_holds_leads_on() {
    let rules = json!([
        { "Variable": "$.n", "NumericGreaterThan": 10, "Next": "Big" },
        { "Variable": "$.n", "NumericGreaterThan": 5, "Next": "Middle" },
        { "Variable": "$.n", "NumericGreaterThan": 1, "Next": "Small" },
    ]);
    let cases = [(20, Some("Else"), Some("Big")), (7, Some("Else"), Some("Middle")), (0, Some("Else"), Some("Else")), (0, None, None)];
    for (n, default, expected) in cases {
        let chosen = choose_among(&rules, default, &json!({ "n": n }));
        assert_eq!(chosen, Ok(expected.map(str::to_owned)), "{n} with {default:?}");
    }
}

#[test]
fn paths_lead_into_the_input_and_the_context_object() {
    let input = json!({ "n": 2, "list": [1, 2], "deep": { "s": "Pick" } });
    check(&[
        (json!({ "Variable": "$$.State.Name", "StringEquals": "Pick" }), input.clone(), true),
        (json!({ "Variable": "$$.Numbers.Two", "NumericEqualsPath": "$.n" }), input.clone(), true),
        (json!({ "Variable": "$.deep.s", "StringEqualsPath": "$$.State.Name" }), input.clone(), true),
        (json!({ "Variable": "$.list[1]", "NumericEquals": 2 }), input.clone(), true),
        // A list that a path collects is present, and of no simple type.
        (json!({ "Variable": "$.list[*]", "IsPresent": true }), input.clone(), true),
        (json!({ "Variable": "$.list[*]", "IsNumeric": true }), input.clone(), false),
        (json!({ "Variable": "$.list[*]", "NumericEquals": 1 }), input.clone(), false),
        (json!({ "Variable": "$$.Nothing", "IsPresent": false }), input.clone(), true),
    ]);
}

#[test]
fn what_is_missing_or_of_another_type_is_named() {
    let input = json!({ "n": 1, "s": "x" });
    let cases = [
        (json!({ "Variable": "$.x", "NumericEquals": 1 }), "$.x"),
        (json!({ "Variable": "$.x", "IsNull": true }), "$.x"),
        (json!({ "Variable": "$.x.y", "StringMatches": "*" }), "$.x.y"),
        (json!({ "Variable": "$.n", "NumericEqualsPath": "$.y" }), "$.y"),
        (json!({ "Variable": "$.n", "NumericEqualsPath": "$.s" }), "$.s"),
        (json!({ "Variable": "$.s", "TimestampEqualsPath": "$.s" }), "$.s"),
        // The operand must be right also where the variable's type already decides.
        (json!({ "Variable": "$.s", "BooleanEqualsPath": "$.y" }), "$.y"),
    ];
    for (test, path) in cases {
        let text = holds(&test, &input).map_err(|error| error.to_string());
        assert_eq!(text, Err(format!("Invalid path '{path}': The choice state's condition path references an invalid value.")), "{test}");
    }
}

#[test]
fn work_is_counted() {
    let rules = json!([{ "Variable": "$.s", "StringMatches": "*a*", "Next": "Yes" }]);
    let input = json!({ "s": "b".repeat(64_000) });
    assert_eq!(choose_within(&rules, None, &input, 1_100), Ok(None));
    assert_eq!(choose_within(&rules, None, &input, 900), Err(Error::Exhausted { path: "$.s".to_owned() }));
    assert_eq!(choose_within(&rules, None, &input, 0), Err(Error::Exhausted { path: "$.s".to_owned() }));
}
