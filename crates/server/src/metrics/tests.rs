use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn page() -> String {
    let metrics = Metrics::default();
    metrics.count_started("arn:aws:states:us-east-1:1:stateMachine:a\"b\\c\nd");
    metrics.count_started("arn:aws:states:us-east-1:1:stateMachine:plain");
    metrics.count_ended("arn:aws:states:us-east-1:1:stateMachine:plain", "SUCCEEDED");
    for millis in [0, 2, 50, 700, 100_000] {
        metrics.task_seconds.observe(std::time::Duration::from_millis(millis));
    }
    render(&metrics)
}

/// The rules of the exposition format, checked line by line.
#[test]
fn the_page_keeps_the_formats_rules() {
    let page = page();
    assert!(page.ends_with('\n') && !page.contains("\n\n"));
    let (mut helped, mut kinds, mut series) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    let mut current = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let name = rest.split(' ').next().expect("a name");
            assert!(helped.insert(name.to_owned()), "HELP twice: {name}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "TYPE twice: {name}");
            assert!(helped.contains(name), "HELP before TYPE: {name}");
            current = name.to_owned();
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample and a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.insert(sample.to_owned()), "twice: {sample}");
            let name = sample.split('{').next().expect("a name");
            let family = match kinds[&current].as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name),
                _ => name,
            };
            assert_eq!(family, current, "samples of a family stand together");
            assert!(kinds[&current] != "counter" || name.ends_with("_total"), "{name}");
        }
    }
    assert_eq!(helped, kinds.keys().cloned().collect());
}

#[test]
fn labels_are_escaped() {
    assert!(page().contains(r#"state_machine_arn="arn:aws:states:us-east-1:1:stateMachine:a\"b\\c\nd"} 1"#));
}

#[test]
fn buckets_are_cumulative_and_end_at_the_count() {
    let page = page();
    let value = |line: &str| line.rsplit_once(' ').expect("a value").1.parse::<u64>().expect("a count");
    let buckets: Vec<&str> = page.lines().filter(|line| line.starts_with("skald_task_seconds_bucket")).collect();
    let counts: Vec<u64> = buckets.iter().map(|line| value(line)).collect();
    assert!(counts.is_sorted());
    assert_eq!(buckets.len(), BUCKETS_SECONDS.len() + 1);
    assert!(buckets.last().expect("buckets").contains("le=\"+Inf\""));
    let count = page.lines().find(|line| line.starts_with("skald_task_seconds_count")).expect("a count");
    assert_eq!((counts.last().copied(), value(count)), (Some(5), 5));
    assert!(page.contains("skald_task_seconds_sum 100.752\n"), "{page}");
}
