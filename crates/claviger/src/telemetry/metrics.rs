//! Counters, gauges and histograms as Prometheus text, on the metrics address alone. Labels are ids and
//! fixed codes, never what a caller sent; past 10,000 series new ones are dropped.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use parking_lot::RwLock;

/// The content type of Prometheus text.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How many series there are at most (design: bounded labels).
const MOST_SERIES: usize = 10_000;
/// Upper bounds of durations, in seconds: from a decision in memory to a write on a slow disk.
const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The way to the text. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to count. At most once in a process.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
            .context("the buckets of durations")?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(Bounded::new(recorder))
            .map_err(|_| anyhow::anyhow!("this process counts already"))?;
        Ok(Self(handle))
    }

    /// The text as it is now.
    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    /// Empties what histograms have gathered since; to be called now and then.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }

    /// `/metrics`, and nothing else.
    pub(crate) fn router(&self) -> Router {
        let metrics = self.clone();
        Router::new().route("/metrics", get(async move || ([(CONTENT_TYPE, TEXT)], metrics.render())))
    }
}

/// How often [`Metrics::upkeep`] is due.
pub(crate) const UPKEEP: Duration = Duration::from_secs(5);

/// Lets new series through until there are too many.
struct Bounded {
    recorder: PrometheusRecorder,
    known: RwLock<HashSet<Key>>,
}

impl Bounded {
    fn new(recorder: PrometheusRecorder) -> Self {
        Self { recorder, known: RwLock::default() }
    }

    /// Whether the series is one of those that are kept.
    fn keeps(&self, key: &Key) -> bool {
        if self.known.read().contains(key) {
            return true;
        }
        let mut known = self.known.write();
        if known.len() >= MOST_SERIES {
            return false;
        }
        known.insert(key.clone());
        true
    }
}

impl Recorder for Bounded {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        if self.keeps(key) { self.recorder.register_counter(key, metadata) } else { Counter::noop() }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        if self.keeps(key) { self.recorder.register_gauge(key, metadata) } else { Gauge::noop() }
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        if self.keeps(key) { self.recorder.register_histogram(key, metadata) } else { Histogram::noop() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: Metadata<'static> = Metadata::new("test", metrics::Level::INFO, None);

    #[test]
    fn series_are_bounded() {
        let bounded = Bounded::new(PrometheusBuilder::new().build_recorder());
        let key =
            |n: usize| Key::from_parts("claviger_test_total", vec![metrics::Label::new("n", n.to_string())]);
        for n in 0..MOST_SERIES + 7 {
            bounded.register_counter(&key(n), &METADATA).increment(1);
        }
        // One that was there before goes on being counted.
        bounded.register_counter(&key(3), &METADATA).increment(1);
        let text = bounded.recorder.handle().render();
        assert_eq!(text.lines().filter(|line| line.starts_with("claviger_test_total{")).count(), MOST_SERIES);
        assert!(text.contains("claviger_test_total{n=\"3\"} 2"));
    }
}
