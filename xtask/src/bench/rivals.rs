//! One of those who take turns: a server's process, and a request to it.

use anyhow::Result;

use super::accounting::processor_nanoseconds;
use super::load::{Exchange, Load};

#[derive(Debug)]
pub(super) struct Rival {
    pub(super) name: &'static str,
    pub(super) process: u32,
    pub(super) exchange: Exchange,
}

/// What one turn measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Of the server's process, user and system, for one request.
    pub(super) processor_micros: f64,
    pub(super) requests_per_second: f64,
    pub(super) median_latency_micros: f64,
}

impl Rival {
    pub(super) fn turn(&self, load: Load) -> Result<Turn> {
        let before = processor_nanoseconds(self.process)?;
        let sent = load.send(&self.exchange)?;
        let ran = processor_nanoseconds(self.process)?.saturating_sub(before);
        let requests = sent.latencies.len() as f64;
        Ok(Turn {
            processor_micros: ran as f64 / requests / 1e3,
            requests_per_second: requests / sent.took.as_secs_f64(),
            median_latency_micros: sent.latencies[sent.latencies.len() / 2].as_secs_f64() * 1e6,
        })
    }
}
