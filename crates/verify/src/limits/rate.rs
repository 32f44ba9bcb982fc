//! A rate as the generic cell rate algorithm (GCRA): one number holds the instant at which everything would be
//! available again. Time is counted in units of which a token has a power of two, fine enough for the clock: a call
//! costs a whole number of them, so that nothing is lost to rounding, however high the rate.

use claviger_domain::policy_templates::RateLimit;
use claviger_domain::time::Timestamp;

/// 2020-01-01T00:00:00Z, long before every call.
const ORIGIN: i64 = 1_577_836_800_000_000;
/// A hundred years, in microseconds; later instants count as the last.
const SPAN: u64 = 3_155_760_000_000_000;

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

/// The same instant rounded down and up to units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instant {
    floor: u64,
    ceiling: u64,
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
        // Neither the units of the whole span with a burst on top, nor those of a period times its microseconds,
        // may need more than 63 bits.
        let most = (SPAN / period + 1) * tokens + u64::from(limit.burst);
        let shift = most.leading_zeros().min((period * tokens).leading_zeros()).saturating_sub(2);
        Self { period, speed: tokens << shift, shift, burst: u64::from(limit.burst) << shift }
    }

    pub(super) fn at(self, now: Timestamp) -> Instant {
        let micros = u64::try_from(now.as_micros() - ORIGIN).unwrap_or(0).min(SPAN);
        let (periods, rest) = (micros / self.period, (micros % self.period) * self.speed);
        let whole = periods * self.speed;
        Instant { floor: whole + rest / self.period, ceiling: whole + rest.div_ceil(self.period) }
    }

    pub(super) fn cost(self, tokens: u32) -> u64 {
        u64::from(tokens) << self.shift
    }

    /// The state after a call, or in how many microseconds it could pass. Rounding is to the stricter side: never
    /// is more allowed than the rate.
    pub(super) fn take(self, state: u64, cost: u64, now: Instant) -> Result<u64, u64> {
        // Nothing is outstanding: a whole burst may pass, also within the unit that has begun.
        if state <= now.floor && cost <= self.burst {
            return Ok(now.ceiling + cost);
        }
        let taken = state.max(now.ceiling).saturating_add(cost);
        let earliest = taken.saturating_sub(self.burst);
        if earliest <= now.floor {
            return Ok(taken);
        }
        // What costs more than the burst never passes; it may as well wait until all is available.
        let wait = if cost <= self.burst { earliest - now.floor } else { state.saturating_sub(now.floor) };
        Err(self.micros(wait))
    }

    /// The state as it was before a call that came to nothing.
    pub(super) const fn give_back(state: u64, cost: u64) -> u64 {
        state.saturating_sub(cost)
    }

    /// Whether all is available again, so that the state says nothing any more.
    pub(super) const fn is_over(state: u64, now: Instant) -> bool {
        state <= now.floor
    }

    pub(super) fn left(self, state: u64, now: Instant) -> Left {
        let outstanding = state.saturating_sub(now.floor);
        Left {
            tokens: self.burst.saturating_sub(outstanding) >> self.shift,
            whole_in: self.micros(outstanding),
        }
    }

    fn micros(self, units: u64) -> u64 {
        let micros = (u128::from(units) * u128::from(self.period)).div_ceil(u128::from(self.speed));
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}
