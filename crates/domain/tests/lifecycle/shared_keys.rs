//! Shared keys: one table of state × act, the rules of C6 and C8, and lives at random.

use claviger_domain::aggregate::Aggregate as _;
use claviger_domain::apis::Requires;
use claviger_domain::credential::Masked;
use claviger_domain::event::{EventBody, SharedKeyTerms};
use claviger_domain::id::{ApiId, GroupId, OrganizationId, SharedKeyId};
use claviger_domain::refusal::Refusal;
use claviger_domain::shared_keys::{
    Audience, Choice, SecretChange, SecretOrigin, SharedKey, SharedKeyStatus, breaks,
};
use claviger_domain::text::Name;
use claviger_domain::time::Timestamp;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const ID: SharedKeyId = SharedKeyId::from_bytes([7; 16]);

fn made(audience: Audience, retrievable: bool) -> SharedKey {
    let terms = SharedKeyTerms {
        api_id: ApiId::from_bytes([1; 16]),
        organization_id: OrganizationId::from_bytes([2; 16]),
        group_id: GroupId::from_bytes([3; 16]),
        name: Name::new("Acme").expect("a name"),
        audience,
        masked: Masked::from_stored("clv_key_0123…4567".to_owned()),
        environment_id: None,
        permissions: None,
        rate_limit: None,
        ip_allow_list: None,
        retrievable,
    };
    let body = EventBody::SharedKeyCreated { shared_key_id: ID, terms: Box::new(terms) };
    SharedKey::apply(None, NOW, &body).expect("the first event").expect("a key")
}

fn after(key: SharedKey, body: &EventBody) -> SharedKey {
    SharedKey::apply(Some(key), NOW, body).expect("an event that fits").expect("a key")
}

const GENERATED: SecretChange = SecretChange { choice: Choice::Generated, present_matches: None };

/// What was decided, as one word.
fn word(decided: Result<EventBody, Refusal>) -> &'static str {
    match decided {
        Ok(body) => body.kind(),
        Err(refusal) => refusal.code(),
    }
}

#[test]
fn every_act_in_every_state() {
    let (active, disabled) = (SharedKeyStatus::Active, SharedKeyStatus::Disabled);
    let (inside, outside) = (Audience::Inside, Audience::Outside);
    let no = "invalid_transition";
    for (audience, status, secret, [enable, disable, reset, clear, link, set]) in [
        (inside, active, true, [no, "shared_key.disabled", "shared_key.secret_reset", no, no, no]),
        (inside, disabled, true, ["shared_key.enabled", no, "shared_key.secret_reset", no, no, no]),
        (
            outside,
            active,
            false,
            [
                no,
                "shared_key.disabled",
                "set_through_portal",
                no,
                "shared_key.portal_link_created",
                "shared_key.secret_set",
            ],
        ),
        (
            outside,
            active,
            true,
            [
                no,
                "shared_key.disabled",
                "set_through_portal",
                "shared_key.secret_cleared",
                "shared_key.portal_link_created",
                "invalid",
            ],
        ),
        (
            outside,
            disabled,
            false,
            ["shared_key.enabled", no, "set_through_portal", no, "shared_key.portal_link_created", no],
        ),
        (
            outside,
            disabled,
            true,
            [
                "shared_key.enabled",
                no,
                "set_through_portal",
                "shared_key.secret_cleared",
                "shared_key.portal_link_created",
                no,
            ],
        ),
    ] {
        let secret = secret.then_some(SecretOrigin::Generated);
        let key = SharedKey { status, secret, ..made(audience, false) };
        let decided = [
            word(key.enable()),
            word(key.disable()),
            word(key.reset_secret(false)),
            word(key.clear_secret()),
            word(key.create_portal_link(None)),
            word(key.set_secret(GENERATED, Requires::Key)),
        ];
        assert_eq!(decided, [enable, disable, reset, clear, link, set], "{audience:?} {status:?} {secret:?}");
        assert_eq!(word(key.retrieve()), "already_shown");
        assert_eq!(word(key.delete_portal_link()), "not_found");
    }
    assert_eq!(word(made(inside, true).retrieve()), "shared_key.retrieved");
    let linked = after(made(outside, false), &made(outside, false).create_portal_link(None).expect("a link"));
    assert_eq!(word(linked.delete_portal_link()), "shared_key.portal_link_deleted");
}

#[test]
fn c6_the_present_secret_is_asked_for_once_there_is_one() {
    let key = made(Audience::Outside, false);
    let change = |choice, present_matches| SecretChange { choice, present_matches };
    for choice in [Choice::Generated, Choice::Typed] {
        let set = key.set_secret(change(choice, None), Requires::KeyAndSecret).expect("with the link alone");
        let key = after(key.clone(), &set);
        assert_eq!(key.secret.map(|origin| origin == SecretOrigin::Typed), Some(choice == Choice::Typed));
        for (present_matches, done) in [(None, false), (Some(false), false), (Some(true), true)] {
            let decided = key.set_secret(change(choice, present_matches), Requires::Key);
            assert_eq!(decided.is_ok(), done, "{choice:?} {present_matches:?}");
        }
        let cleared = after(key.clone(), &key.clear_secret().expect("there is one"));
        assert!(cleared.set_secret(change(choice, None), Requires::Key).is_ok(), "the owner cleared it");
    }
    let typed = key.set_secret(change(Choice::Typed, None), Requires::Secret);
    assert!(typed.is_err(), "the secret alone identifies the key, so that none is typed");
    assert!(key.set_secret(change(Choice::Generated, None), Requires::Secret).is_ok());
}

#[test]
fn a_portal_link_ends_at_its_instant() {
    let key = made(Audience::Outside, false);
    let link = key.create_portal_link(Some(NOW.plus_seconds(10))).expect("a link");
    let key = after(key, &link);
    assert!(key.live_portal_link(NOW.plus_seconds(9)).is_some());
    assert!(key.live_portal_link(NOW.plus_seconds(10)).is_none());
    let endless = after(key.clone(), &key.create_portal_link(None).expect("a link"));
    assert!(endless.live_portal_link(NOW.plus_seconds(1_000_000)).is_some());
}

#[test]
fn c4_the_limit_counts_all() {
    assert!(SharedKey::check_limit(4, 5).is_ok());
    assert_eq!(SharedKey::check_limit(5, 5), Err(Refusal::LimitReached { limit: 5 }));
    assert_eq!(SharedKey::check_limit(0, 0), Err(Refusal::LimitReached { limit: 0 }));
}

#[test]
fn c8_what_a_change_breaks() {
    use Requires::{Key, KeyAndSecret, None as Nothing, Secret};
    let with = |secret| SharedKey { secret, ..made(Audience::Outside, false) };
    let (bare, generated, typed) =
        (with(None), with(Some(SecretOrigin::Generated)), with(Some(SecretOrigin::Typed)));
    for (now, then, expected) in [
        // Of a key without a secret, with a generated one, with a typed one.
        (Nothing, Key, [false, false, false]),
        (Key, Nothing, [false, false, false]),
        (Key, KeyAndSecret, [true, true, true]),
        (Key, Secret, [true, true, true]),
        (KeyAndSecret, Key, [false, false, false]),
        (KeyAndSecret, Secret, [false, false, true]),
        (Secret, Key, [false, true, false]),
        (Secret, Nothing, [false, true, false]),
        (Secret, KeyAndSecret, [false, true, false]),
    ] {
        let broken = [&bare, &generated, &typed].map(|key| breaks(key, now, then));
        assert_eq!(broken, expected, "{now:?} to {then:?}");
        let disabled = SharedKey { status: SharedKeyStatus::Disabled, ..generated.clone() };
        assert!(!breaks(&disabled, now, then), "a disabled key's calls are refused anyway");
    }
}

#[derive(Debug, Clone, Copy)]
enum Doing {
    Enable,
    Disable,
    Reset,
    Clear,
    Set(Option<bool>),
    Link,
    Withdraw,
}

proptest! {
    /// Whatever is tried, an inside key has a secret always, an outside key never without its visitor, and only
    /// an outside key has a link; each allowed act is one that goes through.
    #[test]
    fn lives_keep_their_rules(
        inside in any::<bool>(),
        doings in proptest::collection::vec(
            prop_oneof![
                Just(Doing::Enable), Just(Doing::Disable), Just(Doing::Reset), Just(Doing::Clear),
                any::<Option<bool>>().prop_map(Doing::Set), Just(Doing::Link), Just(Doing::Withdraw),
            ],
            0..40,
        ),
    ) {
        let mut key = made(if inside { Audience::Inside } else { Audience::Outside }, false);
        for doing in doings {
            let decided = match doing {
                Doing::Enable => key.enable(),
                Doing::Disable => key.disable(),
                Doing::Reset => key.reset_secret(false),
                Doing::Clear => key.clear_secret(),
                Doing::Set(present_matches) => {
                    key.set_secret(SecretChange { choice: Choice::Generated, present_matches }, Requires::Key)
                }
                Doing::Link => key.create_portal_link(None),
                Doing::Withdraw => key.delete_portal_link(),
            };
            let before = key.clone();
            if let Ok(body) = decided {
                key = after(key, &body);
            }
            prop_assert!(key.secret.is_some() || !inside);
            prop_assert!(key.portal_link.is_none() || !inside);
            prop_assert_eq!((key.id, &key.masked, key.audience), (before.id, &before.masked, before.audience));
            if key.secret.is_some() && before.secret.is_none() {
                prop_assert!(matches!(doing, Doing::Set(_)));
            }
        }
    }
}
