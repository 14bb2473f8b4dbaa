//! Source: Rust text as the rules see it: without comments, strings and test modules, every line where it was.

/// See the module.
#[derive(Debug)]
pub struct Source {
    code: String,
}

impl Source {
    pub fn parse(text: &str) -> Self {
        Self { code: without_test_modules(&without_comments_and_strings(text)) }
    }

    /// The numbers of the lines where `wanted` stands by itself, not as a part of a longer name.
    pub fn lines_with(&self, wanted: &str) -> Vec<usize> {
        let mut lines: Vec<_> = self
            .code
            .match_indices(wanted)
            .filter(|(at, _)| stands_alone(&self.code, *at, wanted))
            .map(|(at, _)| self.line_of(at))
            .collect();
        lines.dedup();
        lines
    }

    /// The paths that `use a::{b, c::{d, e}};` names, whole, and the line of the `use`.
    pub fn grouped_imports(&self) -> Vec<(usize, String)> {
        let uses = self.code.match_indices("use ").filter(|(at, _)| stands_alone(&self.code, *at, "use"));
        uses.flat_map(|(at, word)| {
            let tree: String = self.code[at + word.len()..].chars().take_while(|c| *c != ';').collect();
            leaves(&tree).into_iter().map(move |path| (at, path))
        })
        .map(|(at, path)| (self.line_of(at), path))
        .collect()
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

fn stands_alone(code: &str, at: usize, wanted: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let starts_inside = wanted.starts_with(part_of_name) && code[..at].chars().next_back().is_some_and(part_of_name);
    let ends_inside = wanted.ends_with(part_of_name) && code[at + wanted.len()..].chars().next().is_some_and(part_of_name);
    !starts_inside && !ends_inside
}

/// `a::{b, c::{d, e as f}}` → `a::b`, `a::c::d`, `a::c::e`.
fn leaves(tree: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut prefixes: Vec<String> = vec![String::new()];
    let mut name = String::new();
    let finish = |name: &mut String, prefix: &str, found: &mut Vec<String>| {
        let path = name.split(" as ").next().unwrap_or_default();
        let path: String = path.chars().filter(|c| !c.is_whitespace()).collect();
        if !path.is_empty() {
            let path = format!("{prefix}{path}");
            found.push(path.strip_suffix("::self").unwrap_or(&path).to_owned());
        }
        name.clear();
    };
    for c in tree.chars() {
        let prefix = prefixes.last().cloned().unwrap_or_default();
        match c {
            '{' => {
                let inner: String = name.chars().filter(|c| !c.is_whitespace()).collect();
                prefixes.push(format!("{prefix}{inner}"));
                name.clear();
            }
            ',' => finish(&mut name, &prefix, &mut found),
            '}' => {
                finish(&mut name, &prefix, &mut found);
                prefixes.pop();
            }
            other => name.push(other),
        }
    }
    finish(&mut name, prefixes.last().map_or("", String::as_str), &mut found);
    found
}

/// Blanks what is no code. Nested block comments, raw strings, byte strings and characters included; lifetimes stay.
fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => block_comment_end(&chars, at),
            '"' => string_end(&chars, at),
            'r' if !follows_name(&chars, at) => raw_string_end(&chars, at).unwrap_or(at),
            'b' if !follows_name(&chars, at) && chars.get(at + 1) == Some(&'r') => raw_string_end(&chars, at + 1).unwrap_or(at),
            '\'' => character_end(&chars, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            code.push(chars[at]);
            at += 1;
            continue;
        }
        code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    code
}

fn follows_name(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |length| at + length)
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut next) = (0, at);
    while next < chars.len() {
        match (chars[next], chars.get(next + 1)) {
            ('/', Some('*')) => (depth, next) = (depth + 1, next + 2),
            ('*', Some('/')) => (depth, next) = (depth - 1, next + 2),
            _ => next += 1,
        }
        if depth == 0 {
            return next;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], at: usize) -> usize {
    let mut next = at + 1;
    while next < chars.len() {
        match chars[next] {
            '\\' => next += 2,
            '"' => return next + 1,
            _ => next += 1,
        }
    }
    chars.len()
}

/// `r"…"` or `r#"…"#` with any number of `#`.
fn raw_string_end(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |from: usize| chars[from] == '"' && chars[from + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    Some((open + 1..chars.len()).find(|from| closes(*from)).map_or(chars.len(), |from| from + 1 + hashes))
}

/// A character literal; nothing for a lifetime.
fn character_end(chars: &[char], at: usize) -> Option<usize> {
    match chars.get(at + 1)? {
        '\\' => chars[at + 3..].iter().position(|c| *c == '\'').map(|length| at + 3 + length + 1),
        _ => (chars.get(at + 2) == Some(&'\'')).then_some(at + 3),
    }
}

/// Blanks `#[cfg(test)]` and the item behind it.
fn without_test_modules(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        let item = &rest[at..];
        let end = item_end(&item[MARK.len()..]) + MARK.len();
        kept.extend(item[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[end..];
    }
    kept.push_str(rest);
    kept
}

/// Where an item ends: at its first `;` outside of braces, or with the brace that closes its first one.
fn item_end(item: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

#[cfg(test)]
mod tests;
