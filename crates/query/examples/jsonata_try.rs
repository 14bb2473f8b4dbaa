//! scratch
use skald_query::{Budget, Payload, Value, jsonata::*};
fn main() {
    let input = Payload::parse(r#"{"a":[1,2,3],"items":[{"p":1,"n":"x"},{"p":5,"n":"y"}],"s":"text"}"#).expect("json");
    let context = Value::Null;
    for line in std::io::stdin().lines() {
        let line = line.expect("line");
        let line = if let Some(rest) = line.strip_prefix("REP ") { let mut p = rest.splitn(3, ' '); let n: usize = p.next().expect("n").parse().expect("n"); let s = p.next().expect("s"); format!("{}{}", s.repeat(n), p.next().unwrap_or("")) } else { line };
        let shown: String = line.chars().take(100).collect();
        let t = std::time::Instant::now();
        match Expression::parse(&line) {
            Err(e) => println!("{shown}\n    PARSE {e:?} {:?}", t.elapsed()),
            Ok(e) => {
                let mut s = Session::new(Bindings { input: &input, context: &context, result: None, error_output: None, variables: vec![], now_millis: 1700000000123, seed: 7 });
                let mut budget = Budget::of_steps(u64::MAX);
                let r = s.evaluate(&e, &mut budget);
                let t = t.elapsed();
                let out = match &r { Ok(v) => v.to_string(), Err(e) => format!("{e:?}") };
                let out: String = out.chars().take(200).collect();
                println!("{shown}\n    {out}   {:?} steps {} vars {:?} states {:?}", t, u64::MAX - budget.steps_left(), e.variables(), e.states_members().names);
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for l in status.lines().filter(|l| l.starts_with("VmHWM")) { println!("{l}"); }
}
