//! Cases: paths of every kind of step over documents that have a chance to answer them.

use serde_json::{Map, Number, Value, json};

const NAMES: &[&str] = &["a", "b", "c", "l", "o", "x", "price", "é", "a b", ")", "0"];
const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "abc",
    "ABC",
    "1",
    "2",
    "1.0",
    "01",
    "8.95",
    "1E+10",
    "true",
    "null",
    "[1]",
    "[a]",
    "{a:1}",
    "$",
    "$.a",
    "@x",
    "é",
    "😀",
    "z\u{ffff}",
    "'a'",
    "a\\b",
    "a b",
    "\"",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "5",
    "-1",
    "-0",
    "10",
    "1.0",
    "2.0",
    "8.95",
    "0.5",
    "-2.5",
    "1e2",
    "1E10",
    "1e-7",
    "0.00001",
    "100.0",
    "2147483648",
    "9007199254740993",
    "12345678901234567890",
    "123456789012345678901234567890",
    "0.1234567890123456789",
];
const FUNCTIONS: &[&str] = &["length", "size", "keys", "first", "last", "index", "concat", "min", "max", "avg", "sum", "stddev", "nothing"];
const SYMBOLS: &[&str] = &["==", "!=", "===", "!==", "<", "<=", ">", ">="];
const WORDS: &[&str] =
    &["in", "nin", "IN", "contains", "size", "empty", "subsetof", "anyof", "noneof", "all", "exists", "type", "matches", "and"];
const PATTERNS: &[&str] = &[
    "/a.*/",
    "/A.*/i",
    "/.*/",
    "/\\d+/",
    "/[a-c]+/",
    "/b/",
    "/.*b.*/",
    "/(?i)abc/",
    "/\\w*/",
    "/a|b/",
    "/1\\.?0?/",
    "/a{1,2}b?c?/",
    "/^abc$/",
];
/// What a path is damaged with.
const SCRAPS: &[&str] = &[
    ".", "..", "[", "]", "(", ")", "'", "\"", "*", "?", "@", "$", ",", ":", " ", "0", "-1", "a", "!", "&&", "||", "=", "==", "<", "~", "/",
    "\\", "{", "}", "=~", "é", "in", "\t",
];

/// Numbers that look random, the same for the same seed.
pub struct Dice(u64);

/// Cases without end.
pub fn cases(seed: u64) -> impl Iterator<Item = Value> {
    let mut dice = Dice(seed.wrapping_mul(2).wrapping_add(1));
    std::iter::repeat_with(move || {
        let (mut path, document) = if dice.roll(3) > 0 { likely(&mut dice) } else { unlikely(&mut dice) };
        if dice.roll(8) == 0 {
            damage(&mut dice, &mut path);
        }
        json!({"path": path, "document": document})
    })
}

/// A list of objects of one shape, and a path into it.
fn likely(dice: &mut Dice) -> (String, Value) {
    let items: Vec<Value> = (0..1 + dice.roll(4))
        .map(|_| {
            let names: Vec<&str> = NAMES[..6].iter().copied().filter(|_| dice.roll(6) > 0).collect();
            let members = names.into_iter().map(|name| (name.to_owned(), value(dice, 2)));
            Value::Object(members.collect())
        })
        .collect();
    let document = match dice.roll(4) {
        0 => Value::Array(items),
        _ => json!({"l": items, "o": object(dice, 2), "a": list(dice, 1), "x": value(dice, 0)}),
    };
    let list = if document.is_array() { "" } else { dice.pick(&[".l", ".l", "..l", "['l']", ".*", ".a"]) };
    let first = match dice.roll(8) {
        0 => "[*]".to_owned(),
        1 => step(dice, 1),
        2 => format!(".{}", function(dice, 1)),
        _ => format!("[?({})]", condition(dice, 1)),
    };
    let second = match dice.roll(3) {
        0 => step(dice, 1),
        1 => format!(".{}", dice.name()),
        _ => String::new(),
    };
    (format!("${list}{first}{second}"), document)
}

fn unlikely(dice: &mut Dice) -> (String, Value) {
    let document = match dice.roll(8) {
        0 => list(dice, 3),
        _ => object(dice, 3),
    };
    (format!("${}{}", step(dice, 2), steps(dice, 2)), document)
}

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap_or_default()
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.roll(texts.len())]
    }

    /// Often one of the first names, which documents are full of.
    fn name(&mut self) -> &'static str {
        let among = if self.roll(8) == 0 { NAMES.len() } else { 6 };
        NAMES[self.roll(among)]
    }
}

fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.roll(if depth == 0 { 6 } else { 11 }) {
        0 => Value::Null,
        1 => Value::Bool(dice.roll(2) == 0),
        2 | 3 => Value::Number(dice.pick(NUMBERS).parse::<Number>().unwrap_or_else(|_| 7.into())),
        4 | 5 => dice.pick(TEXTS).into(),
        6..=8 => list(dice, depth - 1),
        _ => object(dice, depth - 1),
    }
}

fn list(dice: &mut Dice, depth: usize) -> Value {
    let length = dice.roll(5);
    // Lists are mostly of one kind.
    match dice.roll(4) {
        0 => (0..length).map(|_| Value::Number(dice.pick(NUMBERS).parse().unwrap_or_else(|_| 7.into()))).collect(),
        1 if depth > 0 => (0..length).map(|_| object(dice, depth - 1)).collect(),
        2 => (0..length).map(|_| Value::from(dice.pick(TEXTS))).collect(),
        _ => (0..length).map(|_| value(dice, depth)).collect(),
    }
}

fn object(dice: &mut Dice, depth: usize) -> Value {
    let length = dice.roll(6);
    let mut members = Map::new();
    for _ in 0..length {
        members.insert(dice.name().to_owned(), value(dice, depth));
    }
    Value::Object(members)
}

fn steps(dice: &mut Dice, filters_left: usize) -> String {
    let mut text = String::new();
    let count = dice.roll(if filters_left == 0 { 3 } else { 5 });
    for _ in 0..count {
        text.push_str(&step(dice, filters_left));
    }
    if dice.roll(6) == 0 {
        text.push('.');
        text.push_str(&function(dice, filters_left));
    } else if dice.roll(20) == 0 && !text.contains("..") {
        // The library changes the document, which only the last step does not see.
        text.push_str(&format!(".append({})", argument(dice, "append", 0)));
    }
    text
}

fn step(dice: &mut Dice, filters_left: usize) -> String {
    match dice.roll(if filters_left == 0 { 20 } else { 26 }) {
        0..=6 => format!(".{}", dice.name()),
        7 => format!("['{}']", dice.name()),
        8 => format!("[\"{}\"]", dice.name()),
        9 => format!("['{}','{}']", dice.name(), dice.name()),
        10 => format!("[{}]", index(dice)),
        11 => format!("[{}, {}]", index(dice), index(dice)),
        12 => format!("[{}:]", index(dice)),
        13 => format!("[:{}]", index(dice)),
        14 => format!("[{}:{}]", index(dice), index(dice)),
        15 => ".*".to_owned(),
        16 => "[*]".to_owned(),
        17 => format!("..{}", dice.name()),
        18 => match dice.roll(4) {
            0 => format!("..[{}]", index(dice)),
            1 => "..*".to_owned(),
            2 => format!("..['{}','{}']", dice.name(), dice.name()),
            _ if filters_left > 0 => format!("..[?({})]", condition(dice, filters_left - 1)),
            _ => "..a".to_owned(),
        },
        19 => format!(".{}", function(dice, 0)),
        _ => format!("[?({})]", condition(dice, filters_left - 1)),
    }
}

fn index(dice: &mut Dice) -> i64 {
    i64::try_from(dice.roll(8)).unwrap_or_default() - 3
}

fn function(dice: &mut Dice, filters_left: usize) -> String {
    let name = dice.pick(FUNCTIONS);
    let count = if matches!(name, "index" | "concat") { 1 + dice.roll(2) } else { dice.roll(12) / 11 };
    let arguments: Vec<String> = (0..count).map(|_| argument(dice, name, filters_left)).collect();
    format!("{name}({})", arguments.join(dice.pick(&[",", ", "])))
}

fn argument(dice: &mut Dice, function: &str, filters_left: usize) -> String {
    match dice.roll(8) {
        0..=2 if function == "index" => index(dice).to_string(),
        0 | 1 => dice.pick(NUMBERS).to_owned(),
        2 => format!("\"{}\"", dice.pick(&["a", "x y", "1", ",", ")", "\\\"", ""])),
        3 => "{\"a\":1}".to_owned(),
        4 => "'a'".to_owned(),
        _ => format!("{}{}", dice.pick(&["$", "@"]), steps(dice, filters_left)),
    }
}

fn condition(dice: &mut Dice, filters_left: usize) -> String {
    match dice.roll(14) {
        0 => format!("{} && {}", condition(dice, filters_left), condition(dice, filters_left)),
        1 => format!("{} || {}", condition(dice, filters_left), condition(dice, filters_left)),
        2 => format!("!({})", condition(dice, filters_left)),
        3 => format!("({})", condition(dice, filters_left)),
        4 => format!("!{}", path_operand(dice, filters_left)),
        5 => path_operand(dice, filters_left),
        6 => format!("{} =~ {}", path_operand(dice, filters_left), dice.pick(PATTERNS)),
        7 => format!("{} {} {}", operand(dice, filters_left), dice.pick(WORDS), operand(dice, filters_left)),
        8 => format!("{} {} {}", path_operand(dice, filters_left), dice.pick(WORDS), operand(dice, filters_left)),
        9 => {
            let word = dice.pick(&["in", "nin", "anyof", "noneof", "subsetof"]);
            format!("{} {word} {}", path_operand(dice, filters_left), list_literal(dice))
        }
        10 => format!("{}{}{}", path_operand(dice, filters_left), dice.pick(SYMBOLS), operand(dice, filters_left)),
        11 => format!("{} {} {}", operand(dice, filters_left), dice.pick(SYMBOLS), operand(dice, filters_left)),
        _ => format!("{} {} {}", path_operand(dice, filters_left), dice.pick(SYMBOLS), operand(dice, filters_left)),
    }
}

fn path_operand(dice: &mut Dice, filters_left: usize) -> String {
    match dice.roll(8) {
        0 => "@".to_owned(),
        1 => format!("$.{}{}", dice.name(), steps(dice, 0)),
        2 => format!("@{}", steps(dice, filters_left)),
        3 => format!("@.{}.{}()", dice.name(), dice.pick(FUNCTIONS)),
        _ => format!("@.{}", dice.name()),
    }
}

fn operand(dice: &mut Dice, filters_left: usize) -> String {
    match dice.roll(12) {
        0 | 1 => path_operand(dice, filters_left),
        2..=4 => dice.pick(NUMBERS).to_owned(),
        5 | 6 => format!("'{}'", dice.pick(TEXTS)),
        7 => format!("\"{}\"", dice.pick(TEXTS)),
        8 => dice.pick(&["true", "false", "null"]).to_owned(),
        9 => list_literal(dice),
        10 => dice.pick(&["{}", "{\"a\":1}", "{'a':1}", "{a:1}", "{a:'b', x:[1]}", "{a}"]).to_owned(),
        _ => dice.pick(PATTERNS).to_owned(),
    }
}

fn list_literal(dice: &mut Dice) -> String {
    let items: Vec<String> = (0..dice.roll(4))
        .map(|_| match dice.roll(6) {
            0 | 1 => dice.pick(NUMBERS).to_owned(),
            2 | 3 => format!("'{}'", dice.pick(TEXTS)),
            4 => format!("\"{}\"", dice.pick(&["a", "b", "abc"])),
            _ => dice.pick(&["a", "true", "null", "a b", "", "1a", "007", "1.", "[1]", "x"]).to_owned(),
        })
        .collect();
    format!("[{}]", items.join(dice.pick(&[",", ", "])))
}

fn damage(dice: &mut Dice, path: &mut String) {
    for _ in 0..=dice.roll(2) {
        let places: Vec<usize> = path.char_indices().map(|(place, _)| place).skip(1).chain([path.len()]).collect();
        let place = places[dice.roll(places.len())];
        match dice.roll(3) {
            0 if place < path.len() => {
                path.remove(place);
            }
            1 if place < path.len() => {
                path.remove(place);
                path.insert_str(place, dice.pick(SCRAPS));
            }
            _ => path.insert_str(place, dice.pick(SCRAPS)),
        }
    }
    // What starts a path over something else is not the library's.
    if path.starts_with("$$") || path[1..].starts_with(|next: char| next.is_alphanumeric() || next == '_') {
        path.replace_range(1.., "");
    }
}
