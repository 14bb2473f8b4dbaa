//! Cases: pages that people read, each heading a machine and what must come of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use skald_query::{Payload, Value};

use crate::disk::DiskPlan;
use crate::script::Script;
use crate::simulation::{Run, Settings, Simulation};

/// One heading of a page.
#[derive(Debug, Clone)]
pub struct Case {
    pub page: PathBuf,
    pub title: String,
    pub simulation: Simulation,
    /// The expected history, a line an event; none yet in a new case.
    history: Option<Vec<String>>,
    replies: Vec<String>,
    /// The expected histories of the second machine's executions.
    children: Vec<String>,
}

/// A fenced block of a page: ```` ```json machine ````.
struct Block {
    /// The word after the language.
    kind: String,
    lines: Vec<String>,
}

impl Case {
    /// Every case of the pages under `folder`, in a fixed order.
    ///
    /// # Errors
    /// Names the page and the heading that cannot be read.
    pub fn load_all(folder: &Path) -> Result<Vec<Self>> {
        let mut pages = Vec::new();
        find_pages(folder, &mut pages)?;
        pages.sort();
        let mut cases = Vec::new();
        for page in pages {
            let text = std::fs::read_to_string(&page)?;
            cases.extend(read_page(&page, &text).with_context(|| format!("in {}", page.display()))?);
        }
        Ok(cases)
    }

    /// `states/map: Items run one after the other`
    pub fn name(&self, folder: &Path) -> String {
        let page = self.page.strip_prefix(folder).unwrap_or(&self.page).with_extension("");
        format!("{}: {}", page.display(), self.title)
    }

    /// The page's expectations against what came of a run.
    ///
    /// # Errors
    /// Says the first difference.
    pub fn expect(&self, run: &Run) -> Result<()> {
        if !run.violations.is_empty() {
            bail!("broken promises:\n  {}\nhistory:\n  {}", run.violations.join("\n  "), run.history.join("\n  "));
        }
        let Some(expected) = &self.history else { bail!("no history is expected yet; it is:\n{}", run.history.join("\n")) };
        let shown = shortened(&run.history);
        if *expected != shown {
            let place = expected.iter().zip(&shown).take_while(|(expected, shown)| expected == shown).count();
            let at = |lines: &[String]| lines.get(place).cloned().unwrap_or_else(|| "(nothing)".to_owned());
            bail!("line {}: expected\n  {}\ncame\n  {}\nwhole history:\n  {}", place + 1, at(expected), at(&shown), shown.join("\n  "));
        }
        if self.replies != run.replies {
            bail!("replies: expected {:?}, came {:?}", self.replies, run.replies);
        }
        if self.children != run.children {
            bail!("children: expected\n  {}\ncame\n  {}", self.children.join("\n  "), run.children.join("\n  "));
        }
        Ok(())
    }

    /// Rewrites the page with what came of the run.
    ///
    /// # Errors
    /// The page cannot be written.
    pub fn update(&self, run: &Run) -> Result<()> {
        let text = std::fs::read_to_string(&self.page)?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let heading = format!("## {}", self.title);
        let start = lines.iter().position(|line| *line == heading).context("the heading is gone")?;
        let end = lines[start + 1..].iter().position(|line| line.starts_with("## ")).map_or(lines.len(), |length| start + 1 + length);
        let mut section: Vec<String> = lines.splice(start..end, std::iter::empty()).collect();
        replace_block(&mut section, "history", &shortened(&run.history));
        replace_block(&mut section, "children", &run.children);
        replace_block(&mut section, "replies", &run.replies);
        lines.splice(start..start, section);
        let mut text = lines.join("\n");
        text.push('\n');
        Ok(std::fs::write(&self.page, text)?)
    }
}

/// A history of thousands of events, and a line of thousands of characters, as its beginning and its end.
fn shortened(history: &[String]) -> Vec<String> {
    const SHOWN: usize = 12;
    let lines = |history: &[String]| history.iter().map(|line| shortened_line(line)).collect::<Vec<_>>();
    if history.len() <= 200 {
        return lines(history);
    }
    let mut shown = lines(&history[..SHOWN]);
    shown.push(format!("… {} events …", history.len() - 2 * SHOWN));
    shown.extend(lines(&history[history.len() - SHOWN..]));
    shown
}

fn shortened_line(line: &str) -> String {
    const SHOWN: usize = 100;
    let characters: Vec<char> = line.chars().collect();
    if characters.len() <= 2_000 {
        return line.to_owned();
    }
    let [start, end] = [&characters[..SHOWN], &characters[characters.len() - SHOWN..]].map(|part| part.iter().collect::<String>());
    format!("{start} … {} characters … {end}", characters.len() - 2 * SHOWN)
}

fn find_pages(folder: &Path, pages: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            find_pages(&path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    Ok(())
}

/// A heading without a machine has that of the heading before.
fn read_page(page: &Path, text: &str) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    let mut machine = None;
    let mut sections: Vec<(String, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("## ") {
            Some(title) => sections.push((title.to_owned(), Vec::new())),
            None => {
                if let Some((_, lines)) = sections.last_mut() {
                    lines.push(line);
                }
            }
        }
    }
    for (title, lines) in sections {
        let case = read_section(page, &title, &lines, &mut machine).with_context(|| format!("under `{title}`"))?;
        if cases.iter().any(|known| known.title == case.title) {
            bail!("two headings say `{title}`");
        }
        cases.push(case);
    }
    Ok(cases)
}

fn read_section(page: &Path, title: &str, lines: &[&str], machine: &mut Option<String>) -> Result<Case> {
    let mut history = None;
    let (mut replies, mut children, mut child) = (Vec::new(), Vec::new(), None);
    let mut script = String::new();
    let mut settings = Settings::default();
    for block in blocks(lines) {
        match block.kind.as_str() {
            "machine" => *machine = Some(block.lines.join("\n")),
            // The definition stands in a file beside the page.
            "machine-file" => {
                let file = page.with_file_name(block.lines.concat().trim());
                *machine = Some(std::fs::read_to_string(&file).with_context(|| file.display().to_string())?);
            }
            "input" => settings.input = Payload::parse(block.lines.join("\n"))?,
            "script" => script = block.lines.join("\n"),
            "history" => history = Some(block.lines.iter().flat_map(|line| line.split(" | ")).map(str::to_owned).collect()),
            "replies" => replies = block.lines,
            "child" => child = Some(block.lines.join("\n")),
            "children" => children = block.lines,
            kind => bail!("no block is called `{kind}`"),
        }
    }
    let machine = machine.clone().context("there is no machine")?;
    let activities = activities_of(&serde_json::from_str(&machine).context("the machine")?);
    let simulation =
        Simulation { machine, child, activities, script: Script::parse(&script)?, settings, faults: Vec::new(), disk: DiskPlan::Memory };
    Ok(Case { page: page.to_owned(), title: title.to_owned(), simulation, history, replies, children })
}

fn blocks(lines: &[&str]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in lines {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.lines.push((*line).to_owned()),
            (None, Some(opening)) => {
                let kind = opening.split_whitespace().nth(1).unwrap_or_default().to_owned();
                open = Some(Block { kind, lines: Vec::new() });
            }
            (None, None) => {}
        }
    }
    blocks
}

fn replace_block(section: &mut Vec<String>, kind: &str, content: &[String]) {
    let opening = format!("```text {kind}");
    let block: Vec<String> =
        std::iter::once(opening.clone()).chain(content.iter().cloned()).chain(std::iter::once("```".to_owned())).collect();
    match section.iter().position(|line| *line == opening) {
        Some(start) => {
            let length = section[start + 1..].iter().position(|line| line == "```").map_or(section.len() - start, |length| length + 2);
            let block = if content.is_empty() { Vec::new() } else { block };
            section.splice(start..start + length, block);
        }
        None if content.is_empty() => {}
        None => {
            let end = section.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
            section.splice(end..end, block);
        }
    }
}

/// The activities that a machine's tasks name.
pub(crate) fn activities_of(machine: &Value) -> Vec<String> {
    let mut names = Vec::new();
    collect_activities(machine, &mut names);
    names.sort();
    names.dedup();
    names
}

fn collect_activities(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some((_, name)) = members.get("Resource").and_then(Value::as_str).and_then(|arn| arn.split_once(":activity:")) {
                names.push(name.to_owned());
            }
            members.values().for_each(|member| collect_activities(member, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_activities(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
