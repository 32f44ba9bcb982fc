//! One of those who take turns: the processes that a call costs something, and a request to them.

use std::fmt;

use anyhow::{Context as _, Result, ensure};

use super::accounting::processor_nanoseconds;
use super::http::Exchange;
use super::load::Load;
use super::upstream::Upstream;

/// What stands between a load and its answers.
pub(super) struct Rival {
    pub(super) name: &'static str,
    pub(super) processes: Vec<u32>,
    pub(super) exchange: Exchange,
    /// The same with a key that is not good, and the answer to it; those that look at no key have none.
    pub(super) refusal: Option<Exchange>,
    /// Whether its calls go on to the upstream.
    pub(super) passes_on: bool,
    /// Ends the program that was started for it.
    pub(super) _program: Option<Box<dyn fmt::Debug>>,
}

/// What one turn measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Of the processes, user and system, for one request.
    pub(super) processor_micros: f64,
    pub(super) requests_per_second: f64,
    pub(super) median_latency_micros: f64,
    /// What 99 of 100 did not take longer than.
    pub(super) high_latency_micros: f64,
}

impl Rival {
    /// Whether it does the job: the good call reaches the upstream, without its key, and the bad one nothing.
    pub(super) fn check(&self, upstream: &Upstream, keys: &[String]) -> Result<()> {
        let begun = upstream.calls();
        self.exchange.check().context(self.name)?;
        let reached = upstream.calls() - begun;
        ensure!(
            reached == usize::from(self.passes_on),
            "{}: {reached} calls reached the upstream",
            self.name
        );
        if self.passes_on {
            let seen = upstream.last();
            let told = keys.iter().find(|key| seen.contains(&key.to_lowercase()));
            ensure!(told.is_none(), "{}: the upstream was told the key: {seen}", self.name);
        }
        let Some(refusal) = &self.refusal else { return Ok(()) };
        if self.passes_on {
            let seen = upstream.last();
            ensure!(seen.contains("x-claviger-application:"), "{}: who calls? {seen}", self.name);
        }
        let begun = upstream.calls();
        refusal.check().with_context(|| format!("{}, with a key that is not good", self.name))?;
        ensure!(upstream.calls() == begun, "{}: a bad call reached the upstream", self.name);
        Ok(())
    }

    pub(super) fn turn(&self, load: Load, upstream: &Upstream) -> Result<Turn> {
        let (before, begun) = (processor_nanoseconds(&self.processes)?, upstream.calls());
        let sent = load.send(&self.exchange).context(self.name)?;
        let ran = processor_nanoseconds(&self.processes)?.saturating_sub(before);
        let reached = upstream.calls() - begun;
        let expected = if self.passes_on { sent.requests() } else { 0 };
        ensure!(reached == expected, "{}: {reached} of {expected} calls reached the upstream", self.name);
        let requests = sent.requests() as f64;
        Ok(Turn {
            processor_micros: ran as f64 / requests / 1e3,
            requests_per_second: requests / sent.took.as_secs_f64(),
            median_latency_micros: sent.percentile(50).as_secs_f64() * 1e6,
            high_latency_micros: sent.percentile(99).as_secs_f64() * 1e6,
        })
    }
}
