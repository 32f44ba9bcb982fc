//! The desk without a process: frozen time, a real folder, every rule of opening.

use std::path::Path;

use claviger_domain::secret::Sealed;
use proptest::prelude::*;

use super::*;
use crate::ambient::frozen::Frozen;
use crate::journal;
use crate::ledger::Ceilings;
use crate::ledgers::AllCeilings;
use crate::place::{Open, Place, Seal};
use crate::start::{Layout, start};
use crate::wire::message::Reply;

const PLACE: Place<'_> = Place { database: "db", table: "sealed", row: "key_1", column: "value" };

fn desk(folder: &Path, ambient: &Frozen, ceilings: AllCeilings) -> Desk {
    let started = start(&Layout::new(folder, None), ceilings, ambient).expect("a start");
    Desk::new(started, false, Enclosure::default())
}

fn frame((kind, body): Body) -> Frame {
    Frame { kind, request: 1, body: body.into_bytes() }
}

fn ask(desk: &mut Desk, ambient: &Frozen, request: Body) -> Reply {
    let Answer::Say(body) = desk.answer(&frame(request), ambient) else { panic!("it ended") };
    Reply::decode(&frame(body)).expect("an answer that reads")
}

fn seal(desk: &mut Desk, ambient: &Frozen, text: &str) -> Sealed {
    let plaintext = Plaintext::new(text.into());
    let seal = Seal { purpose: Purpose::Retrievable, place: PLACE, plaintext: &plaintext };
    match ask(desk, ambient, message::seal_request(&[seal])) {
        Reply::Sealed(mut sealed) => sealed.remove(0),
        other => panic!("{other:?}"),
    }
}

fn open(desk: &mut Desk, ambient: &Frozen, sealed: &Sealed, actor: &str) -> Result<String, Refusal> {
    let open = Open { purpose: Purpose::Retrievable, place: PLACE, sealed, actor, position: 7 };
    match ask(desk, ambient, message::open_request(&open)) {
        Reply::Opened(plaintext) => Ok(plaintext.expose().to_owned()),
        Reply::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_opened_is_in_the_journal_and_what_is_refused_is_not() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), Frozen::at("2026-07-01T12:00:00Z"));
    let mut desk = desk(folder.path(), &ambient, AllCeilings::default());
    let sealed = seal(&mut desk, &ambient, "clv_key_abc");
    assert_eq!(open(&mut desk, &ambient, &sealed, "mbr_a"), Ok("clv_key_abc".into()));
    let forged = Sealed::from_bytes(vec![1; 60]);
    assert_eq!(open(&mut desk, &ambient, &forged, "mbr_a"), Err(Refusal::NotOpened));
    let book = journal::read(folder.path()).expect("a whole journal");
    assert_eq!(book.openings.len(), 1);
    let (at, opening) = &book.openings[0];
    assert_eq!((*at, opening.actor.as_str(), opening.position), (ambient.now(), "mbr_a", 7));
    assert_eq!((opening.row.as_str(), book.lines, book.torn_bytes), ("key_1", 3, 0));
}

#[test]
fn ceilings_hold_across_starts_and_end_with_the_hour() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), Frozen::at("2026-07-01T12:00:00Z"));
    let reveals = Ceilings { per_actor: 2, together: 3 };
    let ceilings = AllCeilings { reveals, ..AllCeilings::default() };
    let mut first = desk(folder.path(), &ambient, ceilings);
    let sealed = seal(&mut first, &ambient, "text");
    for _ in 0..2 {
        assert!(open(&mut first, &ambient, &sealed, "mbr_a").is_ok());
        ambient.pass(60);
    }
    let full = |retry_after_seconds| Err(Refusal::TooManyReveals { retry_after_seconds });
    assert_eq!(open(&mut first, &ambient, &sealed, "mbr_a"), full(3_480));
    drop(first);
    let mut second = desk(folder.path(), &ambient, ceilings);
    assert_eq!(open(&mut second, &ambient, &sealed, "mbr_a"), full(3_480), "a new start forgets nothing");
    assert!(open(&mut second, &ambient, &sealed, "mbr_b").is_ok());
    assert_eq!(open(&mut second, &ambient, &sealed, "mbr_c"), full(3_480), "all together");
    ambient.pass(3_480);
    assert!(open(&mut second, &ambient, &sealed, "mbr_a").is_ok());
}

#[test]
fn a_journal_that_takes_no_line_gives_no_plaintext() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), Frozen::at("2026-07-01T12:00:00Z"));
    let mut desk = desk(folder.path(), &ambient, AllCeilings::default());
    let sealed = seal(&mut desk, &ambient, "text");
    desk.started.journal = journal::full_disk();
    let open =
        Open { purpose: Purpose::Retrievable, place: PLACE, sealed: &sealed, actor: "mbr_a", position: 7 };
    let Answer::SayAndEnd(body) = desk.answer(&frame(message::open_request(&open)), &ambient) else {
        panic!("it goes on without a journal")
    };
    let reply = Reply::decode(&frame(body)).expect("an answer that reads");
    assert!(matches!(reply, Reply::Refused(Refusal::Unavailable)), "{reply:?}");
}

#[test]
fn keys_are_given_once() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), Frozen::at("2026-07-01T12:00:00Z"));
    let mut first = desk(folder.path(), &ambient, AllCeilings::default());
    let Reply::Keys(keys) = ask(&mut first, &ambient, message::keys_request()) else { panic!("keys") };
    let again = ask(&mut first, &ambient, message::keys_request());
    assert!(matches!(again, Reply::Refused(Refusal::KeysAlreadyGiven)), "{again:?}");
    drop(first);
    let mut second = desk(folder.path(), &ambient, AllCeilings::default());
    let Reply::Keys(same) = ask(&mut second, &ambient, message::keys_request()) else { panic!("keys") };
    let digest = |keys: &crate::Keys| keys.digest_key.newest().digest(b"clv_key_abc");
    assert_eq!(digest(&keys), digest(&same), "the same at every start");
    assert_ne!(digest(&keys), keys.digest_secret.newest().digest(b"clv_key_abc"), "each purpose its own");
    assert_eq!(keys.digest_key.iter().count(), 1);
    assert!(keys.digest_key.by_id(keys.digest_key.newest().id()).is_some());
}

#[test]
fn without_chance_nothing_is_sealed() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), Frozen::at("2026-07-01T12:00:00Z"));
    let mut desk = desk(folder.path(), &ambient, AllCeilings::default());
    ambient.dry.set(true);
    let plaintext = Plaintext::new("text".into());
    let item = Seal { purpose: Purpose::Retrievable, place: PLACE, plaintext: &plaintext };
    let reply = ask(&mut desk, &ambient, message::seal_request(&[item]));
    assert!(matches!(reply, Reply::Refused(Refusal::Unavailable)), "{reply:?}");
}

#[test]
fn places_and_actors_have_bounds() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), Frozen::at("2026-07-01T12:00:00Z"));
    let mut desk = desk(folder.path(), &ambient, AllCeilings::default());
    let sealed = seal(&mut desk, &ambient, "text");
    assert_eq!(open(&mut desk, &ambient, &sealed, ""), Err(Refusal::Malformed));
    assert_eq!(open(&mut desk, &ambient, &sealed, &"a".repeat(129)), Err(Refusal::Malformed));
    assert!(open(&mut desk, &ambient, &sealed, &"\u{1}".repeat(128)).is_ok());
    journal::read(folder.path()).expect("control characters are escaped in the journal");
}

#[test]
fn messages_of_later_kinds_get_a_typed_refusal() {
    let (folder, ambient) = (tempfile::tempdir().expect("a folder"), Frozen::at("2026-07-01T12:00:00Z"));
    let mut desk = desk(folder.path(), &ambient, AllCeilings::default());
    for kind in (0..=255).filter(|kind| !(1..=10).contains(kind)) {
        let reply = ask(&mut desk, &ambient, (kind, crate::wire::codec::Writer::default()));
        assert!(matches!(reply, Reply::Refused(Refusal::UnknownMessage)), "{kind}: {reply:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn changed_and_random_messages_never_open_anything(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 1_u8..), 1..4),
        cut in any::<proptest::sample::Index>(),
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        kind in 0_u8..11,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let ambient = Frozen::at("2026-07-01T12:00:00Z");
        let mut desk = desk(folder.path(), &ambient, AllCeilings::default());
        let sealed = seal(&mut desk, &ambient, "text");
        let open = Open {
            purpose: Purpose::Retrievable, place: PLACE, sealed: &sealed, actor: "mbr_a", position: 7,
        };
        let whole = frame(message::open_request(&open));
        // Who asks and for which position may change, and is journaled as it was said.
        let said = 4 + 11 + 4 * 4 + "dbsealedkey_1value".len();
        let not_bound = said..said + 4 + 5 + 8;
        let mut bodies = vec![noise, whole.body[..cut.index(whole.body.len())].to_vec()];
        let mut changed = whole.body.to_vec();
        for (at, flip) in changes {
            let at = at.index(changed.len());
            if !not_bound.contains(&at) {
                changed[at] ^= flip;
            }
        }
        if changed != *whole.body {
            bodies.push(changed);
        }
        for body in bodies {
            for kind in [kind, whole.kind] {
                let frame = Frame { kind, request: 1, body: Zeroizing::new(body.clone()) };
                match desk.answer(&frame, &ambient) {
                    Answer::Say(said) => {
                        prop_assert!(!matches!(Reply::decode(&self::frame(said)), Ok(Reply::Opened(_))));
                    }
                    // Noise may well be an order for a pair.
                    Answer::Make(_) => {}
                    Answer::SayAndEnd(_) | Answer::Agent(_) => panic!("{kind}"),
                }
            }
        }
        prop_assert!(journal::read(folder.path()).expect("whole").openings.is_empty());
    }

    #[test]
    fn random_answers_never_panic_the_parent(
        kind in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        for kind in (129..=138).chain([kind, 192, 200, 201]) {
            let _ = Reply::decode(&Frame { kind, request: 1, body: Zeroizing::new(body.clone()) });
        }
    }
}
