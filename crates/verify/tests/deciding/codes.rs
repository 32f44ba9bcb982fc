//! Every code of a decision, in the order in which they apply, and what is told with it.

use crate::story::{
    ACME, Credentials, OTHER, PRODUCTION, SANDBOX, START, Story, TEAM, permissions, schedule, settings,
};
use claviger_domain::apis::{AuthType, Requires};
use claviger_domain::decision::Code;
use claviger_domain::event::EventBody;
use claviger_domain::id::{ApiId, ApplicationId, KeyId, KeySetId, SubscriptionId};
use claviger_domain::key_sets::{EndReason, Ended, KeyStatus, Retirement, SuspendedBy};
use claviger_domain::scope::Scope;
use claviger_domain::time::Timestamp;
use claviger_verify::{Credential, DEFAULT_MAX_STALENESS_SECONDS, Decision, Index, Request};

/// One Application with one Key and secret in production, subscribed to the API `orders`.
struct Scene {
    story: Story,
    api: ApiId,
    application: ApplicationId,
    set: KeySetId,
    key: KeyId,
    subscription: SubscriptionId,
}

fn scene() -> Scene {
    let mut story = Story::new();
    let api = story.api("orders", settings());
    let application = story.application(ACME);
    let set = story.key_set(application, PRODUCTION, AuthType::ApiKeyAndSecret);
    let key = story.issue(set, Some(schedule(START, Some(START.plus_seconds(1_000)))), None);
    let subscription = story.subscribe(api, &[set], None, false);
    Scene { story, api, application, set, key, subscription }
}

impl Scene {
    fn credentials(&self) -> Credentials {
        self.story.credentials[&self.key].clone()
    }

    /// Asks both an index that followed the log and one loaded from the tables; they must agree.
    fn ask(&self, change: impl for<'r> Fn(Request<'r>) -> Request<'r>) -> Decision {
        self.ask_at(START.plus_seconds(10), change)
    }

    fn ask_at(&self, now: Timestamp, change: impl for<'r> Fn(Request<'r>) -> Request<'r>) -> Decision {
        let credentials = self.credentials();
        let credential = Credential::from_parts(Some(&credentials.key), credentials.secret.as_deref());
        let request = change(Request { api: Some("orders"), ..Request::new(credential) });
        let told = self.story.told().decide(&request, now);
        let loaded = self.story.loaded().decide(&request, now);
        assert_eq!(told.code(), loaded.code());
        told
    }

    fn code(&self) -> Code {
        self.ask(|request| request).code()
    }

    fn tell(&mut self, body: EventBody) -> &mut Self {
        self.story.tell(body);
        self
    }

    fn set_api(&mut self, change: impl FnOnce(&mut claviger_domain::apis::ApiSettings)) {
        let mut settings = self.story.apis[&self.api].settings.clone();
        change(&mut settings);
        self.tell(EventBody::ApiUpdated { api_id: self.api, settings });
    }
}

const fn ended(reason: EndReason) -> Ended {
    Ended { ended_at: START, planned_at: None, reason }
}

#[test]
fn valid_tells_whose_credential_it_is() {
    let scene = scene();
    let decision = scene.ask(|request| request);
    assert_eq!(decision.code(), Code::Valid);
    assert!(decision.allowed());
    assert_eq!(decision.key_id(), Some(scene.key));
    assert_eq!(decision.key_set_id(), Some(scene.set));
    assert_eq!(decision.application().map(|it| (it.id, it.name.as_str())), Some((scene.application, "Shop")));
    assert_eq!(decision.organization_id(), Some(ACME));
    assert_eq!(decision.environment().map(|it| it.slug.as_str()), Some("production"));
    assert_eq!(decision.expires_at(), Some(START.plus_seconds(1_000)));
    assert_eq!(decision.as_of(), scene.story.position());
    assert_eq!(decision.permissions().collect::<Vec<_>>(), ["orders:read", "orders:write"]);
}

#[test]
fn nothing_is_told_before_the_secret_matched() {
    let mut scene = scene();
    scene.tell(EventBody::KeySetRevoked { key_set_id: scene.set });
    let other = Scene { key: scene.story.issue(scene.set, None, None), ..scene };
    let key = other.story.credentials.values().next().expect("a Key").key.clone();
    let stranger = other.credentials().secret;
    for (secret, code) in [(None, Code::SecretRequired), (stranger.as_deref(), Code::SecretMismatch)] {
        let index = other.story.told();
        let request = Request {
            api: Some("orders"),
            permissions: &["orders:fly"],
            ..Request::new(Credential::from_parts(Some(&key), secret))
        };
        let decision = index.decide(&request, START);
        assert_eq!(decision.code(), code);
        assert!(decision.key_id().is_none() && decision.application().is_none());
        assert!(decision.environment().is_none() && decision.expires_at().is_none());
        assert_eq!(decision.permissions().count(), 0);
    }
}

#[test]
fn api_not_exposed_comes_before_everything() {
    let mut scene = scene();
    assert_eq!(
        scene.ask(|request| Request { api: Some("never-was"), ..request }).code(),
        Code::ApiNotExposed
    );
    scene.tell(EventBody::ApiUnexposed { api_id: scene.api });
    let far = START.plus_seconds(10 * DEFAULT_MAX_STALENESS_SECONDS);
    assert_eq!(
        scene.ask_at(far, |it| Request { credential: Credential::Missing, ..it }).code(),
        Code::ApiNotExposed
    );
    scene.tell(EventBody::ApiExposed { api_id: scene.api });
    assert_eq!(scene.code(), Code::Valid);
    let by_id = scene.api.to_string();
    let index = scene.story.told();
    let request = Request { api: Some(&by_id), ..Request::new(Credential::Missing) };
    assert_eq!(index.decide(&request, START).code(), Code::Missing, "an id does as well as a slug");
}

#[test]
fn missing_and_malformed_come_before_stale_and_stale_before_unknown() {
    let scene = scene();
    let far = START.plus_seconds(2 * DEFAULT_MAX_STALENESS_SECONDS);
    let ask = |credential: Credential<'_>| {
        scene.story.told().decide(&Request { api: Some("orders"), ..Request::new(credential) }, far).code()
    };
    let secret = scene.credentials().secret.expect("a secret");
    assert_eq!(ask(Credential::Missing), Code::Missing);
    assert_eq!(ask(Credential::from_parts(None, Some(&secret))), Code::Missing);
    assert_eq!(ask(Credential::Malformed), Code::Malformed);
    assert_eq!(ask(Credential::from_parts(Some(""), None)), Code::Malformed);
    assert_eq!(ask(Credential::from_parts(Some("clv_key_short"), None)), Code::Malformed);
    assert_eq!(ask(Credential::from_parts(Some("a stranger's token"), None)), Code::Malformed);
    assert_eq!(ask(Credential::from_parts(Some(&secret), None)), Code::Stale);
    assert_eq!(scene.ask_at(far, |request| request).code(), Code::Stale);
}

#[test]
fn an_index_that_was_never_loaded_or_stopped_is_stale() {
    let scene = scene();
    let credentials = scene.credentials();
    let credential = Credential::from_parts(Some(&credentials.key), credentials.secret.as_deref());
    let request = Request { api: Some("orders"), ..Request::new(credential) };
    let empty = Index::new(DEFAULT_MAX_STALENESS_SECONDS);
    assert_eq!(empty.decide(&request, START).code(), Code::Stale);
    let index = scene.story.told();
    assert_eq!(index.decide(&request, START).code(), Code::Valid);
    index.stop();
    index.contact(START);
    assert_eq!(index.decide(&request, START).code(), Code::Stale);
}

#[test]
fn well_formed_credentials_that_nobody_has_are_unknown() {
    let mut scene = scene();
    let secret = scene.credentials().secret;
    let of_another_kind = secret.clone().expect("a secret");
    assert_eq!(
        scene
            .story
            .told()
            .decide(&Request::new(Credential::from_parts(Some(&of_another_kind), None)), START)
            .code(),
        Code::Unknown
    );
    scene.tell(EventBody::ApplicationDeleted { application_id: scene.application });
    let index = scene.story.told();
    let key = scene.credentials().key;
    let request = Request::new(Credential::from_parts(Some(&key), secret.as_deref()));
    assert_eq!(index.decide(&request, START).code(), Code::Unknown, "what was deleted is unknown");
}

#[test]
fn a_removed_set_is_unknown() {
    let mut scene = scene();
    scene.tell(EventBody::KeySetRemoved { key_set_id: scene.set });
    let index = scene.story.told();
    let credentials = scene.story.credentials[&scene.key].clone();
    let credential = Credential::from_parts(Some(&credentials.key), credentials.secret.as_deref());
    assert_eq!(index.decide(&Request::new(credential), START).code(), Code::Unknown);
}

#[test]
fn states_come_in_their_order() {
    // Each of these is true at once; the first in the order is told.
    let mut scene = scene();
    let (set, key) = (scene.set, scene.key);
    scene.tell(EventBody::KeySetSuspended { key_set_id: set, by: SuspendedBy::Hand });
    assert_eq!(scene.code(), Code::Suspended);
    let expired_by_clock = scene.ask_at(START.plus_seconds(1_000), |request| request).code();
    assert_eq!(expired_by_clock, Code::Expired);
    let just_before = Timestamp::from_micros(START.plus_seconds(1_000).as_micros() - 1);
    assert_eq!(scene.ask_at(just_before, |request| request).code(), Code::Suspended);
    scene.tell(EventBody::KeyExpired { key_set_id: set, key_id: key, ended: ended(EndReason::Expired) });
    assert_eq!(scene.code(), Code::Expired);
    let next = scene.story.issue(set, None, None);
    scene.key = next;
    assert_eq!(scene.code(), Code::Pending);
    scene.tell(EventBody::ApplicationSuspended { application_id: scene.application });
    assert_eq!(scene.code(), Code::Suspended, "a Pending Key of a Suspended Application");
    scene.tell(EventBody::KeyRevoked { key_set_id: set, key_id: next, ended: ended(EndReason::Revoked) });
    assert_eq!(scene.code(), Code::Revoked);
}

#[test]
fn a_replaced_key_is_revoked_after_it_retires_and_shows_its_own_expiration_until_then() {
    let mut scene = scene();
    let retirement = Retirement { retires_at: START.plus_seconds(500), reason: EndReason::Rotated };
    scene.tell(EventBody::KeyRetirementPlanned { key_set_id: scene.set, key_id: scene.key, retirement });
    let decision = scene.ask_at(START.plus_seconds(499), |request| request);
    assert_eq!((decision.code(), decision.expires_at()), (Code::Valid, Some(START.plus_seconds(1_000))));
    let after = scene.ask_at(START.plus_seconds(500), |request| request);
    assert_eq!((after.code(), after.expires_at()), (Code::Revoked, Some(START.plus_seconds(1_000))));
    let later = Retirement { retires_at: START.plus_seconds(2_000), reason: EndReason::Rotated };
    scene.tell(EventBody::KeyRetirementPlanned {
        key_set_id: scene.set,
        key_id: scene.key,
        retirement: later,
    });
    assert_eq!(scene.ask_at(START.plus_seconds(1_500), |request| request).code(), Code::Expired);
    let same = Retirement { retires_at: START.plus_seconds(1_000), reason: EndReason::Rotated };
    scene.tell(EventBody::KeyRetirementPlanned {
        key_set_id: scene.set,
        key_id: scene.key,
        retirement: same,
    });
    assert_eq!(scene.ask_at(START.plus_seconds(1_000), |request| request).code(), Code::Revoked);
}

#[test]
fn accepted_and_activated_keys_work() {
    let mut scene = scene();
    let pending = scene.story.key_set(scene.application, SANDBOX, AuthType::ApiKey);
    scene.key = scene.story.issue(pending, None, None);
    let subscription = scene.story.subscribe(scene.api, &[pending], Some(&["orders:read"]), true);
    assert_eq!(scene.code(), Code::Pending);
    scene.tell(EventBody::KeySetProvisioned {
        key_set_id: pending,
        key_id: scene.key,
        schedule: schedule(START, None),
        status: KeyStatus::Active,
    });
    assert_eq!(scene.code(), Code::NotSubscribed);
    scene.tell(EventBody::SubscriptionAccepted {
        subscription_id: subscription,
        api_id: scene.api,
        permissions: Some(permissions(&["orders:read"])),
        key_set_ids: vec![pending],
    });
    assert_eq!(scene.code(), Code::Valid);
    scene.tell(EventBody::KeySetSuspended { key_set_id: pending, by: SuspendedBy::Hand });
    assert_eq!(scene.code(), Code::Suspended);
    scene.tell(EventBody::KeySetActivated { key_set_id: pending });
    assert_eq!(scene.code(), Code::Valid);
}

#[test]
fn wrong_environment_only_where_one_is_told() {
    let scene = scene();
    for (told, code) in [
        (None, Code::Valid),
        (Some("production"), Code::Valid),
        (Some("sandbox"), Code::WrongEnvironment),
        (Some("never-was"), Code::WrongEnvironment),
        (Some(""), Code::WrongEnvironment),
    ] {
        let index = scene.story.told();
        let credentials = scene.credentials();
        let credential = Credential::from_parts(Some(&credentials.key), credentials.secret.as_deref());
        let request = Request { api: Some("orders"), environment: told, ..Request::new(credential) };
        assert_eq!(index.decide(&request, START).code(), code, "{told:?}");
    }
    let by_id = PRODUCTION.to_string();
    let credentials = scene.credentials();
    let credential = Credential::from_parts(Some(&credentials.key), credentials.secret.as_deref());
    let request = Request { api: Some("orders"), environment: Some(&by_id), ..Request::new(credential) };
    assert_eq!(scene.story.told().decide(&request, START).code(), Code::Valid);
}

#[test]
fn a_key_opens_what_its_own_set_is_subscribed_to() {
    let mut scene = scene();
    // Another set of the same Application, not used by the Subscription.
    let other = scene.story.key_set(scene.application, PRODUCTION, AuthType::ApiKey);
    let first =
        std::mem::replace(&mut scene.key, scene.story.issue(other, Some(schedule(START, None)), None));
    assert_eq!(scene.code(), Code::NotSubscribed);
    scene.key = first;
    scene.set_api(|settings| {
        settings.auth_types.remove(&AuthType::ApiKeyAndSecret);
    });
    assert_eq!(scene.code(), Code::NotSubscribed, "the API lists the auth type no longer");
    scene.set_api(|settings| settings.auth_types = AuthType::ALL.into());
    scene.set_api(|settings| settings.environment_ids = [SANDBOX].into());
    assert_eq!(scene.code(), Code::NotSubscribed, "the API is offered there no longer");
    scene.set_api(|settings| settings.environment_ids = [SANDBOX, PRODUCTION].into());
    assert_eq!(scene.code(), Code::Valid);
    scene.tell(EventBody::SubscriptionEnded {
        subscription_id: scene.subscription,
        api_id: scene.api,
        key_set_ids: vec![scene.set],
    });
    assert_eq!(scene.code(), Code::NotSubscribed);
}

#[test]
fn addresses_bind_after_the_subscription() {
    let mut scene = scene();
    scene.set_api(|settings| {
        settings.ip_allow_list = Some(vec!["192.0.2.0/24".parse().expect("a network")]);
    });
    for (ip, code) in [
        (None, Code::IpDenied),
        (Some("198.51.100.1"), Code::IpDenied),
        (Some("192.0.2.9"), Code::Valid),
        (Some("::ffff:192.0.2.9"), Code::Valid),
    ] {
        let ip = ip.map(|ip| ip.parse().expect("an address"));
        assert_eq!(scene.ask(|request| Request { ip, ..request }).code(), code, "{ip:?}");
    }
    scene.set_api(|settings| settings.ip_allow_list = Some(Vec::new()));
    let ip = Some("192.0.2.9".parse().expect("an address"));
    assert_eq!(
        scene.ask(|request| Request { ip, ..request }).code(),
        Code::IpDenied,
        "an empty list lets nobody in"
    );
}

#[test]
fn permissions_are_held_declared_and_asked() {
    let mut scene = scene();
    let narrowed = |scene: &Scene, held: &[&str]| EventBody::SubscriptionUpdated {
        subscription_id: scene.subscription,
        api_id: scene.api,
        permissions: Some(permissions(held)),
        key_set_ids: vec![scene.set],
    };
    let ask = |scene: &Scene, asked: &[&'static str]| {
        let credentials = scene.credentials();
        let credential = Credential::from_parts(Some(&credentials.key), credentials.secret.as_deref());
        let request = Request { api: Some("orders"), permissions: asked, ..Request::new(credential) };
        let decision = scene.story.told().decide(&request, START);
        let held: Vec<String> = decision.held_of(asked).map(str::to_owned).collect();
        (decision.code(), held.join(","))
    };
    assert_eq!(ask(&scene, &["orders:write"]), (Code::Valid, "orders:write".into()));
    let body = narrowed(&scene, &["orders:read", "orders:gone"]);
    scene.tell(body);
    assert_eq!(ask(&scene, &["orders:read"]), (Code::Valid, "orders:read".into()));
    assert_eq!(ask(&scene, &["orders:write", "orders:read"]), (Code::PermissionDenied, "orders:read".into()));
    assert_eq!(ask(&scene, &["orders:gone"]), (Code::PermissionDenied, String::new()), "no longer declared");
    // Without an API there is nothing that could be held.
    let asked = scene.ask(|request| Request { api: None, permissions: &["orders:read"], ..request });
    assert_eq!(asked.code(), Code::PermissionDenied);
}

#[test]
fn without_an_api_only_what_the_asker_may_see_is_judged() {
    let scene = scene();
    let of = |organization| Scope { organization_id: Some(organization), ..Scope::EVERYTHING };
    let ask = |scope| scene.ask(|request| Request { api: None, scope, ..request }).code();
    assert_eq!(ask(Scope::EVERYTHING), Code::Valid);
    assert_eq!(ask(of(ACME)), Code::Valid);
    assert_eq!(ask(Scope { group_id: Some(TEAM), ..of(ACME) }), Code::Valid);
    assert_eq!(ask(of(OTHER)), Code::Unknown);
    assert_eq!(ask(Scope { environment_id: Some(PRODUCTION), ..of(ACME) }), Code::Valid);
    assert_eq!(ask(Scope { environment_id: Some(SANDBOX), ..of(ACME) }), Code::Unknown);
}

#[test]
fn the_apis_of_others_are_as_those_that_never_were() {
    let mut scene = scene();
    let ask = |scene: &Scene, organization| {
        let scope = Scope { organization_id: Some(organization), ..Scope::EVERYTHING };
        scene.ask(|request| Request { scope, ..request }).code()
    };
    assert_eq!(ask(&scene, ACME), Code::Valid);
    assert_eq!(ask(&scene, OTHER), Code::ApiNotExposed);
    // The provider judges the keys of its subscribers, wherever these belong.
    let partner = scene.story.application(OTHER);
    let set = scene.story.key_set(partner, PRODUCTION, AuthType::ApiKey);
    scene.key = scene.story.issue(set, Some(schedule(START, None)), None);
    scene.story.subscribe(scene.api, &[set], None, false);
    assert_eq!(ask(&scene, ACME), Code::Valid);
}

#[test]
fn an_open_api_needs_no_credential_but_decides_on_one() {
    let mut scene = scene();
    scene.set_api(|settings| settings.requires = Requires::None);
    let none = |request: Request<'static>| Request { credential: Credential::Missing, ..request };
    let index = scene.story.told();
    let open = Request { api: Some("orders"), ..Request::new(Credential::Missing) };
    let decision = index.decide(&none(open), START);
    assert_eq!(decision.code(), Code::Valid);
    assert!(decision.key_id().is_none() && decision.application().is_none());
    assert_eq!(
        index.decide(&Request { permissions: &["orders:read"], ..open }, START).code(),
        Code::PermissionDenied
    );
    let far = START.plus_seconds(2 * DEFAULT_MAX_STALENESS_SECONDS);
    assert_eq!(index.decide(&open, far).code(), Code::Stale);
    let wrong = Request { credential: Credential::from_parts(Some("x"), None), ..open };
    assert_eq!(index.decide(&wrong, START).code(), Code::Malformed);
    scene.tell(EventBody::KeySetSuspended { key_set_id: scene.set, by: SuspendedBy::Hand });
    assert_eq!(scene.code(), Code::Suspended);
}

#[test]
fn where_the_secret_alone_counts_only_generated_ones_can_be_known() {
    let mut scene = scene();
    scene.set_api(|settings| settings.requires = Requires::Secret);
    let secret = scene.credentials().secret.expect("a secret");
    let index = scene.story.told();
    let ask = |secret: &str| {
        let credential = Credential::from_parts(None, Some(secret));
        index.decide(&Request { api: Some("orders"), ..Request::new(credential) }, START).code()
    };
    assert_eq!(ask(&secret), Code::Unknown, "the secret of a Key Set identifies nothing");
    assert_eq!(ask("typed by hand"), Code::Malformed);
    assert_eq!(scene.code(), Code::Valid, "Key Sets are bound by their auth type alone");
}

#[test]
fn both_generations_of_digest_keys_are_tried_and_no_third() {
    for (generation, code) in [(2, Code::Valid), (1, Code::Valid), (3, Code::Unknown)] {
        let mut scene = scene();
        scene.story.generation = generation;
        let set = scene.story.key_set(scene.application, PRODUCTION, AuthType::Basic);
        scene.key = scene.story.issue(set, Some(schedule(START, None)), None);
        scene.story.subscribe(scene.api, &[set], None, false);
        assert_eq!(scene.code(), code, "generation {generation}");
    }
}
