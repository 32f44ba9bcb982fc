//! Signing without a process: frozen time, a real folder, and messages that were changed on their way.

use std::path::Path;

use claviger_domain::key_pairs::Algorithm;
use claviger_domain::secret::Sealed;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::ambient::frozen::Frozen;
use crate::journal;
use crate::ledger::Ceilings;
use crate::ledgers::AllCeilings;
use crate::pairs::{MakePair, SignJwt};
use crate::place::Place;
use crate::sandbox::Enclosure;
use crate::start::{Layout, start};
use crate::wire::frame::Frame;
use crate::wire::message::Reply;

const PLACE: Place<'_> = Place { database: "db", table: "key_pairs", row: "kp_1", column: "private_key" };

fn noon() -> Frozen {
    Frozen::at("2026-07-01T12:00:00Z")
}

fn desk(folder: &Path, ambient: &Frozen, ceilings: AllCeilings) -> Desk {
    let started = start(&Layout::new(folder, None), ceilings, ambient).expect("a start");
    Desk::new(started, false, Enclosure::default())
}

fn frame((kind, body): Body) -> Frame {
    Frame { kind, request: 1, body: body.into_bytes() }
}

fn make(desk: &mut Desk, ambient: &Frozen) -> Sealed {
    let make = MakePair { place: PLACE, algorithm: Algorithm::Ed25519 };
    let Answer::Make(order) = desk.answer(&frame(message::make_request(&make)), ambient) else {
        panic!("no order")
    };
    let pair = PrivateHalf::generate(order.algorithm);
    match Reply::decode(&frame(desk.made(&order, &pair, ambient))) {
        Ok(Reply::PairMade(made)) => made.sealed,
        other => panic!("{other:?}"),
    }
}

fn request(sealed: &Sealed) -> SignJwt<'_> {
    let algorithm = Algorithm::Ed25519;
    SignJwt { place: PLACE, sealed, algorithm, actor: "mbr_a", key_id: "kp_1", claims: r#"{"sub":"a"}"# }
}

fn sign(desk: &mut Desk, ambient: &Frozen, sealed: &Sealed) -> Result<String, Refusal> {
    let Answer::Say(body) = desk.answer(&frame(message::sign_request(&request(sealed))), ambient) else {
        panic!("it ended")
    };
    match Reply::decode(&frame(body)) {
        Ok(Reply::JwtSigned(token)) => Ok(token),
        Ok(Reply::Refused(refusal)) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ceilings_of_signing_hold_across_starts_and_end_with_the_hour() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), noon());
    let jwt_signatures = Ceilings { per_actor: 2, together: 3 };
    let ceilings = AllCeilings { jwt_signatures, ..AllCeilings::default() };
    let mut first = desk(folder.path(), &ambient, ceilings);
    let sealed = make(&mut first, &ambient);
    for _ in 0..2 {
        assert!(sign(&mut first, &ambient, &sealed).is_ok());
        ambient.pass(60);
    }
    drop(first);
    let mut second = desk(folder.path(), &ambient, ceilings);
    let full = Err(Refusal::TooManySignatures { retry_after_seconds: 3_480 });
    assert_eq!(sign(&mut second, &ambient, &sealed), full, "a new start forgets nothing");
    ambient.pass(3_480);
    assert!(sign(&mut second, &ambient, &sealed).is_ok());
}

#[test]
fn a_journal_that_takes_no_line_gives_no_signature() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), noon());
    let mut desk = desk(folder.path(), &ambient, AllCeilings::default());
    let sealed = make(&mut desk, &ambient);
    desk.started.journal = journal::full_disk();
    let answer = desk.answer(&frame(message::sign_request(&request(&sealed))), &ambient);
    let Answer::SayAndEnd(body) = answer else { panic!("it goes on without a journal") };
    let reply = Reply::decode(&frame(body)).expect("an answer that reads");
    assert!(matches!(reply, Reply::Refused(Refusal::Unavailable)), "{reply:?}");
}

#[test]
fn without_chance_no_pair_is_sealed() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), noon());
    let desk = desk(folder.path(), &ambient, AllCeilings::default());
    let order = Order { place: PLACE.into(), algorithm: Algorithm::Ed25519 };
    for (pair, dry) in [(PrivateHalf::generate(Algorithm::Ed25519), true), (Err(NoPair), false)] {
        ambient.dry.set(dry);
        let reply = Reply::decode(&frame(desk.made(&order, &pair, &ambient))).expect("an answer");
        assert!(matches!(reply, Reply::Refused(Refusal::Unavailable)), "{reply:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn changed_and_random_messages_never_sign_or_open_an_agent(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 1_u8..), 1..4),
        cut in any::<proptest::sample::Index>(),
        noise in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let (folder, ambient) = (tempfile::tempdir().expect("a folder"), noon());
        let mut desk = desk(folder.path(), &ambient, AllCeilings::default());
        let sealed = make(&mut desk, &ambient);
        let whole = frame(message::sign_request(&request(&sealed)));
        // Place, algorithm and envelope are bound to each other; who asks, and what for, is journaled as said.
        let bound = 4 * 4 + "dbkey_pairskp_1private_key".len() + 4 + "ed25519".len() + 4 + sealed.as_bytes().len();
        let mut changed = whole.body.to_vec();
        for (at, flip) in changes {
            changed[at.index(bound)] ^= flip;
        }
        let mut bodies = vec![noise, whole.body[..cut.index(whole.body.len())].to_vec()];
        if changed != *whole.body {
            bodies.push(changed);
        }
        for body in bodies {
            for kind in 8..=10 {
                let frame = Frame { kind, request: 1, body: Zeroizing::new(body.clone()) };
                match desk.answer(&frame, &ambient) {
                    Answer::Say(said) => {
                        let reply = Reply::decode(&self::frame(said));
                        prop_assert!(matches!(reply, Ok(Reply::Refused(_))), "{kind}: {reply:?}");
                    }
                    Answer::Make(_) => prop_assert_eq!(kind, 8),
                    Answer::SayAndEnd(_) | Answer::Agent(_) => panic!("{kind}"),
                }
            }
        }
        prop_assert!(journal::read(folder.path()).expect("whole").signings.is_empty());
    }
}
