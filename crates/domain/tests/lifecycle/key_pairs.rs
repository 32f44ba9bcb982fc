//! Key pairs: who may do what as one table, the last admin, public halves as other programs write them, claims.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use claviger_domain::event::{ActorRef, EventBody, KeyPairTerms};
use claviger_domain::id::{GroupId, KeyPairId, MemberId, OrganizationId};
use claviger_domain::key_pairs::{
    Algorithm, Grant, Grantee, Holder, KeyPair, KeyPairAct, KeyUse, Level, PublicKey, token_claims,
};
use claviger_domain::refusal::Refusal;
use claviger_domain::text::Name;
use claviger_domain::time::{Period, Timestamp};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::replay::replay;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_500_000);
const ID: KeyPairId = KeyPairId::from_bytes([7; 16]);
const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([1; 16]);
const GROUP: GroupId = GroupId::from_bytes([2; 16]);
const MEMBER: MemberId = MemberId::from_bytes([3; 16]);
const CREATOR: MemberId = MemberId::from_bytes([4; 16]);

/// PEM as openssl wrote it, and the line that ssh-keygen made of it, with the fingerprint it tells.
const KNOWN: [(Algorithm, &str, &str, &str); 4] = [
    (
        Algorithm::Ed25519,
        include_str!("public_keys/ed25519.pem"),
        include_str!("public_keys/ed25519.openssh"),
        "SHA256:YnAN5g8IBco55pOkJhc24XG040+MA+OHsgmr/W3FzYk",
    ),
    (
        Algorithm::EcdsaP256,
        include_str!("public_keys/ecdsa-p256.pem"),
        include_str!("public_keys/ecdsa-p256.openssh"),
        "SHA256:z+QSnf4V5YueB3LI+Agwad5CGbI+3Rhb3daGAO/Fmbs",
    ),
    (
        Algorithm::Rsa3072,
        include_str!("public_keys/rsa-3072.pem"),
        include_str!("public_keys/rsa-3072.openssh"),
        "SHA256:ZgdfQVamb8VthaQx9ZoyhrHWzO/hQ09p02CdYt+N6lU",
    ),
    (
        Algorithm::Rsa4096,
        include_str!("public_keys/rsa-4096.pem"),
        include_str!("public_keys/rsa-4096.openssh"),
        "SHA256:pnxhfjqxbMSryiGx6hxluThosGMqgW75DnAPtJdGg2Y",
    ),
];

fn der(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(text).expect("base64")
}

fn created(grants: Vec<Grant>) -> EventBody {
    let terms = KeyPairTerms {
        organization_id: ORGANIZATION,
        name: Name::new("Deploy").expect("a name"),
        uses: BTreeSet::from([KeyUse::Git]),
        public: false,
        public_key: PublicKey::from_spki(der(KNOWN[0].1)).expect("a key"),
        grants,
        replaces: None,
        created_by: ActorRef::system("test"),
    };
    EventBody::KeyPairCreated { key_pair_id: ID, terms: Box::new(terms) }
}

fn pair_with(grants: &[Grant]) -> KeyPair {
    let by_creator = Grant { grantee: Grantee::Member(CREATOR), level: Level::Admin };
    let grants = [&[by_creator], grants].concat();
    replay(&[(NOW, created(grants))]).expect("applies").expect("stands")
}

fn holder(organization_id: OrganizationId, member_id: MemberId, group_ids: &[GroupId]) -> Holder {
    Holder { organization_id, member_id: Some(member_id), group_ids: group_ids.to_vec() }
}

#[test]
fn a2_public_halves_are_written_as_other_programs_write_them() {
    for (algorithm, pem, line, fingerprint) in KNOWN {
        let key = PublicKey::from_spki(der(pem)).expect("a key that openssl made");
        assert_eq!((key.algorithm(), key.pem().trim()), (algorithm, pem.trim()));
        assert_eq!((key.openssh("deploy").as_str(), key.fingerprint().as_str()), (line.trim(), fingerprint));
        let read: PublicKey =
            serde_json::from_str(&serde_json::to_string(&key).expect("JSON")).expect("a key");
        assert_eq!(read, key);
    }
    assert!(KNOWN[0].2.ends_with("deploy\n"), "the comment is the pair's name");
}

#[test]
fn a2_a_jwk_has_the_numbers_of_the_key() {
    for (algorithm, pem, ..) in KNOWN {
        let spki = der(pem);
        let jwk = PublicKey::from_spki(spki.clone()).expect("a key").jwk();
        assert_eq!(jwk.alg, algorithm.jws());
        let numbers = [jwk.x, jwk.y, jwk.n, jwk.e].into_iter().flatten();
        let numbers: Vec<_> =
            numbers.map(|text| URL_SAFE_NO_PAD.decode(text).expect("base64url, no padding")).collect();
        let lengths: Vec<_> = numbers.iter().map(Vec::len).collect();
        let expected: &[usize] = match algorithm {
            Algorithm::Ed25519 => &[32],
            Algorithm::EcdsaP256 => &[32, 32],
            Algorithm::Rsa3072 => &[384, 3],
            Algorithm::Rsa4096 => &[512, 3],
        };
        assert_eq!(
            (jwk.kty, lengths.as_slice()),
            (if lengths.len() == 1 { "OKP" } else { jwk.kty }, expected)
        );
        for number in numbers {
            assert!(spki.windows(number.len()).any(|window| window == number), "{algorithm}");
        }
    }
}

#[test]
fn a_public_half_that_is_cut_or_longer_is_refused() {
    for (algorithm, pem, ..) in KNOWN {
        let spki = der(pem);
        for length in 0..spki.len() {
            assert!(PublicKey::from_spki(spki[..length].to_vec()).is_err(), "{algorithm} cut to {length}");
        }
        assert!(PublicKey::from_spki([spki.as_slice(), &[0]].concat()).is_err(), "{algorithm}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_reading_a_public_half_panic(
        which in 0..KNOWN.len(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut spki = der(KNOWN[which].1);
        let at = at.index(spki.len());
        spki[at] = byte;
        if let Ok(key) = PublicKey::from_spki(spki) {
            prop_assert_eq!(key.algorithm(), KNOWN[which].0);
            prop_assert!(key.openssh("x").len() > 60 && key.pem().contains("PUBLIC KEY"));
        }
    }
}

#[test]
fn a6_every_level_and_every_act_by_whom_it_was_given() {
    use KeyPairAct::{Attach, Delete, Publish, Read, Rename, Replace, Share, SignJwt};
    let other = OrganizationId::from_bytes([9; 16]);
    let stranger = MemberId::from_bytes([8; 16]);
    // Who they are, and whether a grant to everyone, to the Group, to the member reaches them.
    let people = [
        ("the member", holder(ORGANIZATION, MEMBER, &[]), [true, false, true]),
        ("one of the Group", holder(ORGANIZATION, stranger, &[GROUP]), [true, true, false]),
        (
            "one of another Group",
            holder(ORGANIZATION, stranger, &[GroupId::from_bytes([5; 16])]),
            [true, false, false],
        ),
        ("an outsider", holder(other, stranger, &[]), [false, false, false]),
    ];
    let allowed = |level| match level {
        Level::Read => vec![Read],
        Level::Write => vec![Read, Rename, Attach, SignJwt],
        Level::Admin => vec![Read, Rename, Attach, SignJwt, Publish, Share, Replace, Delete],
    };
    for level in Level::ALL {
        let grantees = [Grantee::Everyone, Grantee::Group(GROUP), Grantee::Member(MEMBER)];
        for (which, grantee) in grantees.into_iter().enumerate() {
            let pair = pair_with(&[Grant { grantee, level }]);
            for (name, who, reached) in &people {
                let held = pair.level_of(who);
                let may: Vec<_> =
                    KeyPairAct::ALL.into_iter().filter(|act| held >= Some(act.level())).collect();
                let expected = if reached[which] { allowed(level) } else { Vec::new() };
                assert_eq!(may, expected, "{level:?} to {grantee}: {name}");
            }
        }
    }
    let nobody = Holder { organization_id: ORGANIZATION, member_id: None, group_ids: Vec::new() };
    assert_eq!(pair_with(&[]).level_of(&nobody), None, "who counts as no member is not the creator");
    assert_eq!(pair_with(&[]).level_of(&holder(ORGANIZATION, CREATOR, &[])), Some(Level::Admin));
}

#[test]
fn a6_the_highest_level_counts() {
    let everyone = Grant { grantee: Grantee::Everyone, level: Level::Read };
    let group = Grant { grantee: Grantee::Group(GROUP), level: Level::Admin };
    let member = Grant { grantee: Grantee::Member(MEMBER), level: Level::Write };
    let pair = pair_with(&[everyone, group, member]);
    assert_eq!(pair.level_of(&holder(ORGANIZATION, MEMBER, &[GROUP])), Some(Level::Admin));
    assert_eq!(pair.level_of(&holder(ORGANIZATION, MEMBER, &[])), Some(Level::Write));
}

#[test]
fn a6_one_admin_must_remain() {
    let creator = Grantee::Member(CREATOR);
    let alone = pair_with(&[Grant { grantee: Grantee::Member(MEMBER), level: Level::Write }]);
    assert_eq!(alone.revoke(creator), Err(Refusal::LastAdmin));
    for level in [Level::Read, Level::Write] {
        assert_eq!(alone.grant(Grant { grantee: creator, level }), Err(Refusal::LastAdmin));
    }
    assert_eq!(alone.grant(Grant { grantee: creator, level: Level::Admin }), Ok(None), "it is so already");
    assert_eq!(alone.revoke(Grantee::Everyone), Err(Refusal::NotFound));
    for other in [Grantee::Member(MEMBER), Grantee::Group(GROUP), Grantee::Everyone] {
        let shared = alone.grant(Grant { grantee: other, level: Level::Admin }).expect("allowed");
        let log = [(NOW, created(alone.grants.clone())), (NOW, shared.expect("an event"))];
        let pair = replay::<KeyPair>(&log).expect("applies").expect("stands");
        let left = pair.revoke(creator).expect("another admin is there");
        let log = [&log[..], &[(NOW, left)]].concat();
        let pair = replay::<KeyPair>(&log).expect("applies").expect("stands");
        assert_eq!(pair.level_of(&holder(ORGANIZATION, CREATOR, &[])).is_some(), other == Grantee::Everyone);
        assert_eq!(pair.revoke(other), Err(Refusal::LastAdmin));
    }
}

#[test]
fn a6_an_access_list_has_a_hundred_lines_at_most() {
    let to = |number: u8| Grant {
        grantee: Grantee::Member(MemberId::from_bytes([number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
        level: Level::Read,
    };
    let almost = pair_with(&(0..98).map(to).collect::<Vec<_>>());
    assert!(almost.grant(to(98)).is_ok_and(|event| event.is_some()));
    let full = pair_with(&(0..99).map(to).collect::<Vec<_>>());
    assert_eq!(full.grant(to(99)), Err(Refusal::LimitReached { limit: 100 }));
    let higher = Grant { level: Level::Write, ..to(7) };
    assert!(full.grant(higher).is_ok_and(|event| event.is_some()), "those who are there may have more");
}

#[test]
fn a_key_pairs_log_makes_the_key_pair() {
    let renamed = Name::new("Deploys").expect("a name");
    let grantee = Grantee::Group(GROUP);
    let log = [
        created(vec![Grant { grantee: Grantee::Member(CREATOR), level: Level::Admin }]),
        EventBody::KeyPairUpdated { key_pair_id: ID, name: renamed.clone(), public: true },
        EventBody::KeyPairAccessGranted { key_pair_id: ID, grant: Grant { grantee, level: Level::Read } },
        EventBody::KeyPairAccessGranted { key_pair_id: ID, grant: Grant { grantee, level: Level::Write } },
    ];
    let log: Vec<_> = log.into_iter().map(|body| (NOW, body)).collect();
    let pair = replay::<KeyPair>(&log).expect("applies").expect("stands");
    assert_eq!((pair.name.clone(), pair.public, pair.created_at), (renamed, true, NOW));
    assert_eq!(pair.grants[1..], [Grant { grantee, level: Level::Write }]);
    assert!(!pair.is_published(), "it signs no tokens");
    let never = EventBody::KeyPairAccessRevoked { key_pair_id: ID, grantee: Grantee::Everyone };
    assert!(replay::<KeyPair>(&[log.as_slice(), &[(NOW, never)]].concat()).is_err());
    let gone = (NOW, EventBody::KeyPairDeleted { key_pair_id: ID });
    assert_eq!(replay::<KeyPair>(&[log.as_slice(), &[gone]].concat()), Ok(None));
}

#[test]
fn a_pair_is_refused_for_a_use_that_it_does_not_state() {
    let pair = pair_with(&[]);
    assert_eq!(pair.require_use(KeyUse::Git), Ok(()));
    let refused = Refusal::NotForThisUse { wanted: "jwt", uses: vec!["git"] };
    assert_eq!(pair.require_use(KeyUse::Jwt), Err(refused));
}

#[test]
fn a8_names_beside_count_on() {
    for (name, expected) in [
        ("Deploy", ["Deploy (2)", "Deploy (3)"]),
        ("Deploy (2)", ["Deploy (3)", "Deploy (4)"]),
        ("Deploy (new)", ["Deploy (new) (2)", "Deploy (new) (3)"]),
    ] {
        let pair = KeyPair { name: Name::new(name).expect("a name"), ..pair_with(&[]) };
        let names: Vec<_> = pair.names_beside().take(2).map(|name| name.to_string()).collect();
        assert_eq!(names, expected);
    }
    let long = KeyPair { name: Name::new(&"é".repeat(100)).expect("a name"), ..pair_with(&[]) };
    let name = long.names_beside().next().expect("a name that fits");
    assert!(name.as_str().ends_with("é (2)") && name.as_str().chars().count() == 100);
}

fn claims(given: Value, ttl: &str) -> Result<Value, Refusal> {
    let Value::Object(given) = given else { panic!("an object") };
    let text = token_claims(&given, &ttl.parse::<Period>().expect("a period"), NOW)?;
    Ok(serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn tokens_are_good_from_now_for_their_time_and_say_so_themselves() {
    let signed = claims(json!({"iss": "acme", "nbf": 5, "deep": {"a": [1, null]}}), "PT5M").expect("taken");
    let expected = json!({"iss": "acme", "nbf": 5, "deep": {"a": [1, null]},
        "iat": 1_800_000_000, "exp": 1_800_000_300});
    assert_eq!(signed, expected);
    assert_eq!(claims(json!({}), "P1D").expect("a day")["exp"], 1_800_086_400);
    let pointers = |refused: Result<Value, Refusal>| match refused {
        Err(Refusal::Invalid(errors)) => errors.into_iter().map(|error| error.pointer).collect(),
        other => vec![format!("{other:?}")],
    };
    assert_eq!(pointers(claims(json!({}), "PT24H1S")), ["/ttl"]);
    assert_eq!(pointers(claims(json!({}), "P2D")), ["/ttl"]);
    assert_eq!(pointers(claims(json!({"iat": 1, "exp": 2}), "P1M")), ["/claims/exp", "/claims/iat", "/ttl"]);
    assert_eq!(pointers(claims(json!({"a": "x".repeat(9_000)}), "PT1M")), ["/claims"]);
    let made = claviger_domain::credential::generate(
        claviger_domain::credential::CredentialKind::Secret,
        |buffer| buffer.fill(9),
    );
    let leaked = Map::from_iter([("note".to_owned(), made.value.expose().into())]);
    let refused = token_claims(&leaked, &Period::days(1), NOW);
    assert_eq!(refused, Err(Refusal::LooksLikeASecret { pointer: "/claims".into() }));
}
