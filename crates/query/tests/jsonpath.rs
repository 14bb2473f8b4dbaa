//! JSONPath through its public face: every line of the data files, writing, and the limits.

use skald_query::jsonpath::{EvalError, Found, Path, ReferencePath, Root};
use skald_query::{Budget, Payload, Value};

const PLENTY: u64 = 1_000_000;

fn json(text: &str) -> Value {
    Payload::parse(text).expect("the test writes JSON").value().clone()
}

/// The result of a path, spelled as in the data file.
fn outcome(path: &str, document: &Value) -> String {
    let Ok(path) = Path::parse(path) else { return "invalid".to_owned() };
    let found = path.find(document, &mut Budget::of_steps(PLENTY));
    if let Ok(found) = &found {
        assert_eq!(found.one().is_some(), path.is_definite(), "{path}");
    }
    match found {
        Ok(Found::One(value)) => value.to_string(),
        Ok(many @ Found::Many(_)) => format!("many {}", many.into_value()),
        Err(EvalError::NotFound { reason } | EvalError::PastEnd { reason }) => format!("missing {}", reason.replace(&document.to_string(), "DOCUMENT")),
        Err(EvalError::Failed { .. }) => "failed".to_owned(),
        Err(EvalError::Exhausted) => "exhausted".to_owned(),
    }
}

/// Each line of a data file: a path and its result.
fn check(cases: &str) {
    let document = cases.lines().skip_while(|line| *line != "document").nth(1).expect("the document follows its heading");
    let document = json(document);
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in cases.lines().filter(|line| !line.starts_with('#')) {
        let Some((path, expected)) = line.split_once(" => ") else { continue };
        count += 1;
        let actual = outcome(path, &document);
        if actual != expected {
            wrong.push(format!("{path}\n  expected {expected}\n  actual   {actual}"));
        }
    }
    assert!(count > 90, "only {count} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn steps_lead_where_they_should() {
    check(include_str!("data/jsonpath.txt"));
}

#[test]
fn filters_and_functions_have_their_results() {
    check(include_str!("data/jsonpath_filters.txt"));
}

#[test]
fn a_path_over_a_variable_names_it() {
    let document = json(r#"{"a":[1,2],"b":{"x":1}}"#);
    for (text, name, expected) in [
        ("$order", "order", r#"{"a":[1,2],"b":{"x":1}}"#),
        ("$order.a[0]", "order", "1"),
        ("$order['a'][1]", "order", "2"),
        ("$_o1.b[?(@.x)]", "_o1", r#"[{"x":1}]"#),
        ("$größe..x", "größe", "[1]"),
        ("$order.a.length()", "order", "2"),
    ] {
        let path = Path::parse(text).expect(text);
        assert_eq!((path.root(), path.is_identity()), (&Root::Variable(name.into()), false), "{text}");
        let found = path.find(&document, &mut Budget::of_steps(PLENTY)).expect(text);
        assert_eq!(found.into_value().to_string(), expected, "{text}");
    }
    for text in ["$order-id", "$order id", "$1", "$order.", "$order(", "$a$b", "$-a"] {
        assert!(Path::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_path_says_what_it_is() {
    let context = Path::parse("$$.Task.Token").expect("valid");
    assert_eq!((context.root(), context.text(), context.is_identity()), (&Root::Context, "$$.Task.Token", false));
    assert!(!Path::parse("$$").expect("valid").is_identity());
    assert!(Path::default().is_identity() && ReferencePath::default().is_identity());
    assert!(Path::parse("$.a[0]").expect("valid").is_reference());
    assert!(!Path::parse("$.a[0,1]").expect("valid").is_reference());
}

#[test]
fn a_result_is_put_where_the_reference_path_says() {
    for (path, before, after) in [
        ("$", r#"{"a":1}"#, r#""new""#),
        ("$.a", r#"{"a":1,"b":2}"#, r#"{"a":"new","b":2}"#),
        ("$.c", r#"{"a":1}"#, r#"{"a":1,"c":"new"}"#),
        ("$.a.b.c", r#"{}"#, r#"{"a":{"b":{"c":"new"}}}"#),
        ("$['a b']", r#"{}"#, r#"{"a b":"new"}"#),
        ("$.l[1]", r#"{"l":[1,2]}"#, r#"{"l":[1,"new"]}"#),
        ("$.l[-1].x", r#"{"l":[1,{}]}"#, r#"{"l":[1,{"x":"new"}]}"#),
    ] {
        let path = ReferencePath::parse(path).expect("valid");
        let put = path.put(json(before), json(r#""new""#)).expect("the place is there");
        assert_eq!(put.to_string(), after, "{}", path.text());
    }
}

#[test]
fn a_result_cannot_be_put_into_something_else() {
    for (path, document) in [
        ("$.a.b", r#"{"a":1}"#),
        ("$.a.b", r#"{"a":null}"#),
        ("$.a", "[1]"),
        ("$.a", "3"),
        ("$.l[2]", r#"{"l":[1,2]}"#),
        ("$.a[0]", "{}"),
        ("$[0]", "{}"),
    ] {
        let path = ReferencePath::parse(path).expect("valid");
        path.put(json(document), Value::Null).expect_err(path.text());
    }
}

#[test]
fn a_reference_path_names_one_place_of_the_input() {
    for text in ["a.b", "$.a[*]", "$.a[0:1]", "$.a[0,1]", "$['a','b']", "$..a", "$.a[?(@.x)]", "$$.a", "$name", "$.a.length()"] {
        let refused = ReferencePath::parse(text);
        assert!(refused.is_err(), "{text}: {refused:?}");
    }
}

#[test]
fn work_is_counted_and_bounded() {
    let document = json(&format!("[{}]", vec!["1"; 1_000].join(",")));
    let all = Path::parse("$[*]").expect("valid");
    assert_eq!(all.find(&document, &mut Budget::of_steps(100)), Err(EvalError::Exhausted));
    // Each step doubles the nodes: without a budget this would not end.
    let doubling = Path::parse(&format!("${}", "[0,0]".repeat(60))).expect("valid");
    let mut nested = json("1");
    for _ in 0..60 {
        nested = Value::Array(vec![nested]);
    }
    assert_eq!(doubling.find(&nested, &mut Budget::of_steps(PLENTY)), Err(EvalError::Exhausted));
    assert!(Path::parse(&format!("${}", ".a".repeat(1_001))).is_err());
}

#[test]
fn a_filter_pays_for_what_it_visits() {
    let document = json(&format!(r#"{{"list":[{}]}}"#, vec![r#"{"x":1}"#; 1_000].join(",")));
    // A thousand times through the whole document.
    let quadratic = Path::parse("$.list[?(@.x in $..x)]").expect("valid");
    assert_eq!(quadratic.find(&document, &mut Budget::of_steps(100_000)), Err(EvalError::Exhausted));
    assert!(quadratic.find(&document, &mut Budget::of_steps(20_000_000)).is_ok());
    let copies = Path::parse(&format!("$['list'{}]", ",'list'".repeat(100))).expect("valid");
    assert_eq!(copies.find(&document, &mut Budget::of_steps(10_000)), Err(EvalError::Exhausted));
    // Linear, whatever the pattern: backtracking would not come back.
    let document = Value::Array(vec![Value::String("a".repeat(30_000))]);
    let pattern = Path::parse("$[?(@ =~ /(a*)*(a*)*b/)]").expect("valid");
    let found = pattern.find(&document, &mut Budget::of_steps(PLENTY)).map(Found::into_value);
    assert_eq!(found, Ok(Value::Array(Vec::new())));
}

#[test]
fn everyday_patterns_fit() {
    for pattern in [
        r"[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,63}",
        r"\p{L}[\p{L}\p{N} '-]*",
        r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}",
        r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:\d{12}:.{1,200}",
        r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z",
        r"(?i)(error|failed|timed?.?out).*",
    ] {
        let parsed = Path::parse(&format!("$.a[?(@.x =~ /{pattern}/)]"));
        assert!(parsed.is_ok(), "{pattern}: {parsed:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let parentheses = |depth: usize| format!("$.a[?({}@.x{})]", "(".repeat(depth), ")".repeat(depth));
    assert!(Path::parse(&parentheses(50)).is_ok());
    assert!(Path::parse(&parentheses(5_000)).is_err());
    assert!(Path::parse(&format!("$.a[?({}(@.x))]", "!".repeat(10_000))).is_err());
    let filters = |depth: usize| format!("${}{}", "[?(@".repeat(depth), ")]".repeat(depth));
    assert!(Path::parse(&filters(50)).is_ok());
    assert!(Path::parse(&filters(2_000)).is_err());
    let arguments = |depth: usize| format!("${}{}", ".sum($".repeat(depth), ")".repeat(depth));
    assert!(Path::parse(&arguments(2_000)).is_err());
    assert!(Path::parse(&format!("${}", ".a(1)".repeat(500))).is_err());
    assert!(Path::parse(&format!("$.{}", "a".repeat(20_000))).is_err());
    let patterns = |count: usize| format!("$.a[?({})]", vec!["@ =~ /a/"; count].join(" || "));
    assert!(Path::parse(&patterns(16)).is_ok());
    assert!(Path::parse(&patterns(17)).is_err());
}

#[test]
fn a_deep_document_is_walked() {
    let text = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
    let document = json(&text);
    let found = Path::parse("$..[0]").expect("valid").find(&document, &mut Budget::of_steps(PLENTY)).expect("found").into_value();
    assert_eq!(found.as_array().map(Vec::len), Some(1_000));
}

#[test]
fn no_text_makes_the_parser_panic() {
    let cases = [include_str!("data/jsonpath.txt"), include_str!("data/jsonpath_filters.txt")];
    for line in cases.iter().flat_map(|cases| cases.lines()).filter(|line| line.len() < 200) {
        for end in (0..line.len()).filter(|end| line.is_char_boundary(*end)) {
            let _ = Path::parse(&line[..end]);
            let _ = Path::parse(&format!("${}", &line[end..]));
            let _ = ReferencePath::parse(&line[end..]);
        }
    }
}
