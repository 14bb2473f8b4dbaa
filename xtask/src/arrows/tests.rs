use super::*;

fn wrong(name: &str, dependencies: &[&str]) -> Vec<String> {
    let lines: Vec<_> = dependencies.iter().map(|name| format!("skald-{name}.workspace = true\n")).collect();
    broken(name, &format!("[dependencies]\nserde = \"1\"\n{}", lines.concat())).expect("the manifest is TOML")
}

#[test]
fn arrows_and_shortcuts_along_them_are_fine() {
    assert!(wrong("cli", &["server", "engine", "store", "integrations", "asl", "query", "aws"]).is_empty());
    assert!(wrong("integrations", &["asl", "aws", "query"]).is_empty());
    assert!(wrong("query", &[]).is_empty());
}

#[test]
fn arrows_upward_and_sideways_are_broken() {
    assert_eq!(wrong("asl", &["interpreter"]), ["crates/asl/Cargo.toml: no arrow leads from asl to interpreter"]);
    assert_eq!(wrong("store", &["integrations"]).len(), 1);
    assert_eq!(wrong("query", &["aws"]).len(), 1);
    assert_eq!(wrong("engine", &["server", "store"]).len(), 1);
}

#[test]
fn dependencies_of_tests_and_platforms_count() {
    let manifest = "[dev-dependencies]\nskald-server.workspace = true\n[target.'cfg(unix)'.dependencies]\nskald-cli.workspace = true\n";
    assert_eq!(broken("asl", manifest).expect("the manifest is TOML").len(), 2);
}

#[test]
fn development_crates_may_depend_on_anything() {
    assert!(wrong("bench", &["cli", "store"]).is_empty());
}

#[test]
fn an_unknown_crate_is_asked_for_its_place() {
    assert_eq!(wrong("gadgets", &[]).len(), 1);
}
