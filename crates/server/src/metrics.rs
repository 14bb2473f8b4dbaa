//! The engine's counters as Prometheus text (exposition format 0.0.4).

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use skald_engine::metrics::{BUCKETS_SECONDS, Histogram, Metrics};

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn render(metrics: &Metrics) -> String {
    let mut page = Page::default();
    page.family("skald_executions_started_total", "counter", "Executions started, by state machine.");
    for (arn, count) in metrics.started() {
        page.sample("skald_executions_started_total", &[("state_machine_arn", &arn)], count);
    }
    page.family("skald_executions_ended_total", "counter", "Executions ended, by state machine and status.");
    for (arn, status, count) in metrics.ended() {
        page.sample("skald_executions_ended_total", &[("state_machine_arn", &arn), ("status", status)], count);
    }
    page.number("skald_records_total", "counter", "Records made durable.", &metrics.records);
    page.number("skald_appends_total", "counter", "Batches made durable.", &metrics.appends);
    page.number("skald_starts_throttled_total", "counter", "Starts that were refused for want of room.", &metrics.starts_throttled);
    page.number("skald_live_bytes", "gauge", "Bytes of live executions, as far as they are counted.", &metrics.live_bytes);
    page.number("skald_append_failures_total", "counter", "Batches the store refused.", &metrics.append_failures);
    page.number("skald_inbox_depth", "gauge", "Commands waiting for an owner.", &metrics.inbox_depth);
    page.number("skald_activity_polls_waiting", "gauge", "Polls of activities that wait for a task.", &metrics.polls_waiting);
    page.number("skald_calls_running", "gauge", "Task calls running.", &metrics.calls_running);
    page.number("skald_live_executions", "gauge", "Executions held in memory.", &metrics.live_executions);
    page.number("skald_express_running", "gauge", "Express executions running.", &metrics.express_running);
    page.number("skald_log_events_dropped_total", "counter", "Events the execution log had no room for.", &metrics.log_events_dropped);
    page.histogram("skald_flush_seconds", "How long an append took to become durable.", &metrics.flush_seconds);
    page.histogram("skald_task_seconds", "How long a task call took.", &metrics.task_seconds);
    page.text
}

#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn number(&mut self, name: &str, kind: &str, help: &str, value: &AtomicU64) {
        self.family(name, kind, help);
        self.sample(name, &[], value.load(Ordering::Relaxed));
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        let (cumulative, sum) = histogram.snapshot();
        let bounds = BUCKETS_SECONDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let bucket = format!("{name}_bucket");
        for (bound, count) in bounds.zip(&cumulative) {
            self.sample(&bucket, &[("le", &bound)], count);
        }
        self.sample(&format!("{name}_sum"), &[], sum);
        self.sample(&format!("{name}_count"), &[], cumulative.last().copied().unwrap_or(0));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        if labels.is_empty() {
            return self.line(format_args!("{name} {value}"));
        }
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
        self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{text}").expect("writing to a string does not fail");
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
