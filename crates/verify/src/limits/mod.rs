//! Rates and quotas as one node counts them, between `permission_denied` and `valid`: a decision that came so far
//! takes what its rules allow, or becomes a refusal. Nobody waits for anybody, refused calls use up nothing, and
//! memory is taken when a subject is first seen and given back when its counters say nothing any more.

mod quota;
mod rate;
mod rules;

use std::sync::atomic::{AtomicU64, Ordering};

use claviger_domain::decision::Code;
use claviger_domain::policy_templates::QuotaWindow;
use claviger_domain::time::Timestamp;
use hashbrown::DefaultHashBuilder;
use papaya::HashMap;

use self::rate::Rate;
pub use self::rules::{Amount, Rule, Rules, Subject};
use self::rules::{Counted, What};
use crate::index::Decision;

/// How a call stands to the strictest of its rules (surface.md, `rate_limit` and `RateLimit-*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allotment {
    /// How much can be used at most: a rate's burst, or a quota.
    pub limit: u32,
    /// How much of it is left, this call taken off.
    pub remaining: u32,
    /// In how many seconds all of it is there again.
    pub reset_seconds: u64,
}

/// Why a call that may pass by all else may not pass now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// `rate_limited` or `quota_exceeded`.
    pub code: Code,
    pub allotment: Allotment,
    /// In how many seconds a call of this cost may pass, if nobody else calls.
    pub retry_after_seconds: u64,
}

/// What each subject used up, as far as this node saw it. Share it by `Arc`.
#[derive(Default)]
pub struct Limits {
    counters: HashMap<Counted, Counter, DefaultHashBuilder>,
}

/// One number of one rule. Swept counters are closed first, so that none is taken from after it was let go of.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

const CLOSED: u64 = u64::MAX;

/// The counter was closed by a sweep; there is, or can be, another.
struct Closed;

impl Limits {
    /// Takes what a call costs from each of the rules that bind its decision, which becomes a refusal if one of them
    /// does not allow it.
    pub fn take(&self, decision: &mut Decision, now: Timestamp) {
        if let Some(rules) = decision.rules() {
            decision.allot(self.take_all(&rules, decision.cost(), now));
        }
    }

    /// Takes `cost` from each of the rules, or, if one of them does not allow it, from none.
    pub fn take_all(&self, rules: &Rules, cost: u32, now: Timestamp) -> Result<Allotment, Exceeded> {
        self.look(rules, cost, now)?;
        let mut strictest = Allotment::UNBOUND;
        for (at, rule) in rules.iter().enumerate() {
            match self.take_one(rule, cost, now) {
                Ok(left) => strictest = strictest.stricter(left),
                // Somebody else took the last of it since it was looked at.
                Err(exceeded) => {
                    rules.iter().take(at).for_each(|taken| self.give_back_one(taken, cost, now));
                    return Err(exceeded);
                }
            }
        }
        Ok(strictest)
    }

    /// Gives back what a call took that may not pass after all.
    pub fn give_back(&self, rules: &Rules, cost: u32, now: Timestamp) {
        rules.iter().for_each(|rule| self.give_back_one(rule, cost, now));
    }

    /// Lets go of counters that say nothing any more.
    pub fn sweep(&self, now: Timestamp) {
        let counters = self.counters.pin();
        for (counted, counter) in &counters {
            if counter.close_if(|state| is_over(counted.what, state, now)) {
                // Another call may have put a new one there since.
                let _ = counters.remove_if(counted, |_, counter| counter.is_closed());
            }
        }
    }

    /// How many counters there are.
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// Whether all rules would let the call pass. Of those that would not, rates are told before quotas, and then the
    /// one that lasts longest.
    fn look(&self, rules: &Rules, cost: u32, now: Timestamp) -> Result<(), Exceeded> {
        let counters = self.counters.pin();
        let state = |rule: &Rule| {
            let state = counters.get(&rule.counted()).map(|counter| counter.0.load(Ordering::Relaxed));
            state.filter(|state| *state != CLOSED).unwrap_or(0)
        };
        let exceeded = rules.iter().filter_map(|rule| after(rule, state(rule), cost, now).err());
        let worst = exceeded.min_by_key(|it| (it.code, std::cmp::Reverse(it.retry_after_seconds)));
        worst.map_or(Ok(()), Err)
    }

    fn take_one(&self, rule: &Rule, cost: u32, now: Timestamp) -> Result<Allotment, Exceeded> {
        let counted = rule.counted();
        let counters = self.counters.pin();
        loop {
            let counter = counters.get_or_insert_with(counted, Counter::default);
            match counter.advance(|state| after(rule, state, cost, now)) {
                Ok(Ok(state)) => return Ok(allotment(rule, state, now)),
                Ok(Err(exceeded)) => return Err(exceeded),
                // Whoever closed it is about to remove it, or was held up: it is removed here.
                Err(Closed) => _ = counters.remove_if(&counted, |_, counter| counter.is_closed()),
            }
        }
    }

    fn give_back_one(&self, rule: &Rule, cost: u32, now: Timestamp) {
        let counters = self.counters.pin();
        if let Some(counter) = counters.get(&rule.counted()) {
            // A counter that was closed had all available again.
            let _ = counter.advance(|state| Ok::<_, Exceeded>(before(rule, state, cost, now)));
        }
    }
}

impl Counter {
    /// Changes the number, unless `change` refuses.
    fn advance<E>(&self, change: impl Fn(u64) -> Result<u64, E>) -> Result<Result<u64, E>, Closed> {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            if state == CLOSED {
                return Err(Closed);
            }
            let new = match change(state) {
                Ok(new) => new,
                Err(refused) => return Ok(Err(refused)),
            };
            match self.0.compare_exchange_weak(state, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(Ok(new)),
                Err(other) => state = other,
            }
        }
    }

    fn close_if(&self, is_over: impl Fn(u64) -> bool) -> bool {
        let state = self.0.load(Ordering::Relaxed);
        state != CLOSED
            && is_over(state)
            && self.0.compare_exchange(state, CLOSED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) == CLOSED
    }
}

impl Allotment {
    /// Of a call that no rule binds.
    pub const UNBOUND: Self = Self { limit: u32::MAX, remaining: u32::MAX, reset_seconds: 0 };

    /// The one of which less is left.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        if other.remaining < self.remaining { other } else { self }
    }
}

impl Exceeded {
    pub fn new(amount: Amount, remaining: u32, reset_seconds: u64, retry_after_seconds: u64) -> Self {
        Self {
            code: amount.code(),
            allotment: Allotment { limit: amount.limit(), remaining, reset_seconds },
            retry_after_seconds: retry_after_seconds.max(1),
        }
    }
}

impl Amount {
    /// How much can be used at most at once.
    pub const fn limit(&self) -> u32 {
        match self {
            Self::Rate(rate) => rate.burst,
            Self::Quota(quota) => quota.limit,
        }
    }

    /// How a call is refused that would need more.
    pub const fn code(&self) -> Code {
        match self {
            Self::Rate(_) => Code::RateLimited,
            Self::Quota(_) => Code::QuotaExceeded,
        }
    }
}

/// The number after a call, if it may pass.
fn after(rule: &Rule, state: u64, cost: u32, now: Timestamp) -> Result<u64, Exceeded> {
    match rule.amount {
        Amount::Rate(limit) => {
            let rate = Rate::new(limit);
            rate.take(state, rate.cost(cost), rate.at(now)).map_err(|wait| {
                let Allotment { remaining, reset_seconds, .. } = allotment(rule, state, now);
                Exceeded::new(rule.amount, remaining, reset_seconds, seconds(wait))
            })
        }
        Amount::Quota(quota) => {
            let window = quota.per.window(now);
            quota::take(state, cost, quota, window).ok_or_else(|| {
                let Allotment { remaining, reset_seconds, .. } = allotment(rule, state, now);
                Exceeded::new(rule.amount, remaining, reset_seconds, reset_seconds)
            })
        }
    }
}

/// The number before a call that came to nothing.
fn before(rule: &Rule, state: u64, cost: u32, now: Timestamp) -> u64 {
    match rule.amount {
        Amount::Rate(limit) => Rate::give_back(state, Rate::new(limit).cost(cost)),
        Amount::Quota(quota) => quota::give_back(state, cost, quota.per.window(now)),
    }
}

fn is_over(what: What, state: u64, now: Timestamp) -> bool {
    match what {
        What::Rate(limit) => Rate::is_over(state, Rate::new(limit).at(now)),
        What::Quota(period) => quota::is_over(state, period.window(now)),
    }
}

fn allotment(rule: &Rule, state: u64, now: Timestamp) -> Allotment {
    let limit = rule.amount.limit();
    match rule.amount {
        Amount::Rate(it) => {
            let rate = Rate::new(it);
            let left = rate.left(state, rate.at(now));
            let remaining = u32::try_from(left.tokens).unwrap_or(limit);
            Allotment { limit, remaining, reset_seconds: seconds(left.whole_in) }
        }
        Amount::Quota(quota) => {
            let window = quota.per.window(now);
            let used = u32::try_from(quota::used(state, window)).unwrap_or(u32::MAX);
            Allotment { limit, remaining: limit.saturating_sub(used), reset_seconds: until_end(window, now) }
        }
    }
}

fn until_end(window: QuotaWindow, now: Timestamp) -> u64 {
    seconds(u64::try_from(window.ends_at.as_micros() - now.as_micros()).unwrap_or(0))
}

/// Whole seconds, and no less than there are.
const fn seconds(micros: u64) -> u64 {
    micros.div_ceil(1_000_000)
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Limits({} counters)", self.len())
    }
}
