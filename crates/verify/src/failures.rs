//! Slowing down those who guess: failed attempts are counted by source, and one that failed more often
//! than is allowed within a minute is answered 429 in the place of 401 (surface.md, "Order and status").
//! Only failures are looked at, so that a good call is never refused for a stranger's sake.

use std::hash::BuildHasher as _;
use std::net::IpAddr;

use claviger_domain::time::Timestamp;
use hashbrown::{DefaultHashBuilder, HashMap};
use parking_lot::Mutex;

use crate::index::Decision;

/// `doors.failures_per_minute`, unless it is told otherwise.
pub const DEFAULT_FAILURES_PER_MINUTE: u32 = 120;

/// What a door answers to a credential that is not good.
const UNAUTHORIZED: u16 = 401;

const SHARDS: usize = 64;
/// So many sources are remembered per shard; beyond, one that failed long ago is forgotten.
const SOURCES_PER_SHARD: usize = 1_024;
const SLICES: usize = 12;
const SECONDS_PER_SLICE: i64 = 5;

/// The failures of the last minute, by source.
#[derive(Debug)]
pub struct Failures {
    per_minute: u32,
    hasher: DefaultHashBuilder,
    shards: Box<[Mutex<HashMap<Source, Recent>>]>,
}

/// Who attempts: an IPv4 address, or the /64 network of an IPv6 address, which is one household's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Source(u64, bool);

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(address.to_bits()), false),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64, true),
        }
    }
}

/// A ring of counters, five seconds each.
#[derive(Debug, Clone, Copy)]
struct Recent {
    slice: i64,
    counts: [u16; SLICES],
}

impl Failures {
    /// What a source that failed too often is told in place of the code.
    pub const CODE: &'static str = "too_many_requests";
    pub const DETAIL: &'static str =
        "Too many attempts from this address failed; good calls are not concerned.";

    /// More than `per_minute` failures within a minute are too many.
    pub fn new(per_minute: u32) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { per_minute, hasher: DefaultHashBuilder::default(), shards }
    }

    /// Counts the refusal of a credential against the source that presented it. In how many seconds it may try again, if
    /// it has now failed too often, so that the answer is 429.
    pub fn slowed(&self, decision: &Decision, source: IpAddr, now: Timestamp) -> Option<u32> {
        let refused = decision.code().status() == UNAUTHORIZED;
        (refused && self.failed(source, now)).then(|| self.retry_after_seconds())
    }

    /// Counts a failed attempt. True if the source has now failed too often, so that the answer is 429.
    pub fn failed(&self, ip: IpAddr, now: Timestamp) -> bool {
        let source = Source::from(ip);
        let slice = now.as_micros().div_euclid(SECONDS_PER_SLICE * 1_000_000);
        // The low bits place a source within its shard.
        let shard = (self.hasher.hash_one(source) >> 40) as usize % SHARDS;
        let mut sources = self.shards[shard].lock();
        if sources.len() >= SOURCES_PER_SHARD && !sources.contains_key(&source) {
            forget_one(&mut sources);
        }
        let recent = sources.entry(source).or_insert(Recent { slice, counts: [0; SLICES] });
        recent.advance(slice);
        recent.add();
        recent.total() > self.per_minute
    }

    /// After how many seconds a source that failed too often may try again, at the latest.
    pub const fn retry_after_seconds(&self) -> u32 {
        60
    }
}

/// Forgets, of a few, the one whose last failure is the oldest, and of several such the one that failed
/// least. Looking at all would make the work of a flood grow with the flood.
fn forget_one(sources: &mut HashMap<Source, Recent>) {
    let oldest = sources.iter().take(16).min_by_key(|(_, recent)| (recent.slice, recent.total()));
    if let Some(oldest) = oldest.map(|(source, _)| *source) {
        sources.remove(&oldest);
    }
}

impl Recent {
    /// Empties the counters between the last failure and now. A clock that went back counts as still.
    fn advance(&mut self, slice: i64) {
        let passed = slice.saturating_sub(self.slice).clamp(0, SLICES as i64);
        for step in 1..=passed {
            self.counts[Self::at(self.slice + step)] = 0;
        }
        self.slice = self.slice.max(slice);
        if passed == SLICES as i64 {
            self.counts = [0; SLICES];
        }
    }

    fn add(&mut self) {
        let count = &mut self.counts[Self::at(self.slice)];
        *count = count.saturating_add(1);
    }

    fn total(&self) -> u32 {
        self.counts.iter().copied().map(u32::from).sum()
    }

    const fn at(slice: i64) -> usize {
        slice.rem_euclid(SLICES as i64) as usize
    }
}

impl Default for Failures {
    fn default() -> Self {
        Self::new(DEFAULT_FAILURES_PER_MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn one_more_than_allowed_within_a_minute_is_too_many() {
        let failures = Failures::new(120);
        for n in 0..120 {
            assert!(!failures.failed(ip("192.0.2.1"), at(1_000 + n / 4)), "{n}");
        }
        assert!(failures.failed(ip("192.0.2.1"), at(1_031)));
        assert!(!failures.failed(ip("192.0.2.2"), at(1_031)), "another source is not concerned");
        assert!(!failures.failed(ip("192.0.2.1"), at(1_100)), "a minute later it is forgotten");
    }

    #[test]
    fn an_ipv6_source_is_its_network_and_a_mapped_address_is_ipv4() {
        let failures = Failures::new(1);
        assert!(!failures.failed(ip("2001:db8:1:2::1"), at(10)));
        assert!(failures.failed(ip("2001:db8:1:2:ffff::9"), at(10)));
        assert!(!failures.failed(ip("2001:db8:1:3::1"), at(10)));
        assert!(!failures.failed(ip("192.0.2.1"), at(10)));
        assert!(failures.failed(ip("::ffff:192.0.2.1"), at(10)));
    }

    #[test]
    fn memory_stays_bounded_whoever_tries() {
        let failures = Failures::new(5);
        for n in 0..200_000_u32 {
            failures.failed(IpAddr::V4(n.into()), at(i64::from(n / 10_000)));
        }
        let remembered: usize = failures.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(remembered <= SHARDS * SOURCES_PER_SHARD, "{remembered}");
    }

    #[test]
    fn failures_leave_one_by_one_as_their_time_passes() {
        let failures = Failures::new(2);
        assert!(!failures.failed(ip("192.0.2.1"), at(0)));
        assert!(!failures.failed(ip("192.0.2.1"), at(30)));
        assert!(failures.failed(ip("192.0.2.1"), at(59)));
        assert!(failures.failed(ip("192.0.2.1"), at(61)), "those of 30, 59 and 61");
        assert!(!failures.failed(ip("192.0.2.1"), at(120)), "only that of 61");
    }
}
