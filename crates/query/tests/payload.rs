//! Payloads: every line of `data/payload.txt`, limits, and numbers by value.

use std::cmp::Ordering;

use skald_query::payload::{PAYLOAD_DEPTH_MAX, SyntaxError, print, weigh};
use skald_query::{Payload, Value, number};

fn numbers(text: &str) -> Vec<serde_json::Number> {
    text.split_whitespace().map(|number| number::read(number).expect(number)).collect()
}

#[test]
fn every_text_has_its_tree() {
    let cases = include_str!("data/payload.txt");
    let mut wrong = Vec::new();
    let mut count = 0;
    // Lines end where a line feed stands: U+2028 is a character like any other.
    for line in cases.split('\n').filter(|line| !line.starts_with('#')) {
        let Some((text, expected)) = line.split_once(" => ") else { continue };
        count += 1;
        let expected = if expected == "same" { text } else { expected };
        let actual = match Payload::parse(text) {
            Ok(payload) => {
                assert_eq!(payload.text(), text, "byte for byte");
                print(payload.value())
            }
            Err(_) => "refused".to_owned(),
        };
        if actual != expected {
            wrong.push(format!("{text}\n  expected {expected}\n  actual   {actual}"));
        }
    }
    assert!(count > 60, "only {count} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_printed_tree_is_read_again() {
    for line in include_str!("data/payload.txt").split('\n') {
        let Some((text, _)) = line.split_once(" => ") else { continue };
        let Ok(payload) = Payload::parse(text) else { continue };
        let printed = Payload::from_value(payload.value().clone());
        let read = Payload::parse(printed.text()).expect("what is printed is JSON");
        assert_eq!((read.value(), read.text()), (payload.value(), printed.text()));
        let weight = weigh(payload.value());
        assert!(weight.bytes <= printed.byte_count() && weight.nodes > 0, "{text}: {weight:?}");
    }
}

#[test]
fn an_item_of_a_list_is_found_without_the_tree() {
    let item = r#"{"a":"[,]\\\"{","b":[1,[2,3]]}, [] ,"x\\" , 1.50, null"#;
    for (text, count) in
        [("[]".to_owned(), 0), (format!(" [ {item} ] "), 5), (format!("[{}{item}]", format!("{item},\n").repeat(1_000)), 5_005)]
    {
        let (payload, parsed) = (Payload::parse(text.as_str()).expect("JSON"), Payload::parse(text.as_str()).expect("JSON"));
        let items = std::iter::successors(payload.item_at(0), |(_, next)| payload.item_at(*next));
        let found: Vec<_> = items.map(|(item, _)| Payload::trusted(item).value().clone()).collect();
        assert_eq!(found.len(), count);
        assert_eq!(Some(&found), parsed.value().as_array());
        assert!(!payload.is_heavy(), "nothing large was parsed");
    }
    assert_eq!(Payload::trusted("{}").item_at(0), None);
}

#[test]
fn a_light_copy_shares_the_text_and_not_a_large_tree() {
    for (items, is_large) in [(10, false), (20_000, true)] {
        let payload = Payload::from_value(Value::from(vec![7; items]));
        assert!(!payload.is_heavy(), "the tree it was printed from is gone, if it was large");
        payload.value();
        assert_eq!(payload.is_heavy(), is_large);
        assert_eq!(payload.clone().is_heavy(), is_large, "clones share the tree");
        let light = payload.light();
        assert!(light.is_same(&payload) && !light.is_heavy());
        assert_eq!(light.opening_steps() > items as u64, is_large);
    }
}

#[test]
fn depth_has_a_limit() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let deepest = Payload::parse(nested(PAYLOAD_DEPTH_MAX)).expect("as deep as allowed");
        assert_eq!(print(deepest.value()), nested(PAYLOAD_DEPTH_MAX));
        assert_eq!(weigh(deepest.value()).nodes, PAYLOAD_DEPTH_MAX + 1);
        assert_eq!(Payload::parse(nested(PAYLOAD_DEPTH_MAX + 1)), Err(SyntaxError::TooDeep));
    }
}

/// `trusted` takes the caller's word; broken, it costs a wrong tree and no panic, loop or stack.
#[test]
fn a_text_that_was_never_checked_does_no_harm() {
    for line in include_str!("data/payload.txt").split('\n') {
        for end in (0..=line.len()).filter(|end| line.is_char_boundary(*end)) {
            let _ = Payload::trusted(&line[..end]).value();
            let _ = Payload::trusted(&line[end..]).value();
            let _ = Payload::trusted(format!("[{}", &line[end..])).value();
            let _ = Payload::trusted(format!("{{\"a\":{}", &line[..end])).value();
        }
    }
    let _ = Payload::trusted("[".repeat(1_000_000)).value();
}

#[test]
fn numbers_compare_by_value() {
    let ascending = "-1e999 -1e2 -99.5 -1 -0.5 -1e-999 0 1e-999 0.5 0.50001 1 1.5 9 10 10.01 9007199254740992 9007199254740993 \
                     123456789012345678901234567890 123456789012345678901234567891 1e999 1e99999999999999999999999999999999999999999";
    let ascending = numbers(ascending);
    for (left, a) in ascending.iter().enumerate() {
        for (right, b) in ascending.iter().enumerate() {
            assert_eq!(number::compare(a, b), left.cmp(&right), "{a} {b}");
        }
    }
    for same in ["1 1.0 1.00 1e0 10e-1 0.1e1 0.01E+2", "0 -0 0.0 -0.0 0e5 0.000e-7", "-12.5 -1.25e1 -125e-1", "100 1e2 1.0e2 0.1e3"] {
        let same = numbers(same);
        assert!(same.iter().all(|number| number::is_same(number, &same[0])), "{same:?}");
    }
    let exponent = "9".repeat(50);
    let (huge, tiny) = (numbers(&format!("1e{exponent}")), numbers(&format!("1e-{exponent}")));
    assert_eq!(number::compare(&huge[0], &tiny[0]), Ordering::Greater);
}

#[test]
fn numbers_are_integers_as_they_are_written() {
    for (text, integer, rounded) in [
        ("1", Some(1), Some(1)),
        ("-0", Some(0), Some(0)),
        ("1.0", None, Some(1)),
        ("1e0", None, Some(1)),
        ("-1.5", None, Some(-1)),
        ("0.5", None, Some(1)),
        ("-0.51", None, Some(-1)),
        ("0.49999999999999994", None, Some(0)),
        ("4503599627370497.0", None, Some(4_503_599_627_370_497)),
        ("9223372036854775807", Some(i64::MAX), Some(i64::MAX)),
        ("9223372036854775808", None, None),
        ("9.3e18", None, None),
        ("-9.3e18", None, None),
        ("1e999", None, None),
    ] {
        let number = number::read(text).expect(text);
        assert_eq!((number::integer(&number), number::rounded(&number)), (integer, rounded), "{text}");
        assert_eq!(number::is_integer(&number), !text.contains(['.', 'e']), "{text}");
    }
}

#[test]
fn what_rust_makes_a_number_is_the_same_number() {
    let Value::Array(values) = serde_json::json!([1, -1, 1.5, 1.0, u64::MAX]) else { panic!("a list") };
    assert_eq!(print(&Value::Array(values)), "[1,-1,1.5,1.0,18446744073709551615]");
}
