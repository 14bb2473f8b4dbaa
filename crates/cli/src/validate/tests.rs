use super::*;

fn findings(text: &str, format: Format) -> String {
    let mut out = Vec::new();
    for diagnostic in parse::diagnose(text, &parse::Options::default()) {
        print("machine.json", text, &diagnostic, format, &mut out).expect("a line");
    }
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn a_finding_says_file_line_column_and_path() {
    let text = "{\n  \"StartAt\": \"A\",\n  \"States\": {\n    \"A\": { \"Type\": \"Pass\", \"Next\": \"B\" }\n  }\n}";
    let shown = findings(text, Format::Text);
    let place = "machine.json:4:36: error MISSING_TRANSITION_TARGET: ";
    assert!(shown.lines().any(|line| line.starts_with(place) && line.ends_with("(at /States/A/Next)")), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("machine.json: error MISSING_END_STATE: ")), "{shown}");
}

#[test]
fn a_syntax_error_says_where() {
    let shown = findings("{\n  nonsense", Format::Text);
    assert!(shown.starts_with("machine.json:2:") && shown.contains(" error INVALID_JSON_DESCRIPTION: "), "{shown}");
    assert_eq!(shown.lines().count(), 1, "{shown}");
}

#[test]
fn json_findings_are_one_object_a_line() {
    for line in findings("{}", Format::Json).lines() {
        let finding: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(finding["severity"], "error");
        assert_eq!(finding["file"], "machine.json");
    }
}

#[test]
fn a_clean_definition_says_nothing() {
    assert_eq!(findings(r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#, Format::Text), "");
}
