use super::*;

fn lines(text: &str, wanted: &str) -> Vec<usize> {
    Source::parse(text).lines_with(wanted)
}

#[test]
fn code_is_found_with_its_line() {
    assert_eq!(lines("fn a() {}\nuse std::fs;\n", "std::fs"), [2]);
    assert_eq!(lines("let a = b.unwrap();", ".unwrap()"), [1]);
}

#[test]
fn longer_names_are_other_names() {
    assert!(lines("fn random() { brand(); rand_core(); }", "rand").is_empty());
    assert_eq!(lines("rand::random()", "rand"), [1]);
    assert!(lines("std::fscope", "std::fs").is_empty());
    assert!(lines("a.unwrap_or(b)", ".unwrap()").is_empty());
}

#[test]
fn comments_and_strings_are_no_code() {
    assert!(lines("// async\n/// async\n/* async /* async */ async */\n", "async").is_empty());
    assert!(lines(r#"let a = "async"; let b = "\"async";"#, "async").is_empty());
    assert!(lines("let a = r#\"a \" async\"#; let b = br\"async\";", "async").is_empty());
    assert_eq!(lines("let a = \"text\nmore\";\nasync fn b() {}", "async"), [3]);
}

#[test]
fn characters_are_no_code_and_lifetimes_are() {
    assert_eq!(lines("let a = '\"'; async {}", "async"), [1]);
    assert_eq!(lines(r"let a = '\''; async {}", "async"), [1]);
    assert_eq!(lines("fn a<'a>(b: &'a str) { async {} }", "async"), [1]);
    assert_eq!(lines("let a = '{'; let b = '\\u{1F600}'; async {}", "async"), [1]);
}

#[test]
fn test_modules_are_left_out_and_lines_stay() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { c.unwrap() }\n}\nfn d() { e.unwrap() }\n";
    assert_eq!(lines(text, ".unwrap()"), [6]);
    assert_eq!(lines("#[cfg(test)]\nmod tests;\nfn d() { e.unwrap() }\n", ".unwrap()"), [3]);
}

#[test]
fn grouped_imports_are_whole_paths() {
    let source = Source::parse("use a;\nuse std::{\n    fs::{self, File},\n    time::Instant as Now,\n};\n");
    let paths = source.grouped_imports();
    let paths: Vec<_> = paths.iter().map(|(line, path)| (*line, path.as_str())).collect();
    assert_eq!(paths, [(1, "a"), (2, "std::fs"), (2, "std::fs::File"), (2, "std::time::Instant")]);
}
