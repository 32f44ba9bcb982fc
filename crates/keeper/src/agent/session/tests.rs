//! A session without a socket: whatever is changed in what it is told, nothing is signed.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use claviger_domain::key_pairs::Algorithm;
use proptest::prelude::*;

use super::*;
use crate::place::OwnedPlace;

const SESSION: [u8; 32] = [0x53; 32];

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut writer = Writer::default();
    parts.iter().for_each(|part| writer.bytes(part));
    writer.into_bytes().to_vec()
}

fn public(pair: &Ed25519KeyPair) -> Vec<u8> {
    strings(&[b"ssh-ed25519", pair.public_key().as_ref()])
}

fn charge(host: &Ed25519KeyPair) -> Charge {
    let part = || "part".to_owned();
    Charge {
        place: OwnedPlace { database: part(), table: part(), row: part(), column: part() },
        algorithm: Algorithm::Ed25519,
        sealed: Vec::new(),
        actor: "mbr_a".into(),
        attachment: "api_1".into(),
        user: "git".into(),
        host_keys: vec![public(host)],
        lifetime: Duration::from_secs(1),
        public: strings(&[b"ssh-ed25519", &[7; 32]]),
    }
}

fn binding(host: &Ed25519KeyPair) -> Vec<u8> {
    let proof = strings(&[b"ssh-ed25519", host.sign(&SESSION).as_ref()]);
    let fields = strings(&[SESSION_BIND, &public(host), &SESSION, &proof]);
    [&[EXTENSION], &fields[..], &[0]].concat()
}

fn sign_in(charge: &Charge, host: &Ed25519KeyPair) -> Vec<u8> {
    let data = [
        strings(&[&SESSION]),
        vec![USERAUTH_REQUEST],
        strings(&[b"git", b"ssh-connection", b"publickey-hostbound-v00@openssh.com"]),
        vec![1],
        strings(&[b"ssh-ed25519", &charge.public, &public(host)]),
    ]
    .concat();
    [&[SIGN_REQUEST], &strings(&[&charge.public, &data])[..], &[0; 4]].concat()
}

/// Tells a fresh session these messages; how often it signed, and its last answer.
fn told(charge: &Charge, messages: &[Vec<u8>]) -> (u32, Vec<u8>) {
    let (mut signed, mut last) = (0, Vec::new());
    let mut session = Session::new(charge);
    for message in messages {
        last = session.answer(message, &mut |_| {
            signed += 1;
            Ok(vec![9; 64])
        });
    }
    (signed, last)
}

#[test]
fn the_whole_is_signed_and_a_refusal_of_the_desk_is_a_failure() {
    let host = Ed25519KeyPair::generate().expect("a host");
    let charge = charge(&host);
    let messages = [binding(&host), sign_in(&charge, &host)];
    assert_eq!(told(&charge, &messages).0, 1);
    let mut session = Session::new(&charge);
    let mut full = |_: &SignIn<'_>| Err(AgentOutcome::TooManySignatures);
    assert_eq!(session.answer(&messages[0], &mut full), [SUCCESS]);
    assert_eq!(session.take_outcome(), None, "nobody asked");
    assert_eq!(session.answer(&messages[1], &mut full), [FAILURE]);
    assert_eq!(session.take_outcome(), Some(AgentOutcome::TooManySignatures));
    assert_eq!(session.answer(&messages[1], &mut |_| panic!("asked again")), [FAILURE]);
}

#[test]
fn a_message_cut_anywhere_is_a_failure() {
    let host = Ed25519KeyPair::generate().expect("a host");
    let charge = charge(&host);
    let (bind, sign) = (binding(&host), sign_in(&charge, &host));
    for cut in 0..bind.len() {
        assert_eq!(told(&charge, &[bind[..cut].to_vec()]), (0, vec![FAILURE]), "{cut}");
    }
    for cut in 0..sign.len() {
        assert_eq!(told(&charge, &[bind.clone(), sign[..cut].to_vec()]), (0, vec![FAILURE]), "{cut}");
    }
}

proptest! {
    #[test]
    fn no_byte_of_either_message_may_be_another(
        at in any::<proptest::sample::Index>(), flip in 1_u8.., which in 0_usize..2,
    ) {
        let host = Ed25519KeyPair::generate().expect("a host");
        let charge = charge(&host);
        let mut messages = [binding(&host), sign_in(&charge, &host)];
        let at = at.index(messages[which].len());
        messages[which][at] ^= flip;
        prop_assert_eq!(told(&charge, &messages), (0, vec![FAILURE]));
    }

    #[test]
    fn noise_is_never_signed(
        noise in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8),
        kinds in proptest::collection::vec(prop_oneof![Just(11_u8), Just(13), Just(27), any::<u8>()], 8),
    ) {
        let host = Ed25519KeyPair::generate().expect("a host");
        let charge = charge(&host);
        let messages = noise.into_iter().zip(kinds).map(|(body, kind)| [&[kind], &body[..]].concat());
        let all: Vec<Vec<u8>> = std::iter::once(binding(&host)).chain(messages).collect();
        prop_assert_eq!(told(&charge, &all).0, 0);
    }
}
