//! What came of all calls and changes, and whether it adds up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use claviger_client::Client;
use parking_lot::Mutex;
use serde_json::Value;

use super::timeline::Outages;
use super::world::{APIS, Side, World};

/// What SIGKILL may lose is what was counted in the last five seconds (docs/usage.md); writing takes some time as well.
const UNWRITTEN: Duration = Duration::from_secs(6);
/// How long the last counts may take to be written and added up.
const PATIENCE: Duration = Duration::from_secs(60);
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

    pub(crate) fn passed(&self) -> [u64; 2] {
        self.0.lock().passed
    }

    pub(crate) fn cut_off_so_far(&self) -> u64 {
        self.0.lock().cut_off
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

    /// Demands that no call was lost or answered wrongly, and that usage adds up to the calls.
    pub(crate) async fn demand_adding_up(&self, world: &World, client: &Client) {
        let (wrong, sent) = {
            let inner = self.0.lock();
            (inner.wrong.clone(), inner.answered.clone())
        };
        assert!(wrong.is_empty(), "{}\n{self}", wrong.join("\n"));
        let of = |counts: &Counts, side: Side| -> Counts {
            let own = counts.iter().filter(|((api, _), _)| world.apis[*api].side == side);
            own.map(|(at, calls)| (at.clone(), *calls)).collect()
        };
        let deadline = Instant::now() + PATIENCE;
        let counted = loop {
            let counted = counted(world, client).await;
            if of(&counted, Side::Lasting) == of(&sent, Side::Lasting) && self.fits(world, &counted) {
                break counted;
            }
            assert!(Instant::now() < deadline, "counted {counted:?}\nanswered {sent:?}\n{self}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        };
        let all: u64 = counted.values().sum();
        assert!(all > 0, "nothing was counted");
    }

    /// Whether what was counted of the mortal node's calls is what it answered, less what its kills may have lost, and
    /// at most those which had no answer besides.
    fn fits(&self, world: &World, counted: &Counts) -> bool {
        let inner = self.0.lock();
        let sum = |counts: &Counts| -> u64 {
            let own = counts.iter().filter(|((api, _), _)| world.apis[*api].side == Side::Mortal);
            own.map(|(_, calls)| calls).sum()
        };
        let (counted, answered) = (sum(counted), sum(&inner.answered));
        counted + inner.lost_at_most >= answered && counted <= answered + inner.cut_off
    }
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
            "{sum} calls answered ({}); {} cut off by the kill of their node; {} changes ({}); {} faults ({})",
            list(&codes),
            inner.cut_off,
            inner.changes.values().sum::<u64>(),
            list(&inner.changes),
            inner.faults.values().sum::<u64>(),
            list(&inner.faults),
        )
    }
}

/// What usage says, by API and code.
async fn counted(world: &World, client: &Client) -> Counts {
    let mut counts = Counts::new();
    for api in 0..APIS {
        let path = format!("/v1/apis/{}/usage", world.apis[api].slug);
        let query = [("step", "day"), ("by", "code")];
        let usage = client.get(&path).query(&query).send::<Value>().await.unwrap().body;
        for item in usage["items"].as_array().unwrap() {
            let code = item["code"].as_str().unwrap().to_owned();
            *counts.entry((api, code)).or_default() += item["calls"].as_u64().unwrap();
        }
    }
    counts
}
