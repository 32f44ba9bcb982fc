//! Rates and quotas as one node counts them, between `permission_denied` and `valid`: a decision that came so far
//! takes what its rules allow, or becomes a refusal. Nobody waits for anybody, refused calls use up nothing, and
//! memory is taken when a subject is first seen and given back when its counters say nothing any more.

mod limiting;
mod measure;
mod quota;
mod rate;
mod rules;

use std::cmp::Reverse;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_domain::decision::Code;
use claviger_domain::time::Timestamp;
use hashbrown::DefaultHashBuilder;
use papaya::HashMap;

pub use self::limiting::{Limiting, Settling};
use self::measure::Measure;
pub use self::rules::{Amount, Rule, Rules, Subject};
use self::rules::{Counted, MOST_RULES};
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
        let counters = self.counters.pin();
        loop {
            let mut bound = [const { None }; MOST_RULES];
            for (place, rule) in bound.iter_mut().zip(rules.iter()) {
                let counter = counters.get_or_insert_with(rule.counted(), Counter::default);
                *place = Some(Bound { counter, measure: Measure::new(rule.amount, cost, now) });
            }
            match take_from(&bound) {
                Ok(taken) => return taken,
                // Whoever closed one is about to remove it, or was held up: it is removed here.
                Err(Closed) => rules.iter().for_each(|rule| {
                    let _ = counters.remove_if(&rule.counted(), |_, counter| counter.is_closed());
                }),
            }
        }
    }

    /// Gives back what a call took that may not pass after all.
    pub fn give_back(&self, rules: &Rules, cost: u32, now: Timestamp) {
        let counters = self.counters.pin();
        for rule in rules.iter() {
            if let Some(counter) = counters.get(&rule.counted()) {
                counter.give_back(&Measure::new(rule.amount, cost, now));
            }
        }
    }

    /// Lets go of counters that say nothing any more.
    pub fn sweep(&self, now: Timestamp) {
        let counters = self.counters.pin();
        for (counted, counter) in &counters {
            if counter.close_if(|state| counted.what.is_over(state, now)) {
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
}

/// One rule of a call, with its counter.
struct Bound<'c> {
    counter: &'c Counter,
    measure: Measure,
}

type AllBound<'c> = [Option<Bound<'c>>; MOST_RULES];

/// Takes from all counters, if all allow it when they are looked at, and nobody else takes the last of it meanwhile.
fn take_from(bound: &AllBound<'_>) -> Result<Result<Allotment, Exceeded>, Closed> {
    let all = || bound.iter().flatten();
    if let Some(exceeded) = worst(all()) {
        return Ok(Err(exceeded));
    }
    let mut strictest: Option<(u32, &Measure, u64)> = None;
    for (at, one) in all().enumerate() {
        let taken = one.counter.advance(|state| one.measure.after(state));
        let refused = match taken {
            Some(Ok(state)) => {
                let remaining = one.measure.remaining(state);
                if strictest.is_none_or(|(least, ..)| remaining < least) {
                    strictest = Some((remaining, &one.measure, state));
                }
                continue;
            }
            Some(Err(exceeded)) => Ok(Err(exceeded)),
            None => Err(Closed),
        };
        all().take(at).for_each(|taken| taken.counter.give_back(&taken.measure));
        return refused;
    }
    Ok(Ok(strictest.map_or(Allotment::UNBOUND, |(_, measure, state)| measure.allotment(state))))
}

/// Of the rules that would not let the call pass, the one to be told.
fn worst<'b>(bound: impl Iterator<Item = &'b Bound<'b>>) -> Option<Exceeded> {
    Exceeded::worst(bound.filter_map(|one| one.measure.after(one.counter.state()).err()))
}

impl Counter {
    /// The number; of a counter that is closed, as it was when it was made.
    fn state(&self) -> u64 {
        let state = self.0.load(Ordering::Relaxed);
        if state == CLOSED { 0 } else { state }
    }

    /// Changes the number, unless `change` refuses. `None`: it is closed.
    fn advance<E>(&self, change: impl Fn(u64) -> Result<u64, E>) -> Option<Result<u64, E>> {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            if state == CLOSED {
                return None;
            }
            let new = match change(state) {
                Ok(new) => new,
                Err(refused) => return Some(Err(refused)),
            };
            match self.0.compare_exchange_weak(state, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Ok(new)),
                Err(other) => state = other,
            }
        }
    }

    /// A counter that was closed had all available again: there is nothing to give back to.
    fn give_back(&self, measure: &Measure) {
        let _ = self.advance(|state| Ok::<_, Infallible>(measure.before(state)));
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
    /// Of several refusals the one to be told: rates before quotas, and then the one that lasts longest.
    pub fn worst(all: impl Iterator<Item = Self>) -> Option<Self> {
        all.min_by_key(|it| (it.code, Reverse(it.retry_after_seconds)))
    }

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

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Limits({} counters)", self.len())
    }
}
