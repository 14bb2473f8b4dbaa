//! What can be told of an intrinsic function call without evaluating it: that AWS would take it.

/// SOURCE: asl.md §9.
const FUNCTIONS: &[&str] = &[
    "States.Format",
    "States.StringToJson",
    "States.JsonToString",
    "States.Array",
    "States.ArrayPartition",
    "States.ArrayContains",
    "States.ArrayRange",
    "States.ArrayGetItem",
    "States.ArrayLength",
    "States.ArrayUnique",
    "States.Base64Encode",
    "States.Base64Decode",
    "States.Hash",
    "States.JsonMerge",
    "States.MathRandom",
    "States.MathAdd",
    "States.StringSplit",
    "States.UUID",
];

/// The function a well-formed call calls.
pub(crate) fn name(text: &str) -> Option<&str> {
    let (name, _) = text.split_once('(')?;
    is_well_formed(text).then_some(name)
}

/// Whether `text` calls a known function with closed parentheses and quotes, and only escapes that exist.
pub(crate) fn is_well_formed(text: &str) -> bool {
    let Some((name, rest)) = text.trim_end().split_once('(') else { return false };
    if !FUNCTIONS.contains(&name) {
        return false;
    }
    let mut open = 1usize;
    let mut in_quotes = false;
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if in_quotes => match characters.next() {
                Some('\'' | '{' | '}' | '\\') => {}
                Some(_) | None => return false,
            },
            '\'' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            '(' => open += 1,
            ')' => {
                open -= 1;
                if open == 0 {
                    return characters.next().is_none();
                }
            }
            _ => {}
        }
    }
    false
}
