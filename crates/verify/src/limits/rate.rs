//! A rate as the generic cell rate algorithm (GCRA): one number holds the instant at which everything would be
//! available again. Time is counted in units of which a token has a power of two: a call costs a whole number of them,
//! so that roundings never add up, however high the rate. An instant is rounded down to a unit, which is finer than a
//! microsecond but for the highest rates, and never longer than four.

use claviger_domain::policy_templates::{RateLimit, RatePeriod};
use claviger_domain::time::Timestamp;

/// 2020-01-01T00:00:00Z, long before every call.
const ORIGIN: i64 = 1_577_836_800_000_000;
/// A hundred years, in microseconds; later instants count as the last.
const SPAN: u64 = 3_155_760_000_000_000;

/// What a call costs, at most 2^30 tokens, stays below 2^62 units.
const MOST_SHIFT: u32 = 31;

/// A rate with the units that it is counted in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    per: RatePeriod,
    /// How many units pass in a period.
    speed: u64,
    /// How many of them are a token, as a power of two.
    shift: u32,
    burst: u64,
}

impl Rate {
    pub(super) fn new(limit: RateLimit) -> Self {
        let (period, tokens) = (limit.per.micros(), u64::from(limit.limit));
        let periods = by_period(limit.per, SPAN).0 + 1;
        // The units of the whole span with a burst on top need at most 62 bits, so that what a call costs can be added
        // to them; and those of a period, times its microseconds, 63.
        let most = periods * tokens + u64::from(limit.burst);
        let shift = (most.leading_zeros() - 2).min((period * tokens).leading_zeros() - 1).min(MOST_SHIFT);
        Self { per: limit.per, speed: tokens << shift, shift, burst: u64::from(limit.burst) << shift }
    }

    /// An instant in units.
    pub(super) fn at(self, now: Timestamp) -> u64 {
        let micros = u64::try_from(now.as_micros() - ORIGIN).unwrap_or(0).min(SPAN);
        let (periods, rest) = by_period(self.per, micros);
        periods * self.speed + by_period(self.per, rest * self.speed).0
    }

    pub(super) fn cost(self, tokens: u32) -> u64 {
        u64::from(tokens) << self.shift
    }

    /// The state after a call, or in how many microseconds it could pass.
    pub(super) fn take(self, state: u64, cost: u64, now: u64) -> Result<u64, u64> {
        let state = self.reached(state, now);
        let taken = state.max(now) + cost;
        let earliest = taken.saturating_sub(self.burst);
        if earliest <= now {
            return Ok(taken);
        }
        // What costs more than the burst never passes; it may as well wait until all is available.
        let wait = if cost <= self.burst { earliest - now } else { state.saturating_sub(now) };
        Err(self.micros(wait))
    }

    /// The state as it was before a call that came to nothing.
    pub(super) const fn give_back(state: u64, cost: u64) -> u64 {
        state.saturating_sub(cost)
    }

    /// Whether all is available again, so that the state says nothing any more.
    pub(super) const fn is_over(state: u64, now: u64) -> bool {
        state <= now
    }

    /// No state lies further ahead than a whole burst, unless the clock went back: then no more than that is
    /// outstanding, and nobody waits until the clock is where it was.
    fn reached(self, state: u64, now: u64) -> u64 {
        state.min(now + self.burst)
    }

    /// How many tokens are left.
    pub(super) const fn left(self, state: u64, now: u64) -> u64 {
        self.burst.saturating_sub(state.saturating_sub(now)) >> self.shift
    }

    /// Microseconds until all are there again.
    pub(super) fn whole_in(self, state: u64, now: u64) -> u64 {
        self.micros(self.reached(state, now).saturating_sub(now))
    }

    const fn micros(self, units: u64) -> u64 {
        let period = self.per.micros();
        units / self.speed * period + (units % self.speed * period).div_ceil(self.speed)
    }
}

/// How often a period goes into it, and what is left. Each is named, so that nothing is divided by an unknown.
const fn by_period(per: RatePeriod, micros: u64) -> (u64, u64) {
    const SECOND: u64 = RatePeriod::Second.micros();
    const MINUTE: u64 = RatePeriod::Minute.micros();
    const HOUR: u64 = RatePeriod::Hour.micros();
    match per {
        RatePeriod::Second => (micros / SECOND, micros % SECOND),
        RatePeriod::Minute => (micros / MINUTE, micros % MINUTE),
        RatePeriod::Hour => (micros / HOUR, micros % HOUR),
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::policy_templates::{MAX_LIMIT, RatePeriod};

    use super::*;

    /// The rates with the least and the most that there can be of everything.
    fn extremes() -> impl Iterator<Item = RateLimit> {
        let periods = [RatePeriod::Second, RatePeriod::Minute, RatePeriod::Hour];
        let amounts = [1, 2, 3, 524_289, 999_999_937, MAX_LIMIT];
        periods.into_iter().flat_map(move |per| {
            amounts
                .into_iter()
                .flat_map(move |limit| amounts.into_iter().map(move |burst| RateLimit { limit, per, burst }))
        })
    }

    #[test]
    fn nothing_overflows_and_a_unit_is_at_most_four_microseconds() {
        for limit in extremes() {
            let rate = Rate::new(limit);
            assert!(rate.per.micros() / rate.speed <= 3, "{limit:?}");
            for now in [Timestamp::MIN, Timestamp::from_micros(1_782_864_000_123_457), Timestamp::MAX] {
                let now = rate.at(now);
                let all = rate.take(0, rate.cost(limit.burst), now).expect("a whole burst");
                assert_eq!(rate.left(all, now), 0);
                assert_eq!(Rate::give_back(all, rate.cost(limit.burst)), now);
                let dear = rate.take(all, rate.cost(MAX_LIMIT), now);
                let wait = dear.expect_err("nothing is left");
                assert!(wait > 0 && wait <= rate.whole_in(all, now), "{limit:?}");
            }
        }
    }
}
