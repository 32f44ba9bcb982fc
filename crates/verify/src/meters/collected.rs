//! What was taken out of the way of calls and waits to be written down. While nobody writes it down it is kept, in
//! bounded memory: past the bound calls lose their key, then their minute and API; none loses its being counted.

use std::net::IpAddr;

use hashbrown::HashMap;

use super::usage::{Measure, Seen, Usage};

/// So many counts wait with their key.
const MOST_FINE: usize = 262_144;
/// So many more wait by API and minute.
const MOST_COARSE: usize = MOST_FINE + 65_536;

#[derive(Debug, Default)]
pub(super) struct Collected {
    waiting: HashMap<Seen, Tally>,
    coarsened: u64,
}

#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    source: Option<IpAddr>,
}

impl Collected {
    pub(super) fn add(&mut self, usage: Usage) {
        let seen = self.with_room(usage.seen(), usage.calls);
        let Some(seen) = seen else { return };
        let tally = self.waiting.entry(seen).or_default();
        tally.calls += usage.calls;
        tally.source = usage.source.or(tally.source);
    }

    /// As it can be kept. None: what is no call, which is the first to be given up.
    fn with_room(&mut self, seen: Seen, calls: u64) -> Option<Seen> {
        let by_hour = Seen { minute: seen.minute.hour(), api_id: None, key: None, ..seen };
        let ways = [(seen, MOST_FINE), (Seen { key: None, ..seen }, MOST_COARSE)];
        let fits = |(way, most): &(Seen, usize)| self.waiting.len() < *most || self.waiting.contains_key(way);
        let found = ways.into_iter().find(fits).map(|(way, _)| way);
        let kept = match seen.measure {
            Measure::Decided(_) => Some(found.unwrap_or(by_hour)),
            Measure::Answered(_) | Measure::SignedIn => found.filter(|found| *found == seen),
        };
        if kept != Some(seen) {
            self.coarsened += calls;
        }
        kept
    }

    pub(super) fn take(&mut self, most: usize) -> Vec<Usage> {
        let taken = self.waiting.extract_if(|_, _| true).take(most);
        let taken: Vec<Usage> = taken.map(|(seen, tally)| seen.calls(tally.calls, tally.source)).collect();
        if self.waiting.is_empty() {
            // What a long outage made large is given back.
            self.waiting.shrink_to(1_024);
        }
        taken
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) const fn coarsened(&self) -> u64 {
        self.coarsened
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::decision::Code;
    use claviger_domain::id::{ApiId, SharedKeyId};
    use claviger_domain::usage::UsedKey;

    use super::super::latency::Latency;
    use super::super::usage::Minute;
    use super::*;

    fn seen(number: u32) -> Seen {
        let id = |n: u32| u128::from(n).to_be_bytes();
        Seen {
            minute: Minute(100 + number % 7),
            api_id: Some(ApiId::from_bytes(id(number % 3))),
            key: Some(UsedKey::Shared(SharedKeyId::from_bytes(id(number)))),
            measure: Measure::Decided(Code::Valid),
        }
    }

    #[test]
    fn past_the_bound_calls_lose_their_key_and_are_counted_all_the_same() {
        let mut collected = Collected::default();
        let sent = u32::try_from(MOST_FINE).expect("small") + 50_000;
        for number in 0..sent {
            collected.add(seen(number).calls(2, None));
        }
        assert!(collected.len() <= MOST_FINE + 21, "{}", collected.len());
        assert_eq!(collected.coarsened(), 100_000);
        // What is there already is counted on, with its key.
        collected.add(seen(0).calls(1, None));
        assert_eq!(collected.coarsened(), 100_000);
        // Times are not counted without their key.
        let answered = Seen { measure: Measure::Answered(Latency::of(5_000)), ..seen(sent) };
        collected.add(answered.calls(1, None));
        let mut calls = 0;
        loop {
            let taken = collected.take(1_000);
            if taken.is_empty() {
                break;
            }
            assert!(taken.len() <= 1_000);
            calls += taken.iter().map(|usage| usage.calls).sum::<u64>();
        }
        assert_eq!(calls, u64::from(sent) * 2 + 1);
        assert_eq!(collected.len(), 0);
    }

    #[test]
    fn what_has_all_in_common_is_one_count() {
        let mut collected = Collected::default();
        let source = "192.0.2.7".parse().ok();
        collected.add(seen(1).calls(2, source));
        collected.add(seen(1).calls(3, None));
        assert_eq!(collected.take(10), [seen(1).calls(5, source)]);
    }
}
