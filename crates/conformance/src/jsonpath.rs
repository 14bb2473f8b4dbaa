//! JSONPath: observations of Jayway's library (`{"document", "cases"}`), and the compliance suite of RFC 9535 (`{"tests"}`).
//!
//! Step Functions speaks Jayway's dialect. Of the RFC's suite the part counts that both agree on; [`difference`] tells
//! the rest by rules about the selector, and never by its name.

use std::path::Path as FilePath;

use anyhow::{Context, Result, bail};
use skald_query::Value;
use skald_query::budget::Budget;
use skald_query::jsonpath::{EvalError, Found, Path};

use crate::compare::{Beyond, Bindings, brief, compare};
use crate::set;
use crate::verdict::{Judged, Reason, Verdict};

const STEPS_MAX: u64 = 1_000_000;

/// Judges the cases of a folder whose path or name contains `only`.
///
/// # Errors
/// A file in neither format.
pub fn judge_all(folder: &FilePath, only: &str) -> Result<Vec<Judged>> {
    let mut judged = Vec::new();
    for file in set::json_files(folder)? {
        let document = set::read(&file)?;
        if let Some(tests) = document["tests"].as_array() {
            judged.extend(tests.iter().filter(|test| text_of(&test["name"]).contains(only)).map(judge_compliance));
        } else if let Some(cases) = document["cases"].as_array() {
            let cases = cases.iter().filter(|case| text_of(&case["path"]).contains(only));
            judged.extend(cases.map(|case| judge_jayway(case, &document["document"])));
        } else {
            bail!("{}: neither tests nor cases", file.display());
        }
    }
    Ok(judged)
}

fn judge_jayway(case: &Value, document: &Value) -> Judged {
    let text = text_of(&case["path"]);
    let verdict = match jayway(case, text, document) {
        // The library adds a missing `$`; Step Functions does not.
        _ if !text.starts_with('$') => Verdict::NotRun(Reason::OtherDialect),
        Ok(()) => Verdict::Passed,
        Err(error) => Verdict::Failed(format!("{error:#}")),
    };
    Judged { area: "jayway".to_owned(), id: text.to_owned(), verdict }
}

fn jayway(case: &Value, text: &str, document: &Value) -> Result<()> {
    let path = match (Path::parse(text), case["invalid"] == true) {
        (Err(_), true) => return Ok(()),
        (Err(error), _) => bail!("does not compile: {error}"),
        (Ok(_), true) => bail!("compiles, but must not"),
        (Ok(path), false) => path,
    };
    let is_definite = case["definite"] == true;
    if path.is_definite() != is_definite {
        bail!("definite is recorded as {is_definite}");
    }
    let outcome = path.find(document, &mut Budget::of_steps(STEPS_MAX)).map(Found::into_value);
    match (outcome, case["error"].as_str()) {
        (Err(EvalError::NotFound { .. } | EvalError::PastEnd { .. }), Some("PathNotFound")) => Ok(()),
        // SOURCE: recorded on AWS: a missing parent before `*`, a slice or a filter is no error there.
        (Ok(Value::Array(items)), Some("PathNotFound")) if !is_definite && items.is_empty() => Ok(()),
        (Err(_), Some("Evaluation")) => Ok(()),
        (Err(error), _) => bail!("recorded {}, came: {error}", expectation(case)),
        (Ok(value), None) if case.get("value").is_some_and(|recorded| is_equal(recorded, &value)) => Ok(()),
        (Ok(value), _) => bail!("recorded {}, came {}", expectation(case), brief(&value)),
    }
}

fn is_equal(recorded: &Value, value: &Value) -> bool {
    compare(recorded, value, Beyond::Refused, &mut Bindings::default(), "").is_ok()
}

fn expectation(case: &Value) -> String {
    case["error"].as_str().map_or_else(|| brief(&case["value"]), str::to_owned)
}

fn judge_compliance(test: &Value) -> Judged {
    let selector = text_of(&test["selector"]);
    let is_invalid = test["invalid_selector"] == true;
    let outcome = if is_invalid { refused(selector) } else { compliance(test, selector) };
    let verdict = match outcome {
        Ok(()) => Verdict::Passed,
        Err(_) if is_invalid && !both_refuse(selector) => Verdict::NotRun(Reason::OtherDialect),
        Err(_) if !is_invalid && difference(selector).is_some() => Verdict::NotRun(Reason::OtherDialect),
        Err(error) => Verdict::Failed(format!("{selector}: {error:#}")),
    };
    let area = if is_invalid { "rfc 9535, invalid" } else { "rfc 9535" };
    Judged { area: area.to_owned(), id: text_of(&test["name"]).to_owned(), verdict }
}

fn refused(selector: &str) -> Result<()> {
    match Path::parse(selector) {
        Err(_) => Ok(()),
        Ok(_) => bail!("compiles, but must not"),
    }
}

/// The RFC yields a list of nodes; a definite path yields its only node, or is not found.
fn compliance(test: &Value, selector: &str) -> Result<()> {
    let path = Path::parse(selector).context("does not compile")?;
    let nodes = match path.find(&test["document"], &mut Budget::of_steps(STEPS_MAX)).map(Found::into_value) {
        Ok(value) if path.is_definite() => Value::Array(vec![value]),
        Ok(values) => values,
        Err(EvalError::NotFound { .. } | EvalError::PastEnd { .. }) if path.is_definite() => Value::Array(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let expected = test["results"].as_array().map_or_else(|| std::slice::from_ref(&test["result"]), Vec::as_slice);
    if !expected.iter().any(|expected| is_equal(expected, &nodes)) {
        bail!("recorded {}, came {}", brief(&expected[0]), brief(&nodes));
    }
    Ok(())
}

/// What of a valid selector the two dialects read differently.
fn difference(selector: &str) -> Option<&'static str> {
    let outline = Outline::of(selector);
    if outline.has_outer_blank {
        return Some("blanks between the parts of a path");
    }
    if outline.has_other_blank {
        return Some("the only blank is the space");
    }
    for inner in &outline.brackets {
        let trimmed = inner.trim();
        if let Some(filter) = trimmed.strip_prefix('?') {
            if !filter.trim_start().starts_with('(') {
                return Some("filters have parentheses");
            }
            if ["length", "count", "match", "search", "value"].iter().any(|name| filter.contains(&format!("{name}("))) {
                return Some("filters have no functions");
            }
        }
        let parts: Vec<&str> = split(trimmed, ',');
        let is_index = |part: &&str| part.trim().parse::<i64>().is_ok();
        if parts.len() > 1 && !parts.iter().all(is_index) {
            return Some("lists are of indexes, or of names that become one object");
        }
        let slice: Vec<&str> = split(trimmed, ':');
        let is_wide = |number: &&str| number.trim().parse::<i128>().is_ok_and(|number| i32::try_from(number).is_err());
        if parts.iter().any(is_wide) || slice.iter().any(is_wide) {
            return Some("indexes have 32 bits");
        }
        let bound = |place: usize| slice.get(place).map_or("", |bound| bound.trim());
        let has_step = slice.len() > 2;
        let is_empty = slice.len() == 2 && bound(0).is_empty() && bound(1).is_empty();
        let ends_from_back = slice.len() == 2 && !bound(0).starts_with('-') && bound(1).starts_with('-');
        if has_step || is_empty || ends_from_back {
            return Some("slices have no step, and count from the back only as a whole");
        }
    }
    None
}

/// Selectors that neither dialect takes: empty brackets, a comma before nothing, a blank before a name.
fn both_refuse(selector: &str) -> bool {
    let outline = Outline::of(selector);
    let is_broken = |inner: &String| {
        let trimmed = inner.trim();
        trimmed.is_empty() || trimmed.starts_with(',') || trimmed.ends_with(',')
    };
    outline.has_blank_before_name || outline.brackets.iter().any(is_broken)
}

/// A selector's brackets, and blanks beside them.
#[derive(Debug, Default)]
struct Outline {
    /// What stands in the outermost brackets; quoted names are left out.
    brackets: Vec<String>,
    has_outer_blank: bool,
    /// A tab or the end of a line, outside of quotes.
    has_other_blank: bool,
    has_blank_before_name: bool,
}

impl Outline {
    fn of(selector: &str) -> Self {
        let mut outline = Self::default();
        let (mut depth, mut quote, mut is_escaped, mut before) = (0_usize, None, false, ' ');
        for letter in selector.chars() {
            match quote {
                Some(_) if is_escaped => is_escaped = false,
                Some(_) if letter == '\\' => is_escaped = true,
                Some(open) if open == letter => {
                    quote = None;
                    outline.push(letter, depth);
                }
                Some(_) => {}
                None => {
                    outline.has_other_blank |= letter.is_whitespace() && letter != ' ';
                    match letter {
                        '[' => {
                            depth += 1;
                            if depth == 1 {
                                outline.brackets.push(String::new());
                                before = letter;
                                continue;
                            }
                        }
                        ']' => depth = depth.saturating_sub(1),
                        '\'' | '"' if depth > 0 => quote = Some(letter),
                        _ if depth == 0 && letter.is_whitespace() => {
                            outline.has_outer_blank = true;
                            outline.has_blank_before_name |= before == '.' && letter == ' ';
                        }
                        _ => {}
                    }
                    outline.push(letter, depth);
                }
            }
            before = letter;
        }
        outline
    }

    fn push(&mut self, letter: char, depth: usize) {
        if let Some(inner) = self.brackets.last_mut().filter(|_| depth > 0) {
            inner.push(letter);
        }
    }
}

/// Splits outside of parentheses and brackets.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (place, letter) in text.char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ if letter == at && depth == 0 => {
                parts.push(&text[start..place]);
                start = place + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_tell_what_both_dialects_read_alike() {
        for selector in
            ["$", "$.a", "$['a']", "$['a,b']", "$['a b']", "$[0,1]", "$[1:3]", "$[-2:]", "$[-5:-2]", "$[?(@.a)]", "$..*", "$[ 'a' ]"]
        {
            assert_eq!(difference(selector), None, "{selector}");
        }
        for selector in [
            "$[?@.a]",
            "$[?(length(@)==2)]",
            "$['a','b']",
            "$[*,1]",
            "$[1:5:2]",
            "$[:]",
            "$[0:-1]",
            "$[2:9007199254740991]",
            "$ .a",
            "$['a'] ['b']",
            "$[\t'a']",
        ] {
            assert!(difference(selector).is_some(), "{selector}");
        }
        for selector in ["$[]", "$[0,]", "$[,0]", "$. a"] {
            assert!(both_refuse(selector), "{selector}");
        }
        for selector in ["$[01]", "$ ", "$.1", "$[',']"] {
            assert!(!both_refuse(selector), "{selector}");
        }
    }
}
