//! What the language costs, each beside its yardstick in one run. Run by `make bench-language`.
//!
//! Rounds of both sides alternate, so that a busy machine slows both; a figure is the median round, in CPU microseconds.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use skald_asl::parse::{self, Options};
use skald_interpreter::note::Origin;
use skald_interpreter::{Command, Context, Dice, EventId, Execution, TaskAnswer, Timestamp, World};
use skald_query::jsonata::{Bindings, Expression, Session};
use skald_query::jsonpath::Path;
use skald_query::{Budget, Payload};

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 31;
/// A round takes about this long.
const ROUND_MICROS: f64 = 20_000.0;

/// The three expressions by which JSONata implementations were compared before one was chosen.
const JSONATA: [(&str, &str); 3] = [
    (
        "sum, filter, object",
        "{ 'total': $sum($states.input.items[price > 10].(price * quantity)), 'names': $states.input.items[quantity >= 2].name, \
         'customer': $states.input.customer.name }",
    ),
    ("transform", "$states.input ~> | items | { 'price': price * 1.2 }, ['sku'] |"),
    (
        "map with lambda",
        "$map($states.input.items, function($item, $index) { { 'line': $index + 1, 'cost': $round($item.price * $item.quantity, 2) } })",
    ),
];

const JSONPATH: [&str; 3] =
    ["$.items[?(@.price > 10)].name", "$.items[?(@.price > 10 && @.quantity >= 2)]", "$..items[?(@.name == 'lamp')].sku"];

fn main() -> Result<()> {
    let document = document();
    println!("{} bytes of input; median of {ROUNDS} rounds; CPU µs each", document.to_string().len());
    jsonata(&document)?;
    jsonpath(&document)?;
    task();
    trees(&document);
    compile()
}

/// An order of five items, 0.7 KB.
fn document() -> Value {
    let item = |sku: u32, name: &str, price: f64, quantity: u32| json!({ "sku": format!("SKU-{sku:06}"), "name": name, "price": price, "quantity": quantity, "tags": ["a", "b"] });
    json!({
        "orderId": "order-20261124-000017",
        "customer": { "id": "c-4711", "name": "Ada Lovelace", "address": { "city": "London", "zip": "W1" } },
        "items": [item(1, "lamp", 24.5, 2), item(2, "bulb", 3.25, 6), item(3, "desk", 349.0, 1), item(4, "chair", 89.9, 4), item(5, "pen", 1.2, 10)],
        "note": "ring twice"
    })
}

fn jsonata(document: &Value) -> Result<()> {
    let input = Payload::from_value(document.clone());
    let states = json!({ "input": document, "context": {} }).to_string();
    for (name, text) in JSONATA {
        let ours = Expression::parse(text)?;
        let theirs = jsonata_unpatched::parser::parse(text).map_err(|error| anyhow::anyhow!("{error}"))?;
        let context = json!({});
        let evaluate_ours = || {
            // A payload whose tree is not built yet, as after a task's answer.
            let input = Payload::trusted(input.text());
            let bindings = Bindings {
                input: &input,
                context: &context,
                result: None,
                error_output: None,
                variables: Vec::new(),
                now_millis: 0,
                seed: 1,
            };
            let value = Session::new(bindings).evaluate_to_payload(&ours, &mut Budget::of_steps(10_000_000));
            value.map(|value| value.byte_count())
        };
        let evaluate_theirs = || -> Result<usize> {
            let states = jsonata_unpatched::value::JValue::from(serde_json::from_str::<Value>(&states)?);
            let mut context = jsonata_unpatched::evaluator::Context::new();
            context.bind("states".to_owned(), states);
            let mut evaluator = jsonata_unpatched::evaluator::Evaluator::with_context(context);
            let value =
                evaluator.evaluate(&theirs, &jsonata_unpatched::value::JValue::Undefined).map_err(|error| anyhow::anyhow!("{error}"))?;
            Ok(value.to_json_string()?.len())
        };
        evaluate_ours().context("ours")?;
        evaluate_theirs().context("theirs")?;
        let (ours_micros, theirs_micros) =
            side_by_side(&mut || drop(black_box(evaluate_ours())), &mut || drop(black_box(evaluate_theirs())));
        report(&format!("JSONata, {name}: convert, evaluate, print"), ours_micros, theirs_micros, "jsonata-core unpatched");
        let (ours_micros, theirs_micros) =
            side_by_side(&mut || drop(black_box(Expression::parse(text))), &mut || drop(black_box(jsonata_unpatched::parser::parse(text))));
        report(&format!("JSONata, {name}: parse"), ours_micros, theirs_micros, "jsonata-core unpatched");
    }
    Ok(())
}

fn jsonpath(document: &Value) -> Result<()> {
    for text in JSONPATH {
        let ours = Path::parse(text)?;
        let rfc = text.replace("[?(", "[?").replace(")]", "]");
        let theirs = serde_json_path::JsonPath::parse(&rfc)?;
        let find = || ours.find(document, &mut Budget::of_steps(1_000_000)).map(|found| found.into_value());
        let query = || theirs.query(document).all().into_iter().cloned().collect::<Vec<Value>>();
        if find()? != Value::Array(query()) {
            bail!("{text} finds something else than its yardstick");
        }
        let (ours_micros, theirs_micros) = side_by_side(&mut || drop(black_box(find())), &mut || drop(black_box(query())));
        report(&format!("JSONPath {text}: evaluate"), ours_micros, theirs_micros, "serde_json_path");
        let (ours_micros, theirs_micros) =
            side_by_side(&mut || drop(black_box(Path::parse(text))), &mut || drop(black_box(serde_json_path::JsonPath::parse(&rfc))));
        report(&format!("JSONPath {text}: parse"), ours_micros, theirs_micros, "serde_json_path");
    }
    Ok(())
}

struct Nowhere;

impl World for Nowhere {
    fn mint_token(&self, _: EventId, _: u64) -> String {
        String::new()
    }

    fn activity_exists(&self, _: &str) -> bool {
        false
    }
}

/// A Task without paths, whatever its payload: nothing of it is parsed. With a path the payload is parsed once.
fn task() {
    let machine = |extra: &str| {
        let text = format!(
            r#"{{ "StartAt": "A", "States": {{ "A": {{ "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"{extra}, "End": true }} }} }}"#
        );
        Arc::new(parse::parse(&text, &Options::default()).expect("the definition is right").definition)
    };
    let payload = |bytes: usize| format!(r#"{{"a":1,"text":"{}","list":[{}]}}"#, "x".repeat(bytes / 2), vec!["1.5"; bytes / 8].join(","));
    let (plain, with_path) = (machine(""), machine(r#", "InputPath": "$.a", "OutputPath": "$.a""#));
    let (small, large) = (payload(1_024), payload(102_400));
    let run = |definition: &Arc<skald_asl::Definition>, text: &str| {
        let mut execution = Execution::unborn(Arc::clone(definition));
        let context = || Context {
            now: Timestamp::from_millis(1_700_000_000_000),
            dice: Dice::seeded(1),
            world: &Nowhere,
            budget: Budget::of_steps(1_000_000),
            cancel: None,
            machine_deleted: false,
        };
        let input = Payload::trusted(text);
        execution.advance(Command::Start { origin: Arc::new(Origin::default()), input }, &mut context());
        let scheduled = execution.outstanding()[0].scheduled();
        let answer = TaskAnswer::Succeeded { output: Payload::trusted(text) };
        execution.advance(Command::CallAnswered { scheduled, answer }, &mut context());
        execution
    };
    let (plain_micros, path_micros) =
        side_by_side(&mut || drop(black_box(run(&plain, &small))), &mut || drop(black_box(run(&with_path, &small))));
    report("Task, 1 KB in and out: without a path", plain_micros, path_micros, "with two paths");
    let (small_micros, large_micros) =
        side_by_side(&mut || drop(black_box(run(&plain, &small))), &mut || drop(black_box((run(&plain, &large), large.len()))));
    report("Task without a path: 1 KB", small_micros, large_micros, "100 KB (a copy of the text)");
}

/// A payload that ten paths look into is parsed once.
fn trees(document: &Value) {
    let text = document.to_string();
    let path = Path::parse("$.customer.address.city").expect("a path");
    let look = |payload: &Payload| drop(black_box(path.find(payload.value(), &mut Budget::of_steps(1_000))));
    let once = &mut || {
        let payload = Payload::trusted(text.as_str());
        (0..10).for_each(|_| look(&payload));
    };
    let each = &mut || (0..10).for_each(|_| look(&Payload::trusted(text.as_str())));
    let (once_micros, each_micros) = side_by_side(once, each);
    report("ten paths over one payload", once_micros, each_micros, "parsed for each");
}

/// A definition of 1 MB: many states of every kind.
fn compile() -> Result<()> {
    let mut states = serde_json::Map::new();
    let mut bytes = 0;
    let mut number = 0;
    while bytes < 1_000_000 {
        let next = format!("S{}", number + 1);
        let state = match number % 4 {
            0 => {
                json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": { "FunctionName": "f", "Payload": { "id.$": "$.order.id", "who.$": "States.Format('{} {}', $.first, $.last)", "list": [1, 2, { "x.$": "$$.Execution.Name" }] } }, "ResultPath": "$.result", "Retry": [{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 2 }], "Next": next })
            }
            1 => {
                json!({ "Type": "Choice", "Choices": [{ "And": [{ "Variable": "$.n", "NumericGreaterThan": 1 }, { "Not": { "Variable": "$.s", "StringMatches": "a*b" } }], "Next": next }], "Default": next })
            }
            2 => {
                json!({ "Type": "Pass", "QueryLanguage": "JSONata", "Output": { "total": "{% $sum($states.input.items[price > 10].(price * quantity)) %}", "name": "{% $states.context.Execution.Name %}" }, "Next": next })
            }
            _ => json!({ "Type": "Wait", "SecondsPath": "$.pause", "Next": next }),
        };
        bytes += state.to_string().len() + 8;
        states.insert(format!("S{number}"), state);
        number += 1;
    }
    states.insert(format!("S{number}"), json!({ "Type": "Succeed" }));
    let text = json!({ "StartAt": "S0", "States": states }).to_string();
    parse::parse(&text, &Options::default()).map_err(|errors| anyhow::anyhow!("{}", errors[0]))?;
    let mut micros: Vec<f64> = (0..ROUNDS).map(|_| cpu_micros(|| drop(black_box(parse::parse(&text, &Options::default()))))).collect();
    println!("compiling {} bytes, {} states: {:.1} ms", text.len(), number + 1, median(&mut micros) / 1_000.0);
    Ok(())
}

fn report(what: &str, ours: f64, theirs: f64, yardstick: &str) {
    println!("{what}: {ours:.2} µs; {yardstick}: {theirs:.2} µs; ratio {:.2}", ours / theirs);
}

/// Medians of alternating rounds.
fn side_by_side(ours: &mut dyn FnMut(), theirs: &mut dyn FnMut()) -> (f64, f64) {
    let (mut ours_micros, mut theirs_micros) = (Vec::new(), Vec::new());
    let times = [times_of(ours), times_of(theirs)];
    for _ in 0..ROUNDS {
        ours_micros.push(round(ours, times[0]));
        theirs_micros.push(round(theirs, times[1]));
    }
    (median(&mut ours_micros), median(&mut theirs_micros))
}

/// How often it is done in a round.
fn times_of(work: &mut dyn FnMut()) -> u32 {
    let mut times = 1;
    loop {
        let micros = cpu_micros(|| (0..times).for_each(|_| work()));
        if micros > ROUND_MICROS / 4.0 {
            return (f64::from(times) * ROUND_MICROS / micros).max(1.0) as u32;
        }
        times *= 2;
    }
}

fn round(work: &mut dyn FnMut(), times: u32) -> f64 {
    cpu_micros(|| (0..times).for_each(|_| work())) / f64::from(times)
}

/// CPU time of this thread.
fn cpu_micros(work: impl FnOnce()) -> f64 {
    let before = thread_micros();
    work();
    thread_micros() - before
}

fn thread_micros() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells what a thread has used");
    let nanos: f64 = text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds on a core come first");
    nanos / 1e3
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
