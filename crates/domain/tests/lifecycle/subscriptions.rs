//! Subscriptions, which Key Set they use, and the cascade of an Application (product.md D1, D2, D4, D9,
//! D17, F6).

use claviger_domain::aggregate::Aggregate as _;
use claviger_domain::apis::{ApiPermission, AuthType};
use claviger_domain::applications::{Application, ApplicationStatus, Return};
use claviger_domain::event::{EventBody, SubscriptionTerms};
use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, GroupId, KeySetId, OrganizationId, SubscriptionId,
};
use claviger_domain::key_sets::{Facts, KeySet, KeyStatus};
use claviger_domain::refusal::Refusal;
use claviger_domain::subscriptions::{
    Candidate, Subscription, SubscriptionStatus, UsedSet, Wanted, default_name, subset_of,
};
use claviger_domain::time::{Period, Timestamp};

use crate::support::{DIRECT, PENDING, Story, at, name, rotating, template};

fn now() -> Timestamp {
    at("2026-01-01T12:00:00Z")
}

fn provider() -> OrganizationId {
    OrganizationId::from_bytes([2; 16])
}

fn set_id(n: u8) -> KeySetId {
    KeySetId::from_bytes([n; 16])
}

fn subscription(pending: bool) -> Subscription {
    let terms = SubscriptionTerms {
        application_id: ApplicationId::from_bytes([1; 16]),
        organization_id: OrganizationId::from_bytes([1; 16]),
        group_id: GroupId::from_bytes([1; 16]),
        api_id: ApiId::from_bytes([1; 16]),
        api_organization_id: provider(),
        api_group_id: GroupId::from_bytes([2; 16]),
        environment_id: EnvironmentId::from_bytes([1; 16]),
        pending,
        lapses_at: pending.then(|| Subscription::lapse_after(now())),
        permissions: None,
        note: None,
        key_set_ids: vec![set_id(1)],
    };
    let id = SubscriptionId::from_bytes([1; 16]);
    let created = EventBody::SubscriptionCreated { subscription_id: id, terms: Box::new(terms) };
    Subscription::apply(None, now(), &created).expect("applies").expect("stands")
}

fn applied(subscription: Subscription, events: &[EventBody], at: Timestamp) -> Subscription {
    Subscription::apply(Some(subscription), at, &events[0]).expect("applies").expect("stands")
}

fn kinds(events: &[EventBody]) -> Vec<&'static str> {
    events.iter().map(EventBody::kind).collect()
}

#[test]
fn every_status_and_every_act() {
    let later = now().plus(&Period::days(1));
    let ended = |subscription: Subscription| {
        let events = subscription.end(&[], now()).expect("live");
        applied(subscription, &events, now())
    };
    let rejected = |subscription: Subscription| {
        let events = subscription.reject(&[], now()).expect("pending");
        applied(subscription, &events, now())
    };
    for (subscription, at, from, allowed) in [
        (subscription(true), later, "pending", vec!["accept", "reject", "end"]),
        (subscription(true), now().plus(&Period::days(30)), "ended", vec![]),
        (subscription(false), later, "active", vec!["end", "renew"]),
        (rejected(subscription(true)), later, "rejected", vec![]),
        (ended(subscription(true)), later, "ended", vec![]),
        (ended(subscription(false)), later, "ended", vec![]),
    ] {
        let outcomes = [
            ("accept", subscription.accept(&[], false, at).map(drop)),
            ("reject", subscription.reject(&[], at).map(drop)),
            ("end", subscription.end(&[], at).map(drop)),
            ("renew", subscription.check_renew(&[AuthType::Basic], at)),
        ];
        for (act, outcome) in outcomes {
            if allowed.contains(&act) {
                assert_eq!(outcome, Ok(()), "{from} × {act}");
            } else {
                let refusal = Refusal::InvalidTransition { from, act, allowed: allowed.clone() };
                assert_eq!(outcome, Err(refusal), "{from} × {act}");
            }
        }
    }
}

#[test]
fn accepting_provisions_the_pending_sets_and_touches_no_other() {
    let pending = Story::begin_as(set_id(1), rotating(), PENDING, now());
    let active = Story::begin_as(set_id(2), rotating(), DIRECT, now());
    let used = [pending.set(), active.set()].map(|set| UsedSet { set, used_by_others: false });
    let later = now().plus(&Period::days(3));
    for (application_suspended, status) in [(false, KeyStatus::Active), (true, KeyStatus::Suspended)] {
        let events = subscription(true).accept(&used, application_suspended, later).expect("pending");
        assert_eq!(kinds(&events), ["subscription.accepted", "key_set.provisioned"]);
        let mut story = pending.clone();
        story.now = later;
        story.record(events[1..].to_vec());
        assert_eq!(story.status(), status);
        assert_eq!(story.set().keys[0].schedule.map(|dates| dates.start), Some(later));
        assert_eq!(applied(subscription(true), &events, later).status, SubscriptionStatus::Active);
    }
}

#[test]
fn a_pending_set_goes_with_the_last_live_subscription() {
    let pending = Story::begin_as(set_id(1), rotating(), PENDING, now());
    let active = Story::begin_as(set_id(2), rotating(), DIRECT, now());
    let lapsed_at = now().plus(&Period::days(31));
    for used_by_others in [false, true] {
        let used = [pending.set(), active.set()].map(|set| UsedSet { set, used_by_others });
        let subscription = subscription(true);
        let rest: &[&str] = if used_by_others { &[] } else { &["key_set.removed"] };
        for (first, events) in [
            ("subscription.rejected", subscription.reject(&used, now()).expect("pending")),
            ("subscription.ended", subscription.end(&used, now()).expect("pending")),
            ("subscription.lapsed", subscription.lapse(&used, lapsed_at)),
        ] {
            assert_eq!(kinds(&events), [&[first], rest].concat());
            assert!(!applied(subscription.clone(), &events, lapsed_at).status.is_live());
        }
        assert_eq!(subscription.lapse(&used, now().plus(&Period::days(29))), []);
    }
}

#[test]
fn at_most_twenty_pending_per_application() {
    assert_eq!(Subscription::check_pending_limit(19), Ok(()));
    assert_eq!(Subscription::check_pending_limit(20), Err(Refusal::LimitReached { limit: 20 }));
}

#[test]
fn renewing_serves_the_auth_types_without_a_living_set() {
    let mut dead = Story::begin_as(set_id(1), rotating(), DIRECT, now());
    let asked = [AuthType::ApiKey, AuthType::Basic];
    let missing = |story: &Story| Subscription::auth_types_to_renew(asked, [story.set()], story.now);
    assert_eq!(missing(&dead), [AuthType::Basic], "added since");
    dead.record(dead.set().revoke(now(), &Facts::default()).expect("active"));
    assert_eq!(missing(&dead), asked);
    let subscription = subscription(false);
    let refusal = subscription.check_renew(&[], now()).expect_err("nothing to do");
    let expected = Refusal::InvalidTransition { from: "active", act: "renew", allowed: vec!["end"] };
    assert_eq!(refusal, expected);
    let events = [subscription.renewed([set_id(1), set_id(2)])];
    assert_eq!(applied(subscription, &events, now()).key_set_ids, [set_id(1), set_id(2)]);
}

#[test]
fn permissions_are_a_subset_of_the_apis_own() {
    let words = |texts: &[&str]| -> Vec<ApiPermission> {
        texts.iter().map(|text| ApiPermission::new(text).expect("a permission")).collect()
    };
    let declared = words(&["orders:read", "orders:write"]);
    assert_eq!(
        subset_of(&declared, &words(&["orders:write", "orders:read", "orders:write"])),
        Ok(declared.clone())
    );
    let errors = subset_of(&declared, &words(&["orders:read", "refunds"])).expect_err("unknown");
    assert_eq!(errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), ["/permissions/1"]);

    let all = subscription(false);
    assert_eq!(all.held_permissions(&declared), declared.iter().collect::<Vec<_>>());
    let narrowed = Some(words(&["orders:read", "gone"]));
    let events = all.change_permissions(narrowed.clone(), now()).expect("live");
    let some = applied(all, &events, now());
    assert_eq!(some.held_permissions(&declared), [&declared[0]]);
    assert_eq!(some.change_permissions(narrowed, now()), Ok(Vec::new()), "no change is no event");
}

#[test]
fn names_by_default() {
    for (auth_type, expected) in [
        (AuthType::ApiKey, "API key – Shop"),
        (AuthType::ApiKeyAndSecret, "API key and secret – Shop"),
        (AuthType::Basic, "Basic – Shop"),
    ] {
        assert_eq!(default_name(auth_type, &name("Shop")).as_str(), expected);
    }
    let long = default_name(AuthType::Basic, &name(&"é".repeat(100)));
    assert_eq!(long.as_str().chars().count(), 100);
}

#[test]
fn which_set_is_reused() {
    let own = [provider()];
    let wanted = Wanted {
        application_id: ApplicationId::from_bytes([1; 16]),
        environment_id: EnvironmentId::from_bytes([1; 16]),
        auth_type: AuthType::ApiKey,
        template: template(1),
        api_organization_id: provider(),
    };
    let made = |n: u8, day: i32, opening| {
        Story::begin_as(set_id(n), rotating(), opening, now().plus(&Period::days(day)))
    };
    let (young, old, pending) = (made(1, 5, DIRECT), made(3, 2, DIRECT), made(2, 1, PENDING));
    let later = now().plus(&Period::days(6));
    let choose = |wanted: &Wanted, stories: &[&Story], organizations: &[OrganizationId]| {
        let candidates =
            stories.iter().map(|story| Candidate { set: story.set(), api_organization_ids: organizations });
        wanted.choose(candidates, later).map(|set| set.id)
    };
    assert_eq!(choose(&wanted, &[&young, &old], &own), Some(set_id(3)), "the oldest");
    assert_eq!(choose(&wanted, &[&young, &old, &pending], &own), Some(set_id(2)), "Pending too");
    let mut suspended = old.clone();
    suspended.record(suspended.set().suspend(later, &Facts::default()).expect("active"));
    assert_eq!(choose(&wanted, &[&suspended], &own), Some(set_id(3)), "and Suspended");
    let mut revoked = old.clone();
    revoked.record(revoked.set().revoke(later, &Facts::default()).expect("active"));
    assert_eq!(choose(&wanted, &[&revoked, &young], &own), Some(set_id(1)));
    let foreign = [provider(), OrganizationId::from_bytes([1; 16])];
    assert_eq!(choose(&wanted, &[&old], &foreign), None, "APIs of one Organization only");
    for other in [
        Wanted { template: template(2), ..wanted },
        Wanted { auth_type: AuthType::Basic, ..wanted },
        Wanted { environment_id: EnvironmentId::from_bytes([2; 16]), ..wanted },
        Wanted { application_id: ApplicationId::from_bytes([2; 16]), ..wanted },
    ] {
        assert_eq!(choose(&other, &[&old, &young], &own), None);
    }
}

/// An Application with its sets, which the cascade changes together.
struct Shop {
    application: Application,
    sets: Vec<Story>,
}

impl Shop {
    fn record(&mut self, events: &[EventBody]) {
        for body in events {
            match body {
                EventBody::ApplicationSuspended { .. } | EventBody::ApplicationActivated { .. } => {
                    let state = Application::apply(Some(self.application.clone()), now(), body);
                    self.application = state.expect("applies").expect("stands");
                }
                _ => {
                    let owner = |story: &&mut Story| {
                        claviger_domain::event::Subject::from(story.set().id) == body.subject()
                    };
                    let story = self.sets.iter_mut().find(owner).expect("its set");
                    story.record(vec![body.clone()]);
                }
            }
        }
    }

    fn sets(&self) -> impl Iterator<Item = &KeySet> {
        self.sets.iter().map(Story::set)
    }

    fn statuses(&self) -> Vec<&'static str> {
        self.sets.iter().map(|story| story.status().as_str()).collect()
    }
}

fn shop() -> Shop {
    let application = Application {
        id: ApplicationId::from_bytes([1; 16]),
        organization_id: OrganizationId::from_bytes([1; 16]),
        group_id: GroupId::from_bytes([1; 16]),
        name: name("Shop"),
        status: ApplicationStatus::Active,
        created_at: now(),
        suspended_at: None,
    };
    let mut sets: Vec<Story> =
        (1..=3).map(|n| Story::begin_as(set_id(n), rotating(), DIRECT, now())).collect();
    sets.push(Story::begin_as(set_id(4), rotating(), PENDING, now()));
    let suspended = sets[1].set().suspend(now(), &Facts::default()).expect("active");
    sets[1].record(suspended);
    let revoked = sets[2].set().revoke(now(), &Facts::default()).expect("active");
    sets[2].record(revoked);
    Shop { application, sets }
}

#[test]
fn an_application_takes_its_sets_along_and_brings_back_those_it_took() {
    let mut shop = shop();
    assert_eq!(shop.statuses(), ["active", "suspended", "revoked", "pending"]);
    let events = shop.application.suspend(shop.sets(), now()).expect("active");
    assert_eq!(kinds(&events), ["application.suspended", "key_set.suspended"]);
    shop.record(&events);
    assert_eq!(shop.statuses(), ["suspended", "suspended", "revoked", "pending"]);
    let refusal = shop.application.suspend(shop.sets(), now()).expect_err("suspended");
    let expected =
        Refusal::InvalidTransition { from: "suspended", act: "suspend", allowed: vec!["activate"] };
    assert_eq!(refusal, expected);

    let activation = shop.application.activate(shop.sets(), Return::Cascaded, now()).expect("suspended");
    assert_eq!((&activation.activated, &activation.left_suspended), (&vec![set_id(1)], &vec![set_id(2)]));
    shop.record(&activation.events);
    assert_eq!(shop.statuses(), ["active", "suspended", "revoked", "pending"]);
    assert!(shop.application.activate(shop.sets(), Return::All, now()).is_err(), "active already");
}

#[test]
fn activating_an_application_can_bring_back_every_set() {
    let mut shop = shop();
    let events = shop.application.suspend(shop.sets(), now()).expect("active");
    shop.record(&events);
    let activation = shop.application.activate(shop.sets(), Return::All, now()).expect("suspended");
    assert_eq!((activation.activated.len(), activation.left_suspended.len()), (2, 0));
    shop.record(&activation.events);
    assert_eq!(shop.statuses(), ["active", "active", "revoked", "pending"]);
}

#[test]
fn sets_that_rotate_or_expire_while_the_application_sleeps() {
    let mut shop = shop();
    let events = shop.application.suspend(shop.sets(), now()).expect("active");
    shop.record(&events);
    let later = now().plus(&Period::days(100));
    for story in &mut shop.sets {
        story.settle_at(later);
    }
    assert_eq!(shop.statuses(), ["suspended", "suspended", "revoked", "pending"]);
    assert!(shop.sets[0].set().keys.len() > 3);
    let activation = shop.application.activate(shop.sets(), Return::Cascaded, later).expect("suspended");
    shop.record(&activation.events);
    assert_eq!(shop.statuses(), ["active", "suspended", "revoked", "pending"]);
}
