//! A rate as the generic cell rate algorithm (GCRA): one number holds the instant at which everything would be
//! available again. Time is counted in units of which a token has a power of two: a call costs a whole number of them,
//! so that roundings never add up, however high the rate. An instant is rounded down to a unit, which is finer than a
//! microsecond but for the highest rates, and never longer than four.

use claviger_domain::policy_templates::RateLimit;
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
    period: u64,
    /// How many units pass in a period.
    speed: u64,
    /// How many of them are a token, as a power of two.
    shift: u32,
    burst: u64,
}

/// How much of a rate is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) tokens: u64,
    /// Microseconds until all is available again.
    pub(super) whole_in: u64,
}

impl Rate {
    pub(super) fn new(limit: RateLimit) -> Self {
        let (period, tokens) = (limit.per.micros(), u64::from(limit.limit));
        // The units of the whole span with a burst on top need at most 62 bits, so that what a call costs can be added
        // to them; and those of a period, times its microseconds, 63.
        let most = (SPAN / period + 1) * tokens + u64::from(limit.burst);
        let shift = (most.leading_zeros() - 2).min((period * tokens).leading_zeros() - 1).min(MOST_SHIFT);
        Self { period, speed: tokens << shift, shift, burst: u64::from(limit.burst) << shift }
    }

    /// An instant in units.
    pub(super) fn at(self, now: Timestamp) -> u64 {
        let micros = u64::try_from(now.as_micros() - ORIGIN).unwrap_or(0).min(SPAN);
        micros / self.period * self.speed + micros % self.period * self.speed / self.period
    }

    pub(super) fn cost(self, tokens: u32) -> u64 {
        u64::from(tokens) << self.shift
    }

    /// The state after a call, or in how many microseconds it could pass.
    pub(super) fn take(self, state: u64, cost: u64, now: u64) -> Result<u64, u64> {
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

    pub(super) fn left(self, state: u64, now: u64) -> Left {
        let outstanding = state.saturating_sub(now);
        Left {
            tokens: self.burst.saturating_sub(outstanding) >> self.shift,
            whole_in: self.micros(outstanding),
        }
    }

    fn micros(self, units: u64) -> u64 {
        units / self.speed * self.period + (units % self.speed * self.period).div_ceil(self.speed)
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
            assert!(rate.period / rate.speed <= 3, "{limit:?}");
            for now in [Timestamp::MIN, Timestamp::from_micros(1_782_864_000_123_457), Timestamp::MAX] {
                let now = rate.at(now);
                let all = rate.take(0, rate.cost(limit.burst), now).expect("a whole burst");
                assert_eq!(rate.left(all, now).tokens, 0);
                assert_eq!(Rate::give_back(all, rate.cost(limit.burst)), now);
                let dear = rate.take(all, rate.cost(MAX_LIMIT), now);
                let wait = dear.expect_err("nothing is left");
                assert!(wait > 0 && wait <= rate.left(all, now).whole_in, "{limit:?}");
            }
        }
    }
}
