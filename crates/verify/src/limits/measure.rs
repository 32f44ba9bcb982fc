//! One rule as a call meets it: what the call costs there and at which instant, worked out once.

use claviger_domain::policy_templates::{Quota, QuotaWindow};
use claviger_domain::time::Timestamp;

use super::quota;
use super::rate::Rate;
use super::rules::{Amount, What};
use super::{Allotment, Exceeded};

/// What a call would change of a rule's number.
#[derive(Debug)]
pub(super) struct Measure {
    amount: Amount,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Rate { rate: Rate, cost: u64, now: u64 },
    Quota { quota: Quota, cost: u32, window: QuotaWindow, ends_in: u64 },
}

impl Measure {
    pub(super) fn new(amount: Amount, cost: u32, now: Timestamp) -> Self {
        let kind = match amount {
            Amount::Rate(limit) => {
                let rate = Rate::new(limit);
                Kind::Rate { rate, cost: rate.cost(cost), now: rate.at(now) }
            }
            Amount::Quota(quota) => {
                let window = quota.per.window(now);
                let micros = window.ends_at.as_micros() - now.as_micros();
                Kind::Quota { quota, cost, window, ends_in: seconds(u64::try_from(micros).unwrap_or(0)) }
            }
        };
        Self { amount, kind }
    }

    /// The number after the call, if it may pass.
    pub(super) fn after(&self, state: u64) -> Result<u64, Exceeded> {
        let wait = match self.kind {
            Kind::Rate { rate, cost, now } => match rate.take(state, cost, now) {
                Ok(taken) => return Ok(taken),
                Err(micros) => seconds(micros),
            },
            Kind::Quota { quota, cost, window, ends_in } => match quota::take(state, cost, quota, window) {
                Some(taken) => return Ok(taken),
                None => ends_in,
            },
        };
        let Allotment { remaining, reset_seconds, .. } = self.allotment(state);
        Err(Exceeded::new(self.amount, remaining, reset_seconds, wait))
    }

    /// The number before the call, which came to nothing.
    pub(super) const fn before(&self, state: u64) -> u64 {
        match self.kind {
            Kind::Rate { cost, .. } => Rate::give_back(state, cost),
            Kind::Quota { cost, window, .. } => quota::give_back(state, cost, window),
        }
    }

    /// How much is left.
    pub(super) fn remaining(&self, state: u64) -> u32 {
        let limit = self.amount.limit();
        match self.kind {
            Kind::Rate { rate, now, .. } => u32::try_from(rate.left(state, now)).unwrap_or(limit),
            Kind::Quota { window, .. } => {
                limit.saturating_sub(u32::try_from(quota::used(state, window)).unwrap_or(u32::MAX))
            }
        }
    }

    /// What is left, and when all is there again.
    pub(super) fn allotment(&self, state: u64) -> Allotment {
        let reset_seconds = match self.kind {
            Kind::Rate { rate, now, .. } => seconds(rate.whole_in(state, now)),
            Kind::Quota { ends_in, .. } => ends_in,
        };
        Allotment { limit: self.amount.limit(), remaining: self.remaining(state), reset_seconds }
    }
}

impl What {
    /// Whether a number says nothing any more.
    pub(super) fn is_over(self, state: u64, now: Timestamp) -> bool {
        match self {
            Self::Rate(limit) => Rate::is_over(state, Rate::new(limit).at(now)),
            Self::Quota(period) => quota::is_over(state, period.window(now)),
        }
    }
}

/// Whole seconds, and no less than there are.
const fn seconds(micros: u64) -> u64 {
    micros.div_ceil(1_000_000)
}
