//! What came of all calls and changes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::timeline::Outages;
use super::world::{APIS, Side};

/// What SIGKILL may lose is what was counted in the last five seconds (docs/usage.md); writing takes some time as well.
const UNWRITTEN: Duration = Duration::from_secs(6);
/// How many of the calls that were answered wrongly are told in full.
const TOLD: usize = 20;

/// Counts by API and code.
pub(crate) type Counts = BTreeMap<(usize, String), u64>;

#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    answered: Counts,
    /// Good calls through gateways, by side.
    passed: [u64; 2],
    /// Calls that were counted as good, perhaps, and answered in another way, by API.
    open: [u64; APIS],
    /// Those of them that were cut.
    ended: u64,
    /// Of the node that may be killed: when each call was answered.
    mortal: Vec<Instant>,
    /// Calls to it that had no answer since it was killed.
    cut_off: u64,
    /// What its kills may have lost of what it had counted.
    lost_at_most: u64,
    changes: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn answered(&self, side: Side, api: usize, code: &str, at: Instant) {
        let mut inner = self.0.lock();
        *inner.answered.entry((api, code.to_owned())).or_default() += 1;
        if side == Side::Mortal {
            inner.mortal.push(at);
        }
    }

    /// A good call had the upstream's answer.
    pub(crate) fn passed_on(&self, side: Side) {
        self.0.lock().passed[side as usize] += 1;
    }

    /// A call was perhaps let through, and was still open when that ended: it was answered as whoever comes later, or it
    /// was cut.
    pub(crate) fn open_at_its_end(&self, api: usize, cut: bool) {
        let mut inner = self.0.lock();
        inner.open[api] += 1;
        inner.ended += u64::from(cut);
    }

    pub(crate) fn cut_off(&self) {
        self.0.lock().cut_off += 1;
    }

    /// The mortal node was killed: it takes along what it had counted and not handed in.
    pub(crate) fn killed(&self, at: Instant, outages: &Outages) {
        let away = outages.since(at, UNWRITTEN).unwrap_or(at);
        let from = at.min(away).checked_sub(UNWRITTEN).unwrap_or(at);
        let mut inner = self.0.lock();
        inner.lost_at_most += inner.mortal.iter().filter(|answered| **answered >= from).count() as u64;
        inner.mortal.clear();
    }

    pub(crate) fn changed(&self, what: &'static str) {
        *self.0.lock().changes.entry(what).or_default() += 1;
    }

    pub(crate) fn broke(&self, what: &'static str) {
        *self.0.lock().faults.entry(what).or_default() += 1;
    }

    /// Something that must not be.
    pub(crate) fn wrong(&self, what: impl FnOnce() -> String) {
        let mut inner = self.0.lock();
        if inner.wrong.len() < TOLD {
            inner.wrong.push(what());
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().answered.values().sum()
    }

    /// What must not be, and what was answered and counted in other ways.
    pub(crate) fn sums(&self) -> Sums {
        let inner = self.0.lock();
        Sums {
            wrong: inner.wrong.clone(),
            answered: inner.answered.clone(),
            passed: inner.passed,
            open: inner.open,
            cut_off: inner.cut_off,
            lost_at_most: inner.lost_at_most,
        }
    }
}

/// What must add up.
#[derive(Debug)]
pub(crate) struct Sums {
    pub(crate) wrong: Vec<String>,
    pub(crate) answered: Counts,
    pub(crate) passed: [u64; 2],
    pub(crate) open: [u64; APIS],
    pub(crate) cut_off: u64,
    pub(crate) lost_at_most: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.0.lock();
        let sum: u64 = inner.answered.values().sum();
        let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
        for ((_, code), calls) in &inner.answered {
            *codes.entry(code).or_default() += calls;
        }
        let list = |counts: &BTreeMap<&str, u64>| {
            let each: Vec<String> = counts.iter().map(|(what, n)| format!("{n} {what}")).collect();
            each.join(", ")
        };
        write!(
            f,
            "{sum} calls answered ({}), {} of them cut while open, as their Key ended; {} cut off by the kill of their node; {} changes ({}); {} faults ({})",
            list(&codes),
            inner.ended,
            inner.cut_off,
            inner.changes.values().sum::<u64>(),
            list(&inner.changes),
            inner.faults.values().sum::<u64>(),
            list(&inner.faults),
        )
    }
}
