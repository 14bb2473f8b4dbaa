use super::*;

fn found(text: &str) -> Vec<String> {
    impurities(&Source::parse(text)).into_iter().map(|(line, what)| format!("{line}: {what}")).collect()
}

#[test]
fn each_kind_of_impurity_is_found() {
    for (text, name) in [
        ("async fn a() {}", "async"),
        ("use tokio::sync::Mutex;", "tokio"),
        ("std::fs::read(path)", "std::fs"),
        ("use std::net::TcpStream;", "std::net"),
        ("std::process::exit(1)", "std::process"),
        ("std::thread::spawn(f)", "std::thread"),
        ("let now = SystemTime::now();", "SystemTime"),
        ("let now = Instant::now();", "Instant::now"),
        ("std::env::var(name)", "std::env"),
        ("getrandom::fill(&mut bytes)", "getrandom"),
        ("rand::random()", "rand"),
        ("let a: HashMap<u8, u8> = HashMap::new();", "HashMap"),
        ("let a = HashSet::from([1]);", "HashSet"),
        ("println!(\"a\")", "println!"),
        ("static mut COUNT: u8 = 0;", "static mut"),
    ] {
        assert!(found(text).iter().any(|what| what.contains(name)), "{text}: {:?}", found(text));
    }
}

#[test]
fn grouped_imports_hide_nothing() {
    assert_eq!(found("use std::{fs, str};"), ["1: `std::fs` (file access)"]);
    assert_eq!(found("use std::{time::{Duration, Instant}};"), ["1: `std::time::Instant` (a clock)"]);
}

#[test]
fn pure_code_is_left_alone() {
    let text = "use std::collections::BTreeMap;\nuse std::time::Duration;\n/// Prints nothing, is not async.\nfn print(instant: Instant) { format!(\"println!\"); }\n";
    assert!(found(text).is_empty(), "{:?}", found(text));
}

#[test]
fn only_known_dependencies_are_pure() {
    let manifest = "[dependencies]\nserde_json = \"1\"\nskald-query = \"1\"\ntokio = \"1\"\n[dev-dependencies]\ntempfile = \"3\"\n";
    let wrong = impure_dependencies("asl", manifest).expect("the manifest is TOML");
    assert_eq!(wrong, ["crates/asl/Cargo.toml: tokio is not among the dependencies of pure crates"]);
}
