//! From a finding's location to a line and column of the text it was found in.

/// Line and column, from 1 and in characters, of the value that `location` leads to. Of what is missing, the place of
/// what it should be in. `None` for text that is no JSON up to there.
pub fn locate(text: &str, location: &str) -> Option<(usize, usize)> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_space();
    let mut found = scanner.at;
    let mut rest = location.strip_prefix('/')?;
    while !rest.is_empty() {
        let step = match rest.strip_prefix('[') {
            Some(_) => scanner.enter_item(rest)?,
            None => scanner.enter_member(rest)?,
        };
        let Some(consumed) = step else { break };
        found = scanner.at;
        rest = &rest[consumed..];
        rest = rest.strip_prefix('/').unwrap_or(rest);
    }
    let before = text.get(..found)?;
    let line_start = before.rfind('\n').map_or(0, |index| index + 1);
    Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
}

/// Walks JSON text by tokens. Every answer is `None` where the text is no JSON.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    /// Goes to the member that `path` begins with, of the object that stands here; the length of its name in `path`.
    /// `Some(None)` when there is none. Names may hold slashes: the longest that fits is meant; of two alike, the last.
    fn enter_member(&mut self, path: &str) -> Option<Option<usize>> {
        if self.peek() != Some(b'{') {
            return Some(None);
        }
        let mut best: Option<(usize, usize)> = None;
        self.at += 1;
        loop {
            self.skip_space();
            if self.peek()? == b'}' {
                break;
            }
            let name = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let fits = path.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']));
            if fits && best.is_none_or(|(length, _)| name.len() >= length) {
                best = Some((name.len(), self.at));
            }
            self.skip_value()?;
            self.skip_space();
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        let Some((length, at)) = best else { return Some(None) };
        self.at = at;
        Some(Some(length))
    }

    /// Goes to the item that `path` (`[2]/…`) begins with, of the list that stands here.
    fn enter_item(&mut self, path: &str) -> Option<Option<usize>> {
        let close = path.find(']')?;
        let index: usize = path[1..close].parse().ok()?;
        if self.peek() != Some(b'[') {
            return Some(None);
        }
        self.at += 1;
        for _ in 0..index {
            self.skip_space();
            if self.peek()? == b']' {
                return Some(None);
            }
            self.skip_value()?;
            self.skip_space();
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.skip_space();
        Some((self.peek()? != b']').then_some(close + 1))
    }

    /// Passes one value without recursion.
    fn skip_value(&mut self) -> Option<()> {
        let mut open = 0usize;
        loop {
            self.skip_space();
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' | b',' | b':' if open == 0 => return None,
                b'}' | b']' => {
                    open -= 1;
                    self.at += 1;
                }
                b',' | b':' => {
                    self.at += 1;
                    continue;
                }
                _ => self.skip_while(|byte| !matches!(byte, b',' | b':' | b'}' | b']' | b'"') && !byte.is_ascii_whitespace()),
            }
            if open == 0 {
                return Some(());
            }
        }
    }

    /// Reads the string that starts here, unescaped.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| byte.is_ascii_whitespace());
    }

    fn skip_while(&mut self, is_passed: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_passed) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}
