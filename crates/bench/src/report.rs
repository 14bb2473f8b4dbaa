//! What was measured, as one table, as JSON, and against the bars.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::bar::{BARS, Verdict};
use crate::latency::Latencies;

/// One measurement: named figures.
#[derive(Debug, Clone)]
pub struct Row {
    pub name: String,
    pub in_flight: usize,
    figures: Vec<(&'static str, f64)>,
}

#[derive(Debug, Default)]
pub struct Report {
    pub rows: Vec<Row>,
    /// What was not measured, and why; what should be known about a row.
    pub remarks: Vec<String>,
}

/// The table's columns: heading, figure, digits behind the point.
const COLUMNS: [(&str, &str, usize); 15] = [
    ("per s", "per_second", 0),
    ("ceiling %", "ceiling_percent", 1),
    ("by CPU %", "ceiling_cpu_percent", 1),
    ("p50 ms", "p50_ms", 2),
    ("p99 ms", "p99_ms", 2),
    ("requests", "requests_each", 2),
    ("CPU ms", "server_cpu_ms", 3),
    ("client", "client_cpu_ms", 3),
    ("beside", "beside_cpu_ms", 3),
    ("records", "records_each", 1),
    ("appends", "appends_each", 2),
    ("B/record", "bytes_per_record", 0),
    ("flush p50", "flush_p50_ms", 2),
    ("p99", "flush_p99_ms", 2),
    ("others", "others_cores", 2),
];

impl Row {
    pub fn new(name: impl Into<String>, in_flight: usize) -> Self {
        Self { name: name.into(), in_flight, figures: Vec::new() }
    }

    pub fn set(&mut self, figure: &'static str, value: f64) {
        match self.figures.iter_mut().find(|(known, _)| *known == figure) {
            Some((_, old)) => *old = value,
            None => self.figures.push((figure, value)),
        }
    }

    pub fn get(&self, figure: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| *known == figure).map(|(_, value)| *value)
    }

    pub fn set_latencies(&mut self, latencies: &Latencies) {
        self.set("p50_ms", latencies.percentile(0.5).as_secs_f64() * 1e3);
        self.set("p99_ms", latencies.percentile(0.99).as_secs_f64() * 1e3);
        self.set("count", latencies.count() as f64);
    }

    /// What the table has no column for.
    fn rest(&self) -> String {
        let shown = |figure: &str| figure == "count" || figure == "flush_mean_ms" || COLUMNS.iter().any(|(_, column, _)| *column == figure);
        let rest = self.figures.iter().filter(|(figure, _)| !shown(figure));
        rest.map(|(figure, value)| format!("{figure} {}", shortest(*value))).collect::<Vec<_>>().join(", ")
    }
}

impl Report {
    pub fn add(&mut self, row: Row) {
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    pub fn remark(&mut self, remark: impl Into<String>) {
        let remark = remark.into();
        eprintln!("{remark}");
        self.remarks.push(remark);
    }

    pub fn find(&self, name: &str, in_flight: usize) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name && row.in_flight == in_flight)
    }

    pub fn table(&self) -> String {
        let mut text = headings();
        for row in &self.rows {
            writeln!(text, "{}", line(row)).expect("writing to a string does not fail");
        }
        for remark in &self.remarks {
            writeln!(text, "{remark}").expect("writing to a string does not fail");
        }
        let verdicts = self.verdicts();
        if !verdicts.is_empty() {
            writeln!(text, "\n{:<58} {:>10} {:>10} {:>10}  ", "bars", "measured", "bar", "stretch").expect("as above");
        }
        for verdict in verdicts {
            writeln!(text, "{verdict}").expect("writing to a string does not fail");
        }
        text
    }

    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            let mut members = Map::new();
            members.insert("name".to_owned(), row.name.as_str().into());
            members.insert("inFlight".to_owned(), row.in_flight.into());
            members.extend(row.figures.iter().map(|(figure, value)| ((*figure).to_owned(), json!(value))));
            Value::Object(members)
        };
        json!({
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "bars": self.verdicts().iter().map(Verdict::json).collect::<Vec<_>>(),
            "remarks": self.remarks,
        })
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let measured = |row: &str, in_flight, figure| self.find(row, in_flight)?.get(figure);
        BARS.iter().filter_map(|bar| Some(bar.judge(measured(bar.row, bar.in_flight, bar.figure)?))).collect()
    }
}

pub fn headings() -> String {
    let mut text = format!("{:<34} {:>5}", "what", "at");
    for (heading, _, _) in COLUMNS {
        write!(text, " {heading:>9}").expect("writing to a string does not fail");
    }
    text.push('\n');
    text
}

fn line(row: &Row) -> String {
    let mut text = format!("{:<34} {:>5}", row.name, row.in_flight);
    for (_, figure, digits) in COLUMNS {
        match row.get(figure) {
            Some(value) => write!(text, " {value:>9.digits$}"),
            None => write!(text, " {:>9}", "-"),
        }
        .expect("writing to a string does not fail");
    }
    let rest = row.rest();
    if !rest.is_empty() {
        write!(text, "\n    {rest}").expect("writing to a string does not fail");
    }
    text
}

/// Three digits that count.
pub fn shortest(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
