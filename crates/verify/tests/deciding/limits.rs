//! What one node counts: never more than a rule allows, whoever asks at once and however the clock goes; refused
//! calls use up nothing; and which rules bind which call.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use claviger_domain::apis::{ApiSettings, AuthType, Requires};
use claviger_domain::decision::Code;
use claviger_domain::event::EventBody;
use claviger_domain::id::{ApiId, KeySetId};
use claviger_domain::key_sets::SuspendedBy;
use claviger_domain::policy_templates::{CallLimits, Policy, Quota, QuotaPeriod, RateLimit, RatePeriod};
use claviger_domain::shared_keys::Audience;
use claviger_domain::time::Timestamp;
use claviger_verify::{Allotment, Credential, Decision, Exceeded, Index, Limits, Request, Rules, Subject};
use proptest::prelude::*;

use crate::story::{ACME, PRODUCTION, START, Story, name, policy, schedule, settings};

const SET: Subject = Subject::KeySet(KeySetId::from_bytes([1; 16]));
const API: ApiId = ApiId::from_bytes([2; 16]);

fn rate(limit: u32, per: RatePeriod, burst: u32) -> RateLimit {
    RateLimit { limit, per, burst }
}

fn only(rate: RateLimit) -> CallLimits {
    CallLimits { rate_limit: Some(rate), quota: None }
}

fn quota(limit: u32, per: QuotaPeriod) -> CallLimits {
    CallLimits { rate_limit: None, quota: Some(Quota { limit, per }) }
}

fn own(limits: CallLimits) -> Rules {
    Rules::new(SET, None, limits)
}

/// An instant that is a round one for no rate, and so many microseconds later.
fn later(micros: i64) -> Timestamp {
    Timestamp::from_micros(START.as_micros() + 1_234_567 + micros)
}

fn amounts() -> impl Strategy<Value = u32> {
    prop_oneof![1..20_u32, 1..5_000_u32, 1..=1_000_000_000_u32, Just(1_000_000_000)]
}

fn rates() -> impl Strategy<Value = RateLimit> {
    let periods = prop_oneof![Just(RatePeriod::Second), Just(RatePeriod::Minute), Just(RatePeriod::Hour)];
    (amounts(), periods, amounts()).prop_map(|(limit, per, burst)| rate(limit, per, burst))
}

/// GCRA as it is written down, in whole numbers: time is multiplied by the limit, so that nothing is rounded.
struct Exact {
    rate: RateLimit,
    all_at: i128,
}

impl Exact {
    fn allows(&self, cost: u32, now: i64) -> bool {
        let (period, now) = (i128::from(self.rate.per.micros()), self.scaled(now));
        self.all_at.max(now) + i128::from(cost) * period <= now + i128::from(self.rate.burst) * period
    }

    fn take(&mut self, cost: u32, now: i64) {
        self.all_at =
            self.all_at.max(self.scaled(now)) + i128::from(cost) * i128::from(self.rate.per.micros());
    }

    fn scaled(&self, now: i64) -> i128 {
        i128::from(now) * i128::from(self.rate.limit)
    }
}

/// A unit of the rate's own time is at most so many microseconds, and roundings never add up.
const UNIT: i64 = 4;

proptest! {
    #[test]
    fn a_rate_is_that_of_the_book_to_the_microsecond(
        rate in rates(),
        calls in proptest::collection::vec((0..3_i64, 0..20_000_000_i64, 1..8_u32), 1..200),
    ) {
        let (limits, rules) = (Limits::default(), own(only(rate)));
        let mut exact = Exact { rate, all_at: 0 };
        let mut now = 0;
        let period = i64::try_from(rate.per.micros()).unwrap();
        for (kind, wait, part) in calls {
            // At once, after about as long as a call takes of the rate, or after any time.
            now += [0, period * i64::from(part) / i64::from(rate.limit), wait][kind as usize];
            let cost = (rate.burst / part).max(1);
            let taken = limits.take_all(&rules, cost, later(now));
            if taken.is_ok() {
                prop_assert!(exact.allows(cost, now + UNIT), "{cost} at {now}");
                exact.take(cost, now);
            } else {
                prop_assert!(!exact.allows(cost, now - UNIT), "{cost} at {now}");
            }
        }
    }

    #[test]
    fn no_window_has_more_than_the_rate_and_a_burst(
        rate in rates(),
        waits in proptest::collection::vec(0..2_000_000_i64, 1..120),
    ) {
        let (limits, rules) = (Limits::default(), own(only(rate)));
        let (mut now, mut passed) = (0, Vec::new());
        for wait in waits {
            now += wait;
            let cost = (rate.burst / 3).max(1);
            if limits.take_all(&rules, cost, later(now)).is_ok() {
                passed.push((now, i128::from(cost)));
            }
        }
        let (period, limit, burst) =
            (i128::from(rate.per.micros()), i128::from(rate.limit), i128::from(rate.burst));
        for first in 0..passed.len() {
            let mut used = 0;
            for (at, cost) in &passed[first..] {
                used += cost * period;
                let window = i128::from(at - passed[first].0 + UNIT);
                prop_assert!(used <= burst * period + window * limit);
            }
        }
    }

    #[test]
    fn a_quota_is_used_up_once_in_each_window(
        limit in 1..40_u32,
        month in any::<bool>(),
        calls in proptest::collection::vec((0..200_000_i64, 1..9_u32), 1..200),
    ) {
        let per = if month { QuotaPeriod::Month } else { QuotaPeriod::Day };
        let (limits, rules) = (Limits::default(), own(quota(limit, per)));
        let (mut now, mut window, mut used) = (START, per.window(START).number, 0);
        for (wait, cost) in calls {
            now = now.plus_seconds(wait);
            if per.window(now).number != window {
                (window, used) = (per.window(now).number, 0);
            }
            let taken = limits.take_all(&rules, cost, now);
            prop_assert_eq!(taken.is_ok(), used + cost <= limit);
            used += if taken.is_ok() { cost } else { 0 };
            let told = taken.unwrap_or_else(|exceeded| exceeded.allotment);
            let end = per.window(now).ends_at.seconds_since(now);
            let reset_seconds = u64::try_from(end).unwrap();
            prop_assert_eq!(told, Allotment { limit, remaining: limit - used, reset_seconds });
        }
    }

    /// A second set of counters sees only the calls that passed, and is of the same mind about every call.
    #[test]
    fn refused_calls_use_up_nothing_of_any_rule(
        of_api in (1..9_u32, 1..30_u32),
        of_policy in (1..9_u32, 1..30_u32),
        calls in proptest::collection::vec((any::<bool>(), 0..1_500_000_i64, 1..12_u32), 1..150),
    ) {
        let limits = |(burst, quota): (u32, u32)| CallLimits {
            rate_limit: Some(rate(burst, RatePeriod::Second, burst)),
            quota: Some(Quota { limit: quota * 4, per: QuotaPeriod::Day }),
        };
        let (asked, passed) = (Limits::default(), Limits::default());
        let mut now = 0;
        for (with_api, wait, cost) in calls {
            now += wait;
            let rules = Rules::new(SET, with_api.then_some((API, limits(of_api))), limits(of_policy));
            let taken = asked.take_all(&rules, cost, later(now));
            let alone = passed.take_all(&rules, cost, later(now));
            prop_assert_eq!(taken, alone);
            if taken.is_err() {
                // It forgets that it was asked.
                prop_assert_eq!(passed.take_all(&rules, cost, later(now)), alone);
            }
            let given_back = asked.take_all(&rules, 1, later(now));
            if given_back.is_ok() {
                asked.give_back(&rules, 1, later(now));
            }
        }
    }

    #[test]
    fn whoever_waits_as_told_may_pass(rate in rates(), part in 1..4_u32, times in 1..6) {
        let (limits, rules) = (Limits::default(), own(only(rate)));
        let cost = (rate.burst / part).max(1);
        let mut now = START;
        for _ in 0..times {
            while let Ok(left) = limits.take_all(&rules, cost, now) {
                prop_assert!(left.remaining < left.limit && left.limit == rate.burst);
            }
            let exceeded = limits.take_all(&rules, cost, now).unwrap_err();
            prop_assert_eq!(exceeded.code, Code::RateLimited);
            let wait = i64::try_from(exceeded.retry_after_seconds).unwrap();
            // Nobody waits for centuries, and a rate's time ends with this one.
            prop_assume!(wait < 10 * 365 * 86_400);
            prop_assert!(exceeded.allotment.reset_seconds >= exceeded.retry_after_seconds);
            now = now.plus_seconds(wait);
            prop_assert!(limits.take_all(&rules, cost, now).is_ok(), "after {wait} s");
        }
    }
}

#[test]
fn a_hundred_at_once_get_exactly_what_there_is() {
    for (of_api, of_policy, there) in [
        (CallLimits::default(), only(rate(50, RatePeriod::Hour, 500)), 500),
        (only(rate(1, RatePeriod::Hour, 300)), quota(200, QuotaPeriod::Day), 200),
        (quota(70, QuotaPeriod::Month), only(rate(1, RatePeriod::Hour, 90)), 70),
    ] {
        let (limits, passed) = (Limits::default(), AtomicUsize::new(0));
        let rules = Rules::new(SET, Some((API, of_api)), of_policy);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    for _ in 0..32 {
                        let taken = limits.take_all(&rules, 1, later(0));
                        passed.fetch_add(usize::from(taken.is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), there);
        assert!(limits.take_all(&rules, 1, later(0)).is_err());
    }
}

#[test]
fn what_is_left_is_told_to_the_last_one_at_any_instant() {
    for micros in [0, 1, 7, 333_333, 999_999] {
        let (limits, rules) = (Limits::default(), own(only(rate(7, RatePeriod::Hour, 7))));
        for left in (0..7).rev() {
            let taken = limits.take_all(&rules, 1, later(micros));
            assert_eq!(taken.map(|it| it.remaining), Ok(left), "{micros}");
        }
        let exceeded = limits.take_all(&rules, 1, later(micros)).unwrap_err();
        assert_eq!((exceeded.retry_after_seconds, exceeded.allotment.reset_seconds), (515, 3_600));
    }
}

#[test]
fn counters_are_swept_when_they_say_nothing_and_never_while_they_do() {
    let limits = Limits::default();
    let both = CallLimits {
        rate_limit: Some(rate(10, RatePeriod::Second, 10)),
        quota: Some(Quota { limit: 100, per: QuotaPeriod::Day }),
    };
    for n in 0..1_000_u128 {
        let subject = Subject::KeySet(KeySetId::from_bytes(n.to_be_bytes()));
        assert!(limits.take_all(&Rules::new(subject, None, both), 10, later(0)).is_ok());
    }
    assert_eq!(limits.len(), 2_000);
    limits.sweep(later(500_000));
    assert_eq!(limits.len(), 2_000, "the rates are not whole again");
    limits.sweep(later(1_000_000));
    assert_eq!(limits.len(), 1_000, "the quotas are of today");
    limits.sweep(START.plus_seconds(86_400));
    assert!(limits.is_empty());
}

#[test]
fn a_sweep_loses_nothing_that_is_taken_meanwhile() {
    let (limits, done) = (Limits::default(), AtomicBool::new(false));
    let passed = std::thread::scope(|scope| {
        // Its clock is theirs: only a counter of which nothing is taken yet says nothing, and each begins as such.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                limits.sweep(START);
            }
        });
        let of_round = |round: u32| {
            let mut id = [0; 16];
            id[12..].copy_from_slice(&round.to_be_bytes());
            let subject = Subject::KeySet(KeySetId::from_bytes(id));
            let rules = Rules::new(subject, None, only(rate(1, RatePeriod::Hour, 10)));
            let ask = || (0..10).filter(|_| limits.take_all(&rules, 1, START).is_ok()).count();
            std::thread::scope(|callers| {
                let callers = [callers.spawn(ask), callers.spawn(ask)];
                callers.map(|caller| caller.join().unwrap()).iter().sum::<usize>()
            })
        };
        let passed: Vec<usize> = (0..500).map(of_round).collect();
        done.store(true, Ordering::Relaxed);
        passed
    });
    assert_eq!(passed, [10; 500], "a burst each, however often it was swept before");
}

#[test]
fn a_clock_that_goes_back_costs_a_burst_at_most() {
    let (limits, rules) = (Limits::default(), own(only(rate(60, RatePeriod::Minute, 5))));
    let (late, early) = (START.plus_seconds(3_600), START);
    assert!(limits.take_all(&rules, 1, late).is_ok());
    let refused = limits.take_all(&rules, 1, early).unwrap_err();
    assert_eq!((refused.allotment.remaining, refused.allotment.reset_seconds), (0, 5));
    assert_eq!(refused.retry_after_seconds, 1);
    assert!(
        limits.take_all(&rules, 1, early.plus_seconds(1)).is_err(),
        "of what is outstanding, nothing ran off"
    );
}

#[test]
fn rates_are_told_before_quotas_and_the_longest_wait_first() {
    let limits = Limits::default();
    let used_up = CallLimits {
        rate_limit: Some(rate(1, RatePeriod::Minute, 1)),
        quota: Some(Quota { limit: 1, per: QuotaPeriod::Day }),
    };
    let rules = Rules::new(SET, Some((API, used_up)), only(rate(1, RatePeriod::Hour, 1)));
    let passed = limits.take_all(&rules, 1, START).expect("the first call");
    assert_eq!(passed.remaining, 0);
    let Exceeded { code, allotment, retry_after_seconds } = limits.take_all(&rules, 1, START).unwrap_err();
    assert_eq!((code, retry_after_seconds), (Code::RateLimited, 3_600));
    assert_eq!(allotment, Allotment { limit: 1, remaining: 0, reset_seconds: 3_600 });
    let an_hour_later = START.plus_seconds(3_600);
    let exceeded = limits.take_all(&rules, 1, an_hour_later).unwrap_err();
    assert_eq!((exceeded.code, exceeded.retry_after_seconds), (Code::QuotaExceeded, 82_800));
}

/// One API, `orders`, and a second, `stock`; a Key Set that is subscribed to both.
struct Scene {
    story: Story,
    limits: Limits,
    set: KeySetId,
    keys: Vec<String>,
}

impl Scene {
    fn new(of_policy: CallLimits, of_api: CallLimits) -> Self {
        let mut story = Story::new();
        let CallLimits { rate_limit, quota } = of_api;
        let orders = story.api("orders", ApiSettings { rate_limit, quota, ..settings() });
        let stock = story.api("stock", settings());
        let application = story.application(ACME);
        let CallLimits { rate_limit, quota } = of_policy;
        let limited = Policy { rate_limit, quota, ..policy() };
        let set = story.key_set_under(limited, application, PRODUCTION, AuthType::ApiKey);
        let keys = (0..2).map(|_| story.issue(set, Some(schedule(START, None)), None)).collect::<Vec<_>>();
        story.subscribe(orders, &[set], None, false);
        story.subscribe(stock, &[set], None, false);
        let keys = keys.iter().map(|key| story.credentials[key].key.clone()).collect();
        Self { story, limits: Limits::default(), set, keys }
    }

    fn ask<'r>(&self, index: &Index, key: &'r str, api: &'r str, cost: u32) -> Decision {
        let credential = Credential::from_parts(Some(key), None);
        let request = Request { api: Some(api), cost, ..Request::new(credential) };
        let mut decision = index.decide(&request, START);
        self.limits.take(&mut decision, START);
        decision
    }
}

fn per_hour(limit: u32) -> CallLimits {
    only(rate(limit, RatePeriod::Hour, limit))
}

#[test]
fn both_living_keys_of_a_set_count_together_over_all_its_apis() {
    let scene = Scene::new(per_hour(3), CallLimits::default());
    let index = scene.story.told();
    let ask = |key: usize, api| scene.ask(&index, &scene.keys[key], api, 1);
    assert_eq!(ask(0, "orders").allotment().map(|it| (it.limit, it.remaining)), Some((3, 2)));
    assert_eq!(ask(1, "stock").code(), Code::Valid);
    assert_eq!(ask(1, "orders").code(), Code::Valid);
    for (key, api) in [(0, "orders"), (1, "stock")] {
        let refused = ask(key, api);
        assert_eq!((refused.code(), refused.allowed()), (Code::RateLimited, false));
        assert_eq!(refused.retry_after_seconds(), Some(1_200));
        assert!(refused.key_id().is_some() && refused.application().is_some(), "the credential is proved");
    }
}

#[test]
fn the_strictest_of_policy_and_api_binds_and_refused_calls_use_up_neither() {
    let scene = Scene::new(per_hour(10), per_hour(4));
    let index = scene.story.told();
    let ask = |api, cost| scene.ask(&index, &scene.keys[0], api, cost);
    assert_eq!(ask("orders", 3).allotment().map(|it| it.remaining), Some(1));
    for _ in 0..5 {
        assert_eq!(ask("orders", 2).code(), Code::RateLimited);
    }
    assert_eq!(ask("stock", 7).allotment().map(|it| it.remaining), Some(0), "3 of 10 were used");
    assert_eq!(ask("orders", 1).code(), Code::RateLimited, "the policy's are used up");
    assert_eq!(ask("stock", 1).code(), Code::RateLimited);
}

#[test]
fn whoever_is_refused_otherwise_uses_up_nothing() {
    let mut scene = Scene::new(per_hour(1), CallLimits::default());
    scene.story.tell(EventBody::KeySetSuspended { key_set_id: scene.set, by: SuspendedBy::Hand });
    let suspended = scene.story.told();
    assert_eq!(scene.ask(&suspended, &scene.keys[0], "orders", 1).code(), Code::Suspended);
    scene.story.tell(EventBody::KeySetActivated { key_set_id: scene.set });
    let index = scene.story.told();
    assert_eq!(scene.ask(&index, &scene.keys[0], "moon", 1).code(), Code::ApiNotExposed);
    assert_eq!(scene.ask(&index, &scene.keys[0], "orders", 1).code(), Code::Valid);
    assert_eq!(scene.ask(&index, &scene.keys[0], "orders", 1).code(), Code::RateLimited);
}

#[test]
fn a_new_policy_and_new_settings_bind_at_once() {
    let mut scene = Scene::new(CallLimits::default(), CallLimits::default());
    let index = scene.story.told();
    let free = scene.ask(&index, &scene.keys[0], "orders", 1_000_000);
    assert_eq!((free.code(), free.allotment()), (Code::Valid, None));
    assert!(scene.limits.is_empty(), "nothing is counted where nothing is limited");
    let set = &scene.story.key_sets[&scene.set];
    let CallLimits { quota, .. } = quota(5, QuotaPeriod::Day);
    let changed = EventBody::KeySetPolicyChanged {
        key_set_id: scene.set,
        policy: Policy { quota, ..policy() },
        template: set.template,
        schedule: None,
    };
    scene.story.tell(changed);
    let index = scene.story.told();
    assert_eq!(scene.ask(&index, &scene.keys[0], "orders", 5).code(), Code::Valid);
    assert_eq!(scene.ask(&index, &scene.keys[0], "orders", 1).code(), Code::QuotaExceeded);
    let api_id = *scene.story.apis.keys().next().expect("an API");
    let slug = scene.story.apis[&api_id].slug.as_str().to_owned();
    let settings =
        ApiSettings { rate_limit: per_hour(1).rate_limit, ..scene.story.apis[&api_id].settings.clone() };
    scene.story.tell(EventBody::ApiUpdated { api_id, settings });
    let index = scene.story.told();
    let both = scene.ask(&index, &scene.keys[0], &slug, 2);
    assert_eq!(both.code(), Code::RateLimited, "told before the quota");
    assert_eq!(index.entries(), scene.story.loaded().entries());
}

#[test]
fn a_shared_key_has_its_own_rate_beside_that_of_its_api() {
    let mut story = Story::new();
    let CallLimits { quota, .. } = quota(3, QuotaPeriod::Day);
    let requires = Requires::None;
    let api = story.api("orders", ApiSettings { quota, requires, ..settings() });
    let keys = [1, 2].map(|_| story.shared_key(api, Audience::Outside, None, None));
    story.tell(EventBody::SharedKeyUpdated {
        shared_key_id: keys[0],
        name: name("Slow"),
        permissions: None,
        rate_limit: per_hour(2).rate_limit,
        ip_allow_list: None,
    });
    let (index, limits) = (story.told(), Limits::default());
    let ask = |key: Option<&str>| {
        let request = Request { api: Some("orders"), ..Request::new(Credential::from_parts(key, None)) };
        let mut decision = index.decide(&request, START);
        limits.take(&mut decision, START);
        decision.code()
    };
    let codes = |at: usize| {
        let key = &story.shared_credentials[&keys[at]].key;
        std::array::from_fn::<_, 4, _>(|_| ask(Some(key)))
    };
    assert_eq!(codes(0), [Code::Valid, Code::Valid, Code::RateLimited, Code::RateLimited]);
    assert_eq!(codes(1), [Code::Valid, Code::Valid, Code::Valid, Code::QuotaExceeded]);
    for _ in 0..10 {
        assert_eq!(ask(None), Code::Valid, "a call without identity counts for nobody");
    }
}

#[test]
fn counting_allocates_only_for_those_first_seen() {
    let scene = Scene::new(per_hour(1_000_000), per_hour(1_000_000));
    let index = scene.story.told();
    let ask = || _ = scene.ask(&index, &scene.keys[0], "orders", 1);
    ask();
    let counted = allocation_counter::measure(|| (0..100).for_each(|_| ask()));
    assert_eq!(counted.count_total, 0);
}
