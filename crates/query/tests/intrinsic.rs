//! Intrinsic functions through their public face: every line of `data/intrinsic.txt`, and the limits.

use skald_query::budget::Exhausted;
use skald_query::intrinsic::{Call, CallError, Function, NESTING_MAX, Surroundings};
use skald_query::jsonpath::{EvalError, Path};
use skald_query::{Budget, Payload, Value, payload};

const PLENTY: u64 = 10_000_000;

/// One document behind every path; dice that count.
struct Stage {
    document: Payload,
    budget: Budget,
    rolls: u64,
}

impl Stage {
    fn of(document: &str) -> Self {
        let document = Payload::parse(document).expect("the test writes JSON");
        Self { document, budget: Budget::of_steps(PLENTY), rolls: 0 }
    }
}

impl Surroundings for Stage {
    fn find(&mut self, path: &Path) -> Result<Value, EvalError> {
        path.find(self.document.value(), &mut self.budget).map(skald_query::jsonpath::Found::into_value)
    }

    fn roll(&mut self) -> u64 {
        self.rolls += 1;
        self.rolls - 1
    }

    fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        self.budget.spend(steps)
    }
}

fn evaluate(call: &str, document: &str) -> Result<Value, CallError> {
    Call::parse(call).expect(call).evaluate(&mut Stage::of(document))
}

/// The result of a call, spelled as in the data file.
fn outcome(call: &str, document: &str) -> String {
    let Ok(call) = Call::parse(call) else { return "invalid".to_owned() };
    match call.evaluate(&mut Stage::of(document)) {
        Ok(value) => payload::print(&value),
        Err(CallError::Failed { message }) => format!("failed {message}"),
        Err(error @ CallError::Path { .. }) => format!("missing {}", error.cause(&call, document)),
        Err(CallError::Exhausted) => "exhausted".to_owned(),
    }
}

#[test]
fn every_case_has_its_result() {
    let cases = include_str!("data/intrinsic.txt");
    let document = cases.lines().skip_while(|line| *line != "document").nth(1).expect("the document follows its heading");
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in cases.lines().filter(|line| !line.starts_with('#')) {
        let Some((call, expected)) = line.split_once(" => ") else { continue };
        count += 1;
        let expected = expected.replace('⏎', "\n").replace("DOCUMENT", document);
        let actual = outcome(&call.replace('⏎', "\n"), document);
        if actual != expected {
            wrong.push(format!("{call}\n  expected {expected}\n  actual   {actual}"));
        }
    }
    assert!(count > 200, "only {count} cases were found");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_call_says_what_it_is() {
    let text = " States.Format('{} {}', $.a, States.ArrayGetItem($.list[?(@.x == 'a,b)')], $$.Index)) ";
    // Filters are not read by `Path` yet; the call's end must be found all the same.
    if let Ok(call) = Call::parse(text) {
        let paths: Vec<&str> = call.paths().map(Path::text).collect();
        assert_eq!(paths, ["$.a", "$.list[?(@.x == 'a,b)')]", "$$.Index"]);
    }
    let call = Call::parse(" States.Format('{} {}', $.a, States.Array($['b, c'][0,1], $$.Index)) ").expect("valid");
    assert_eq!((call.function(), call.name()), (Function::Format, "States.Format"));
    assert_eq!(call.text(), "States.Format('{} {}', $.a, States.Array($['b, c'][0,1], $$.Index))");
    let paths: Vec<&str> = call.paths().map(Path::text).collect();
    assert_eq!(paths, ["$.a", "$['b, c'][0,1]", "$$.Index"]);
    assert!(Call::is_meant("States.Nothing") && !Call::is_meant("$.States.Format()"));
    assert!(Function::Hash.may_return_text() && !Function::MathAdd.may_return_text());
}

/// Whatever `Path` says of what was cut out, it was cut where it ends.
#[test]
fn a_path_ends_where_its_brackets_end() {
    for path in [
        "$.shelf[?(@.kind == 'a,b)')].price",
        "$.shelf[?(@['kind'] == \"it's, [so]\")]",
        "$.shelf[?(@.kind == 'it\\'s)')]",
        "$.shelf[?(@.kind =~ /a,b\\)[\\/'\"]/i)]",
        "$.shelf[?(@.price in [1, 2] && (@.price > 0))].length()",
        "$.DescribeRecord.RecordOutputs[?(@.OutputKey == FooBar)].OutputValue",
        "$..constant",
        "$.it's",
        "$.[0].body",
        "$name",
        "$name.a['b, c']",
        "$.concat($.a, \"x)\")",
        "$",
    ] {
        for after in ["", " ", ", 1", " , 'x'"] {
            let text = format!("States.Array({path}{after})");
            match Call::parse(&text) {
                Ok(call) => assert_eq!(call.paths().map(Path::text).collect::<Vec<_>>(), [path], "{text}"),
                Err(error) => assert!(error.reason.starts_with(&format!("{path}: ")), "{text}: {error}"),
            }
        }
    }
}

#[test]
fn identifiers_are_random_and_version_4() {
    let mut stage = Stage { rolls: u64::MAX - 2, ..Stage::of("{}") };
    let call = Call::parse("States.UUID()").expect("valid");
    let uuid = call.evaluate(&mut stage).expect("a value");
    assert_eq!(uuid, "ffffffff-ffff-4ffd-bfff-fffffffffffe");
}

#[test]
fn unseeded_dice_stay_in_range() {
    let mut stage = Stage::of("{}");
    let call = Call::parse("States.MathRandom(-3, 4)").expect("valid");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        seen.insert(call.evaluate(&mut stage).expect("a value").as_i64());
    }
    assert_eq!(seen, (-3..4).map(Some).collect());
}

/// SOURCE: printed by Java, which doubles its table twice on the way.
#[test]
fn a_merged_object_has_the_order_of_a_hash_map() {
    let names = (0..30).map(|n| format!("key{}", n * 7)).chain(["é".to_owned(), "😀".to_owned()]);
    let members: Vec<String> = names.map(|name| format!("\"{name}\":1")).collect();
    let document = format!("{{\"a\":{{{}}},\"b\":{{}}}}", members.join(","));
    let merged = evaluate("States.JsonMerge($.a, $.b, false)", &document).expect("a value");
    let order: Vec<&str> = merged.as_object().expect("an object").keys().map(String::as_str).collect();
    let java = "key0, key119, key84, key7, key154, key21, key175, key42, key112, key63, key133, key14, key35, key196, key56, key91, \
                key147, key168, é, key105, key70, key126, key203, key77, key98, key189, key161, key182, key140, key28, key49, 😀";
    assert_eq!(order.join(", "), java);
}

#[test]
fn encoded_texts_have_at_most_ten_thousand_characters() {
    for (characters, fits) in [(10_000, true), (10_001, false)] {
        // Each takes two bytes.
        let document = format!(r#"{{"text":"{}"}}"#, "é".repeat(characters));
        for call in ["States.Base64Encode($.text)", "States.Hash($.text, 'MD5')"] {
            assert_eq!(evaluate(call, &document).is_ok(), fits, "{call} of {characters}");
        }
        let document = format!(r#"{{"text":"{}"}}"#, "A".repeat(characters));
        assert_eq!(evaluate("States.Base64Decode($.text)", &document).is_ok(), fits);
    }
}

fn refused(call: &str, document: &str) -> bool {
    matches!(evaluate(call, document), Err(CallError::Failed { message }) if message.contains("larger than"))
}

#[test]
fn what_doubles_is_refused_before_it_is_large() {
    let document = format!(r#"{{"text":"{}"}}"#, "x".repeat(250_000));
    assert!(evaluate("States.Format('{}{}', $.text, $.text)", &document).is_ok());
    assert!(refused("States.Format('{}{}{}{}{}', $.text, $.text, $.text, $.text, $.text)", &document));
    assert!(refused(&format!("States.Array({}1)", "$, ".repeat(10)), &document));
    assert!(refused(&format!("States.ArrayLength(States.Array({}1))", "$.text, ".repeat(100_000)), &document));
    let backslashes = format!(r#"{{"text":"{}"}}"#, "\\\\".repeat(10_000));
    let mut doubling = "$.text".to_owned();
    for _ in 0..NESTING_MAX {
        doubling = format!("States.JsonToString({doubling})");
    }
    assert!(refused(&doubling, &backslashes));
    let commas = format!(r#"{{"text":"{}"}}"#, "a,".repeat(400_000));
    assert!(refused("States.StringSplit($.text, ',')", &commas));
}

#[test]
fn work_is_counted() {
    let document = format!(r#"{{"list":[{}]}}"#, vec!["1"; 1_000].join(","));
    let call = Call::parse("States.ArrayUnique($.list)").expect("valid");
    let mut stage = Stage { budget: Budget::of_steps(500), ..Stage::of(&document) };
    assert_eq!(call.evaluate(&mut stage), Err(CallError::Exhausted));
    assert_eq!(
        CallError::Exhausted.cause(&call, "{}"),
        "The function 'States.ArrayUnique($.list)' had the following error: the expression took too many steps"
    );
}

#[test]
fn no_text_makes_the_parser_panic() {
    for line in include_str!("data/intrinsic.txt").lines().filter(|line| line.len() < 200) {
        for end in (0..line.len()).filter(|end| line.is_char_boundary(*end)) {
            let _ = Call::parse(&line[..end]);
            let _ = Call::parse(&format!("States.Format({}", &line[end..]));
            let _ = Call::parse(&format!("States.Format($.a[?(@ =~ /{}", &line[end..]));
        }
    }
}
