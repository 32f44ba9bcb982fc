//! Shared keys: every code that one can have, under each of the four things that an API may require, from an
//! index that followed the log and from one that was loaded alike.

use claviger_domain::apis::{ApiSettings, AuthType, Requires};
use claviger_domain::decision::Code;
use claviger_domain::event::EventBody;
use claviger_domain::id::{ApiId, SharedKeyId};
use claviger_domain::scope::Scope;
use claviger_domain::shared_keys::{Audience, SecretOrigin};
use claviger_verify::{Credential, Decision, Request};

use crate::story::{ACME, OTHER, PRODUCTION, SANDBOX, START, Story, TEAM, name, permissions, settings};

const TYPED: &str = "tumbling violet otters 7";

struct Scene {
    story: Story,
    api: ApiId,
    inside: SharedKeyId,
    outside: SharedKeyId,
}

fn scene(requires: Requires) -> Scene {
    let mut story = Story::new();
    let api = story.api("orders", ApiSettings { requires, ..settings() });
    let inside = story.shared_key(api, Audience::Inside, None, None);
    let outside = story.shared_key(api, Audience::Outside, Some(PRODUCTION), Some(&["orders:read"]));
    Scene { story, api, inside, outside }
}

impl Scene {
    fn key(&self, id: SharedKeyId) -> String {
        self.story.shared_credentials[&id].key.clone()
    }

    fn secret(&self, id: SharedKeyId) -> String {
        self.story.shared_credentials[&id].secret.clone().expect("a secret")
    }

    fn ask(
        &self,
        key: Option<&str>,
        secret: Option<&str>,
        change: impl for<'r> Fn(Request<'r>) -> Request<'r>,
    ) -> Decision {
        let credential = Credential::from_parts(key, secret);
        let request = change(Request { api: Some("orders"), ..Request::new(credential) });
        let (told, loaded) = (self.story.told(), self.story.loaded());
        assert_eq!(told.entries(), loaded.entries());
        let decision = told.decide(&request, START);
        assert_eq!(decision.code(), loaded.decide(&request, START).code());
        decision
    }

    fn code(&self, key: Option<&str>, secret: Option<&str>) -> Code {
        self.ask(key, secret, |request| request).code()
    }

    fn tell(&mut self, body: EventBody) {
        self.story.tell(body);
    }
}

#[test]
fn c2_what_a_call_must_carry_is_what_the_api_says() {
    use Code::{Malformed, Missing, SecretMismatch, SecretRequired, Unknown, Valid};
    for (requires, expected) in [
        // Nothing, the key, the secret, both, the key with another's secret, another's key with the secret.
        (Requires::None, [Valid, Valid, Missing, Valid, Valid, Valid]),
        (Requires::Key, [Missing, Valid, Missing, Valid, Valid, Valid]),
        (Requires::Secret, [Missing, SecretRequired, Valid, Valid, SecretMismatch, SecretMismatch]),
        (Requires::KeyAndSecret, [Missing, SecretRequired, Missing, Valid, SecretMismatch, SecretMismatch]),
    ] {
        let mut scene = scene(requires);
        let other = scene.story.shared_key(scene.api, Audience::Inside, None, None);
        let (key, secret) = (scene.key(scene.inside), scene.secret(scene.inside));
        let (key, secret) = (Some(key.as_str()), Some(secret.as_str()));
        let (other_key, other_secret) = (scene.key(other), scene.secret(other));
        let codes = [
            scene.code(None, None),
            scene.code(key, None),
            scene.code(None, secret),
            scene.code(key, secret),
            scene.code(key, Some(&other_secret)),
            scene.code(Some(&other_key), secret),
        ];
        assert_eq!(codes, expected, "{requires:?}");
        if requires == Requires::Secret {
            assert_eq!(scene.code(None, Some("no secret at all")), Malformed);
            assert_eq!(scene.code(None, key), Unknown, "a key where the secret is due");
        }
    }
}

#[test]
fn valid_tells_whose_key_it_is_and_has_no_application() {
    let scene = scene(Requires::KeyAndSecret);
    let (key, secret) = (scene.key(scene.inside), scene.secret(scene.inside));
    let decision = scene.ask(Some(&key), Some(&secret), |request| request);
    assert_eq!(decision.code(), Code::Valid);
    assert_eq!(decision.shared_key().map(|key| (key.id, key.name.as_str())), Some((scene.inside, "Shared")));
    assert!(decision.application().is_none() && decision.key_id().is_none());
    assert_eq!(decision.organization_id(), Some(ACME));
    assert_eq!(decision.permissions().collect::<Vec<_>>(), ["orders:read", "orders:write"]);
    assert_eq!(decision.environment().map(|it| it.id), None, "good in all, and none was told");
    let told =
        scene.ask(Some(&key), Some(&secret), |request| Request { environment: Some("sandbox"), ..request });
    assert_eq!(told.environment().map(|it| it.id), Some(SANDBOX));
    let refused = scene.ask(Some(&key), None, |request| request);
    assert!(
        refused.shared_key().is_none() && refused.organization_id().is_none(),
        "nothing before the proof"
    );
    assert_eq!(refused.permissions().count(), 0);
}

#[test]
fn a_typed_secret_opens_beside_its_key_and_never_alone() {
    for (requires, together, alone) in [
        (Requires::KeyAndSecret, Code::Valid, Code::Missing),
        (Requires::Secret, Code::SecretMismatch, Code::Malformed),
    ] {
        let mut scene = scene(requires);
        let key = scene.key(scene.outside);
        assert_eq!(scene.code(Some(&key), Some(TYPED)), Code::SecretMismatch, "none is set");
        assert_eq!(scene.code(Some(&key), None), Code::SecretRequired);
        scene.story.give_secret(scene.outside, SecretOrigin::Typed, TYPED);
        assert_eq!(scene.code(Some(&key), Some(TYPED)), together, "{requires:?}");
        assert_eq!(scene.code(None, Some(TYPED)), alone, "{requires:?}");
        let other = scene.key(scene.inside);
        assert_eq!(scene.code(Some(&other), Some(TYPED)), Code::SecretMismatch, "bound to its key");
        scene.tell(EventBody::SharedKeySecretCleared { shared_key_id: scene.outside });
        assert_eq!(scene.code(Some(&key), Some(TYPED)), Code::SecretMismatch);
    }
}

#[test]
fn a_new_secret_ends_the_old_one_also_under_a_newer_digest_key() {
    let mut scene = scene(Requires::Secret);
    let old = scene.secret(scene.inside);
    // The key stays under the digest key that it was made with.
    scene.story.generation = 2;
    scene.story.reset_secret(scene.inside);
    let (key, new) = (scene.key(scene.inside), scene.secret(scene.inside));
    assert_eq!(scene.code(Some(&key), Some(&new)), Code::Valid);
    assert_eq!(scene.code(None, Some(&new)), Code::Valid);
    assert_eq!(scene.code(Some(&key), Some(&old)), Code::SecretMismatch);
    assert_eq!(scene.code(None, Some(&old)), Code::Unknown);
}

#[test]
fn disabled_is_suspended_and_deleted_is_unknown() {
    let mut scene = scene(Requires::KeyAndSecret);
    let (key, secret) = (scene.key(scene.inside), scene.secret(scene.inside));
    let shared_key_id = scene.inside;
    scene.tell(EventBody::SharedKeyDisabled { shared_key_id });
    assert_eq!(scene.code(Some(&key), Some(&secret)), Code::Suspended);
    assert_eq!(scene.code(Some(&key), None), Code::SecretRequired, "its state is told to who proved it");
    scene.tell(EventBody::SharedKeyEnabled { shared_key_id });
    assert_eq!(scene.code(Some(&key), Some(&secret)), Code::Valid);
    scene.tell(EventBody::SharedKeyDeleted { shared_key_id });
    assert_eq!(scene.code(Some(&key), Some(&secret)), Code::Unknown);
    scene.tell(EventBody::ApiUnexposed { api_id: scene.api });
    assert_eq!(scene.code(Some(&key), None), Code::ApiNotExposed);
}

#[test]
fn the_codes_after_the_proof_come_in_their_order() {
    let mut scene = scene(Requires::Key);
    scene.story.api("stock", settings());
    let key = scene.key(scene.outside);
    let ask = |scene: &Scene, change: &dyn for<'r> Fn(Request<'r>) -> Request<'r>| {
        scene.ask(Some(&key), None, change).code()
    };
    fn told<'r>(environment: &'r str, request: Request<'r>) -> Request<'r> {
        Request { environment: Some(environment), ..request }
    }
    fn at<'r>(ip: &str, request: Request<'r>) -> Request<'r> {
        Request { ip: ip.parse().ok(), ..request }
    }
    assert_eq!(ask(&scene, &|request| told("production", request)), Code::Valid);
    assert_eq!(ask(&scene, &|request| told("sandbox", request)), Code::WrongEnvironment);
    assert_eq!(ask(&scene, &|request| Request { api: Some("stock"), ..request }), Code::NotSubscribed);
    let writing: &dyn for<'r> Fn(Request<'r>) -> Request<'r> =
        &|request| Request { permissions: &["orders:write"], ..request };
    assert_eq!(ask(&scene, writing), Code::PermissionDenied);
    assert_eq!(ask(&scene, &|request| Request { permissions: &["orders:read"], ..request }), Code::Valid);
    scene.tell(EventBody::SharedKeyUpdated {
        shared_key_id: scene.outside,
        name: name("Acme"),
        permissions: Some(permissions(&[])),
        rate_limit: None,
        ip_allow_list: Some(vec!["203.0.113.0/24".parse().expect("a network")]),
    });
    assert_eq!(ask(&scene, &|request| request), Code::IpDenied, "an address that is not known");
    assert_eq!(ask(&scene, &|request| at("198.51.100.1", request)), Code::IpDenied);
    assert_eq!(ask(&scene, &|request| at("203.0.113.9", request)), Code::Valid);
    let narrowed: &dyn for<'r> Fn(Request<'r>) -> Request<'r> =
        &|request| Request { permissions: &["orders:read"], ..at("203.0.113.9", request) };
    assert_eq!(ask(&scene, narrowed), Code::PermissionDenied, "narrowed, felt at once");
    let mut only_sandbox = scene.story.apis[&scene.api].settings.clone();
    only_sandbox.environment_ids = [SANDBOX].into();
    scene.tell(EventBody::ApiUpdated { api_id: scene.api, settings: only_sandbox });
    assert_eq!(ask(&scene, &|request| request), Code::NotSubscribed, "its Environment is offered no more");
}

#[test]
fn a_key_without_an_environment_is_good_in_those_of_its_api() {
    let mut scene = scene(Requires::Key);
    let mut only_sandbox = settings();
    only_sandbox.environment_ids = [SANDBOX].into();
    scene.tell(EventBody::ApiUpdated { api_id: scene.api, settings: only_sandbox });
    let key = scene.key(scene.inside);
    for (environment, code) in
        [("sandbox", Code::Valid), ("production", Code::WrongEnvironment), ("moon", Code::WrongEnvironment)]
    {
        let decision =
            scene.ask(Some(&key), None, |request| Request { environment: Some(environment), ..request });
        assert_eq!(decision.code(), code, "{environment}");
    }
}

#[test]
fn an_asker_sees_the_keys_of_its_own_scope() {
    let scene = scene(Requires::Key);
    let key = scene.key(scene.inside);
    let alone = |scope: Scope| {
        let credential = Credential::from_parts(Some(&key), None);
        let request = Request { scope, ..Request::new(credential) };
        let decision = scene.story.told().decide(&request, START);
        decision.code()
    };
    let own = Scope { organization_id: Some(ACME), ..Scope::EVERYTHING };
    assert_eq!(alone(own), Code::Valid);
    assert_eq!(alone(Scope { group_id: Some(TEAM), ..own }), Code::Valid);
    assert_eq!(alone(Scope { environment_id: Some(PRODUCTION), ..own }), Code::Valid);
    assert_eq!(alone(Scope { organization_id: Some(OTHER), ..Scope::EVERYTHING }), Code::Unknown);
}

#[test]
fn a_key_sets_key_is_bound_by_its_auth_type_whatever_shared_keys_must_carry() {
    for requires in [Requires::None, Requires::Key, Requires::Secret, Requires::KeyAndSecret] {
        let mut scene = scene(requires);
        let application = scene.story.application(ACME);
        let set = scene.story.key_set(application, PRODUCTION, AuthType::ApiKey);
        let key = scene.story.issue(set, Some(crate::story::schedule(START, None)), None);
        scene.story.subscribe(scene.api, &[set], None, false);
        let key = scene.story.credentials[&key].key.clone();
        assert_eq!(scene.code(Some(&key), None), Code::Valid, "{requires:?}");
    }
}
