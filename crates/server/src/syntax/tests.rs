use super::*;

fn refusal(text: &str) -> String {
    parse_document(text.to_owned()).expect_err("no document")
}

#[test]
fn documents_stay_byte_for_byte() {
    for text in ["{}", " {\"b\": 1.0 ,\"a\":1e2}\n", "2", "\"some text\"", "null", "[1,\t2]"] {
        assert_eq!(parse_document(text.to_owned()).expect("a document").text(), text);
    }
}

/// The first two are recorded answers of `StartExecution`.
#[test]
fn refusals_are_jacksons() {
    let values = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
    assert_eq!(refusal("not some json"), format!("Unrecognized token 'not': was expecting {values}"));
    assert_eq!(refusal("{'not': 'json'"), "Unexpected character (''' (code 39)): was expecting double-quote to start field name");
    assert_eq!(refusal("{\"a\": tru}"), format!("Unrecognized token 'tru': was expecting {values}"));
    assert_eq!(refusal("{\"a\" 1}"), "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value");
    assert_eq!(refusal("{\"a\": 1 ]"), "Unexpected character (']' (code 93)): was expecting comma to separate Object entries");
    assert_eq!(refusal("[1 2]"), "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries");
    assert_eq!(refusal("[1,]"), format!("Unexpected character (']' (code 93)): expected a valid value {values}"));
    assert_eq!(refusal("{\"a\": 1,}"), "Unexpected character ('}' (code 125)): was expecting double-quote to start field name");
    assert_eq!(refusal("tru"), format!("Unrecognized token 'tru': was expecting {values}"));
    assert_eq!(refusal("{\"a\":"), "Unexpected end-of-input");
    assert_eq!(refusal("{\"a\": 12"), "Unexpected end-of-input");
    assert_eq!(refusal("[1,\n{\"ä\": }]"), format!("Unexpected character ('}}' (code 125)): expected a valid value {values}"));
}

#[test]
fn nothing_panics_on_garbage() {
    for text in ["\u{0}", "\"\u{1}\"", "\"\\x\"", "-", "01", "1.", "1e", "{", "[", "\"", "😀", "{\"😀", "\n\n😀", "{} {}", "\u{feff}{}"]
    {
        assert!(!refusal(text).is_empty(), "{text:?}");
    }
    assert!(refusal(&"[".repeat(100_000)).contains("nests deeper"));
}
