use super::*;

/// A repository with one crate `query`, whose `lib.rs` is `source`.
fn check_crate(files: &[(&str, &str)]) -> Report {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut all = vec![
        ("Cargo.toml", "[workspace.dependencies]\n"),
        ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n"),
        ("crates/query/Cargo.toml", "[package]\nname = \"skald-query\"\n"),
    ];
    all.extend_from_slice(files);
    for (path, text) in all {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("files lie in folders")).expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }
    check(folder.path()).expect("every file can be read")
}

#[test]
fn a_clean_repository_is_clean() {
    let report = check_crate(&[("crates/query/src/lib.rs", "//! Pure.\npub fn a() {}\n")]);
    assert!(report.is_clean() && report.warnings.is_empty(), "{report}");
}

#[test]
fn impurity_and_unwrap_are_errors_with_their_place() {
    let report = check_crate(&[("crates/query/src/deep/a.rs", "fn a() {\n    std::fs::read(b).unwrap();\n}\n")]);
    assert_eq!(report.errors.len(), 2, "{report}");
    assert!(report.errors.iter().all(|error| error.starts_with("crates/query/src/deep/a.rs:2: ")), "{report}");
}

#[test]
fn tests_may_do_what_code_may_not() {
    let files = [
        ("crates/query/src/a/tests.rs", "fn a() { std::fs::read(b).unwrap(); }\n"),
        ("crates/query/tests/b.rs", "fn a() { std::fs::read(b).unwrap(); }\n"),
    ];
    assert!(check_crate(&files).is_clean());
}

#[test]
fn long_files_are_worth_a_look() {
    let long = "fn a() {}\n".repeat(LINES_MAX + 1);
    let report = check_crate(&[("crates/query/src/lib.rs", &long)]);
    assert!(report.is_clean());
    assert_eq!(report.warnings.len(), 1);
}
