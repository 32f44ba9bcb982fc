//! When a new base is worth the reading of all rows: soon when it is wanted, and ever more rarely while it fails.

use claviger_domain::time::Timestamp;

/// How long the first failure is slept over; each further one twice as long, up to the longest.
const PAUSE_SECONDS: i64 = 5;
const LONGEST_PAUSE_SECONDS: i64 = 300;

/// Whether a new base is wanted, and since when it has failed.
#[derive(Debug)]
pub(super) struct Renewal {
    wanted: bool,
    failures: u32,
    not_before: Timestamp,
}

impl Renewal {
    pub(super) const fn new(wanted: bool) -> Self {
        Self { wanted, failures: 0, not_before: Timestamp::from_micros(0) }
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.wanted && now >= self.not_before
    }

    pub(super) const fn want(&mut self) {
        self.wanted = true;
    }

    /// One is on its way.
    pub(super) const fn began(&mut self) {
        self.wanted = false;
    }

    pub(super) fn failed(&mut self, now: Timestamp) {
        let pause = PAUSE_SECONDS.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE_SECONDS);
        *self = Self { wanted: true, failures: self.failures + 1, not_before: now.plus_seconds(pause) };
    }

    pub(super) const fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn each_failure_is_slept_over_longer_than_the_one_before() {
        let mut renewal = Renewal::new(false);
        assert!(!renewal.is_due(at(1)));
        renewal.want();
        assert!(renewal.is_due(at(1)));
        let mut now = 1;
        for pause in [5, 10, 20, 40, 80, 160, 300, 300] {
            renewal.began();
            assert!(!renewal.is_due(at(now + 1_000)), "one is on its way");
            renewal.failed(at(now));
            assert!(!renewal.is_due(at(now + pause - 1)) && renewal.is_due(at(now + pause)), "{pause}");
            now += pause;
        }
        renewal.began();
        renewal.succeeded();
        assert!(!renewal.is_due(at(now)));
        renewal.want();
        renewal.failed(at(now));
        assert!(renewal.is_due(at(now + 5)), "it begins anew");
    }
}
