//! JSONata as Step Functions evaluates it, through its public face: every line of `data/jsonata.txt`, what an expression
//! says about itself, sessions, and limits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use skald_query::jsonata::{Bindings, EvalError, Expression, ParseError, Session, limits, plain};
use skald_query::{Budget, Payload, Value};

const PLENTY: u64 = u64::MAX;

fn json(text: &str) -> Value {
    Payload::parse(text).expect("the test writes JSON").value().clone()
}

/// What a state sees in these tests.
struct Seen {
    input: Payload,
    context: Value,
    result: Payload,
    error_output: Value,
    price: Payload,
    names: Payload,
}

impl Seen {
    fn new() -> Self {
        let input = r#"{"name":"Ada","count":3,"nothing":null,"none":[],"one":[7],"items":[{"sku":"a","price":5,"qty":2},{"sku":"b","price":12.5,"qty":1}],"rows":[[1,2],[3]],"big":1e21,"text":"a1b22","id":9007199254740993,"forms":[1.0,1e2,1.50,1e21,-0]}"#;
        Self {
            input: Payload::parse(input).expect("JSON"),
            context: json(r#"{"State":{"Name":"S"}}"#),
            result: Payload::parse(r#"{"ok":true}"#).expect("JSON"),
            error_output: json(r#"{"Error":"E","Cause":""}"#),
            price: Payload::parse("20").expect("JSON"),
            names: Payload::parse(r#"["x","y"]"#).expect("JSON"),
        }
    }

    fn bindings(&self) -> Bindings<'_> {
        Bindings {
            input: &self.input,
            context: &self.context,
            result: Some(&self.result),
            error_output: Some(&self.error_output),
            variables: vec![("price", &self.price), ("names", &self.names)],
            now_millis: 1_700_000_000_123,
            seed: 7,
        }
    }
}

/// The result of an expression, spelled as in the data file.
fn outcome(text: &str, seen: &Seen) -> String {
    let expression = match Expression::parse(text) {
        Ok(expression) => expression,
        Err(ParseError::Syntax { message }) => return format!("invalid {message}"),
        Err(ParseError::Unsupported { message }) => return format!("refused {message}"),
    };
    match Session::new(seen.bindings()).evaluate(&expression, &mut Budget::of_steps(PLENTY)) {
        Ok(value) => value.to_string(),
        Err(EvalError::Undefined) => "undefined".to_owned(),
        Err(EvalError::UnsupportedResultType) => "function".to_owned(),
        Err(EvalError::Threw { message }) => format!("threw {message}"),
        Err(EvalError::Timeout) => "timeout".to_owned(),
        Err(EvalError::MemoryLimit) => "memory".to_owned(),
        Err(EvalError::StackOverflow) => "stack".to_owned(),
        Err(EvalError::ResultTooLarge) => "large".to_owned(),
        Err(error @ (EvalError::Exhausted(_) | EvalError::Cancelled | EvalError::Broken)) => format!("{error:?}"),
    }
}

#[test]
fn every_listed_case_has_its_result() {
    let seen = Seen::new();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("data/jsonata.txt").lines().filter(|line| !line.starts_with('#')) {
        let Some((text, expected)) = line.split_once(" => ") else { continue };
        count += 1;
        let actual = outcome(text, &seen);
        if actual != expected {
            wrong.push(format!("{text}\n  expected {expected}\n  actual   {actual}"));
        }
    }
    assert!(count > 150, "only {count} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nesting_is_limited_in_text_and_in_evaluation_alike() {
    // On a small stack, as worker threads have.
    let check = || {
        let seen = Seen::new();
        let repeated = |unit: &str, count: usize, end: &str| format!("{}{end}", unit.repeat(count));
        for (open, close) in
            [("(", ")"), ("[", "]"), ("-", ""), ("[1,", "]"), ("{\"a\":", "}"), ("1?1:", ""), ("$not(", ")"), ("function(){", "}")]
        {
            let text = format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
            let outcome = outcome(&text, &seen);
            assert!(outcome.starts_with("invalid Stack overflow"), "{open}: {outcome}");
        }
        assert!(outcome(&repeated("1&", 200_000, "1"), &seen).starts_with("invalid Stack overflow"));
        assert_eq!(outcome(&repeated("1+", 99, "1"), &seen), "100");
        assert_eq!(outcome(&format!("{}1{}", "(".repeat(99), ")".repeat(99)), &seen), "1");
        assert_eq!(outcome(&repeated("(", 900, &format!("1{}", ")".repeat(900))), &seen), "stack");
        assert_eq!(outcome(&format!("$abs(1){}", "~>$abs()".repeat(99)), &seen), "1");
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(check).expect("a thread").join().expect("no panic");
}

#[test]
fn recursion_reaches_as_deep_as_on_aws_and_not_much_deeper() {
    let seen = Seen::new();
    let function = "$f := function($n){ $n = 0 ? 0 : 1 + $f($n - 1) }";
    assert_eq!(outcome(&format!("({function}; $f(31))"), &seen), "31");
    assert_eq!(outcome(&format!("({function}; $f(40))"), &seen), "stack");
}

#[test]
fn a_shared_value_is_never_printed_past_the_cap() {
    let seen = Seen::new();
    let doubled = r#"$reduce([1..40], function($x, $i) { {"l":$x,"r":$x} }, 1)"#;
    assert_eq!(outcome(doubled, &seen), "large");
    assert_eq!(outcome(&format!("$string({doubled})"), &seen), "memory");
    assert_eq!(outcome(&format!("$pad('', {}, 'x')", limits::RESULT_BYTES_MAX), &seen), "large");
}

#[test]
fn an_expression_says_what_it_refers_to() {
    let cases: &[(&str, &[&str], &[&str], bool)] = &[
        ("$states.input.a + $price", &["price"], &["input"], false),
        ("$states.contxt.a", &[], &["contxt"], false),
        ("$states", &[], &[], true),
        ("$lookup($states, 'input')", &[], &[], true),
        ("($a := 1; $a + $b)", &["b"], &[], false),
        ("($a + 1; $a := 2)", &["a"], &[], false),
        ("$map($names, function($v, $i) { $v & $i & $price })", &["names", "price"], &[], false),
        ("($even := function($n) { $odd($n) }; $odd := function($n) { $even($n) }; $even(2))", &[], &[], false),
        ("($f := function($n) { $f($n) }; $g(1))", &["g"], &[], false),
        ("($states := 1; $states)", &[], &[], false),
        ("$uuid() & $now() & $eval('1')", &[], &[], false),
        ("$names@$n.($n & $m)", &["m", "names"], &[], false),
        ("$names#$i.($i)", &["names"], &[], false),
        ("$states.result[$price = $states.input.x]^(<$y).z", &["price", "y"], &["input", "result"], false),
        ("$sum", &[], &[], false),
    ];
    for (text, variables, members, whole) in cases {
        let expression = Expression::parse(text).expect("valid");
        assert_eq!(expression.text(), *text);
        assert_eq!(expression.variables().iter().map(String::as_str).collect::<Vec<_>>(), *variables, "{text}");
        assert_eq!(expression.states_members().names.iter().map(String::as_str).collect::<Vec<_>>(), *members, "{text}");
        assert_eq!(expression.states_members().whole, *whole, "{text}");
    }
}

#[test]
fn a_session_evaluates_again_and_forgets_what_was_bound() {
    let seen = Seen::new();
    let mut session = Session::new(seen.bindings());
    let mut budget = Budget::of_steps(PLENTY);
    let mut value = |text: &str| session.evaluate(&Expression::parse(text).expect("valid"), &mut budget);
    assert_eq!(value("($price := 1; $leak := 2; $price)"), Ok(json("1")));
    assert_eq!(value("$price"), Ok(json("20")));
    assert_eq!(value("$leak"), Err(EvalError::Undefined));
    assert_eq!(value("$states.result"), Ok(json(r#"{"ok":true}"#)));
    assert_eq!(value("$keys($states)"), Ok(json(r#"["input","context","result","errorOutput"]"#)));
    // A failed evaluation leaves nothing behind, a passed limit neither.
    assert_eq!(value("($f := function() { $f() }; $f())"), Err(EvalError::Timeout));
    assert_eq!(value("$price"), Ok(json("20")));
    let first = value("$uuid()").expect("a UUID");
    let second = value("$uuid()").expect("a UUID");
    assert_ne!(first, second);
    assert_eq!(value("$now()"), value("$now()"));
    let mut again = Session::new(seen.bindings());
    assert_ne!(again.evaluate(&Expression::parse("$random()").expect("valid"), &mut budget), Ok(json("0")));
}

#[test]
fn the_same_seed_gives_the_same_dice() {
    let seen = Seen::new();
    let roll = || {
        Session::new(seen.bindings())
            .evaluate(&Expression::parse("[$random(), $uuid(), $shuffle([1..9])]").expect("valid"), &mut Budget::of_steps(PLENTY))
    };
    assert_eq!(roll(), roll());
    assert!(roll().is_ok());
}

#[test]
fn the_budget_is_spent_and_can_run_out() {
    let seen = Seen::new();
    let expression = Expression::parse("$sum($map([1..1000], function($v) { $v * 2 }))").expect("valid");
    let mut budget = Budget::of_steps(100_000);
    assert_eq!(Session::new(seen.bindings()).evaluate(&expression, &mut budget), Ok(json("1001000")));
    let spent = 100_000 - budget.steps_left();
    assert!((1_000..20_000).contains(&spent), "{spent}");
    let mut budget = Budget::of_steps(spent - 1);
    assert!(matches!(Session::new(seen.bindings()).evaluate(&expression, &mut budget), Err(EvalError::Exhausted(_))));
    assert_eq!(budget.steps_left(), 0);
}

#[test]
fn a_raised_flag_cancels() {
    let seen = Seen::new();
    let flag = Arc::new(AtomicBool::new(true));
    let outcome = Session::cancellable(seen.bindings(), Some(flag))
        .evaluate(&Expression::parse("[1..9].($ + 1)").expect("valid"), &mut Budget::of_steps(PLENTY));
    assert_eq!(outcome, Err(EvalError::Cancelled));
}

#[test]
fn errors_end_the_sentence_aws_begins() {
    let sentence = |error: EvalError| format!("The JSONata expression 'E' specified for the field 'F' {error}");
    let cases = [
        (EvalError::Undefined, "returned nothing (undefined)."),
        (EvalError::UnsupportedResultType, "returned an unsupported result type."),
        (
            EvalError::Threw { message: "T1006: Attempted to invoke a non-function".to_owned() },
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (EvalError::Timeout, "threw an error during evaluation: Expression evaluation timeout: Check for infinite loop"),
        (
            EvalError::MemoryLimit,
            "threw an error during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage",
        ),
    ];
    for (error, end) in cases {
        assert!(sentence(error.clone()).ends_with(end), "{error}");
    }
}

#[test]
fn plain_jsonata_knows_nothing_of_step_functions() {
    let data = json(r#"{"a":{"b":[1,2,3]}}"#);
    let value = |text: &str| plain::evaluate(text, Some(&data), &[("v".to_owned(), json("5"))]);
    assert_eq!(value("$sum(a.b) + $v"), Ok(Some(json("11"))));
    assert_eq!(value("$$.a.b[0]"), Ok(Some(json("1"))));
    assert_eq!(value("c"), Ok(None));
    assert_eq!(value("$partition([1],1)").expect_err("not JSONata's").code, "T1006");
    assert_eq!(value("$eval('1')").expect_err("left out").code, "T1006");
    assert_eq!(value("1 +").expect_err("no expression").code, "S0207");
    assert_eq!(value("($f := function() { 1 + $f() }; $f())").expect_err("endless").code, "U1001");
    assert_eq!(value("($f := function() { $f() }; $f())").expect_err("endless").code, "U1001");
    assert_eq!(plain::evaluate("$", None, &[]), Ok(None));
    assert_eq!(plain::evaluate("function($x){$x}", None, &[]), Ok(None));
}

#[test]
fn expressions_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Expression>();
}
