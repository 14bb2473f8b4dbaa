use super::*;

#[test]
fn a_dependency_needs_a_comment_above_or_behind_it() {
    let workspace = "\
[workspace.dependencies]
skald-query = { path = \"crates/query\" }
# JSON.
serde_json = \"1\"
serde = \"1\"
toml = \"0.9\" # The configuration file.

# A heading, not a reason.

clap = \"4\"
[workspace.lints.rust]
unsafe_code = \"deny\"
";
    let lines = unexplained(workspace);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("Cargo.toml:5: serde "));
    assert!(lines[1].starts_with("Cargo.toml:10: clap "));
}
