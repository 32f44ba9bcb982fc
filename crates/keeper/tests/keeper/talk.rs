//! Sealing and opening through the client.

use std::time::{Duration, Instant};

use claviger_domain::secret::{DigestKey, Plaintext, Sealed};
use claviger_keeper::{Ceilings, KeeperError, Place, Purpose, Recipient, Seal};

use crate::support::*;

#[test]
fn what_is_sealed_opens_in_its_place_and_nowhere_else() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let sealed = seal(&keeper, "clv_key_abc");
    assert_eq!(open(&keeper, &sealed, "mbr_a"), Ok("clv_key_abc".into()));
    for elsewhere in [
        Place { database: "another", ..PLACE },
        Place { table: "key_pairs", ..PLACE },
        Place { row: "key_2", ..PLACE },
        Place { column: "secret", ..PLACE },
    ] {
        assert_eq!(open_at(&keeper, elsewhere, &sealed, "mbr_a", 1), Err(KeeperError::Refused));
    }
    let mut forged = sealed.as_bytes().to_vec();
    *forged.last_mut().expect("a byte") ^= 1;
    assert_eq!(open(&keeper, &Sealed::from_bytes(forged), "mbr_a"), Err(KeeperError::Refused));
    let another = self::folder();
    let other = spawn(options(another.path()));
    assert_eq!(open(&other, &sealed, "mbr_a"), Err(KeeperError::Refused), "another root");
}

#[test]
fn a_batch_of_any_length_is_sealed_in_its_order() {
    let folder = folder();
    let keeper = spawn(generous(folder.path()));
    let rows: Vec<String> = (0..300).map(|number| format!("key_{number}")).collect();
    let texts: Vec<Plaintext> = rows.iter().map(|row| Plaintext::new(format!("value of {row}"))).collect();
    let items: Vec<Seal<'_>> = rows
        .iter()
        .zip(&texts)
        .map(|(row, plaintext)| Seal {
            purpose: Purpose::Retrievable,
            place: Place { row, ..PLACE },
            plaintext,
        })
        .collect();
    let sealed = keeper.seal_batch(&items).expect("sealed");
    assert_eq!(sealed.len(), 300);
    for (row, sealed) in rows.iter().zip(&sealed).step_by(37) {
        let opened = open_at(&keeper, Place { row, ..PLACE }, sealed, "mbr_a", 1);
        assert_eq!(opened, Ok(format!("value of {row}")));
    }
    assert_eq!(keeper.seal_batch(&[]).expect("nothing"), []);
}

#[test]
fn what_is_too_long_is_refused_and_the_keeper_goes_on() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let longest = "x".repeat(4_096);
    assert_eq!(open(&keeper, &seal(&keeper, &longest), "mbr_a"), Ok(longest));
    for length in [4_097, 2 << 20] {
        let refused = seal_at(&keeper, PLACE, &"x".repeat(length));
        assert_eq!(refused, Err(KeeperError::Refused), "{length}");
    }
    let long = "r".repeat(129);
    assert_eq!(seal_at(&keeper, Place { row: &long, ..PLACE }, "text"), Err(KeeperError::Refused));
    assert_eq!(seal_at(&keeper, Place { row: "", ..PLACE }, "text"), Err(KeeperError::Refused));
    assert_eq!(keeper.status().restarts, 0);
    assert_eq!(open(&keeper, &seal(&keeper, ""), "mbr_a"), Ok(String::new()));
}

#[test]
fn an_actor_at_the_ceiling_is_told_when_to_come_back() {
    let folder = folder();
    let mut options = options(folder.path());
    options.process.ceilings.reveals = Ceilings { per_actor: 2, together: 3 };
    let keeper = spawn(options);
    let sealed = seal(&keeper, "text");
    assert!(open(&keeper, &sealed, "mbr_a").is_ok() && open(&keeper, &sealed, "mbr_a").is_ok());
    let Err(KeeperError::TooManyReveals { retry_after_seconds }) = open(&keeper, &sealed, "mbr_a") else {
        panic!("a third one was opened")
    };
    assert!((3_500..=3_600).contains(&retry_after_seconds), "{retry_after_seconds}");
    assert!(open(&keeper, &sealed, "mbr_b").is_ok(), "another actor has a ceiling of their own");
    assert!(matches!(open(&keeper, &sealed, "mbr_c"), Err(KeeperError::TooManyReveals { .. })));
    assert_eq!(keeper.health().expect("health").reveals, 3);
}

#[test]
fn many_threads_ask_at_once_and_each_gets_its_own_answer() {
    let folder = folder();
    let keeper = spawn(generous(folder.path()));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let keeper = &keeper;
            scope.spawn(move || {
                for round in 0..20 {
                    let (row, text) = (format!("key_{thread}_{round}"), format!("text {thread} {round}"));
                    let place = Place { row: &row, ..PLACE };
                    let sealed = seal_at(keeper, place, &text).expect("sealed");
                    assert_eq!(open_at(keeper, place, &sealed, "mbr_a", round), Ok(text));
                }
            });
        }
    });
}

#[test]
fn a_shut_down_keeper_is_gone_and_calls_fail_at_once() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let (process, digest) = (process_of(&keeper), keeper.keys().digest_key.newest().digest(b"text"));
    assert!(is_alive(process));
    keeper.shutdown();
    assert!(!is_alive(process));
    let asked = Instant::now();
    assert_eq!(seal_at(&keeper, PLACE, "text"), Err(KeeperError::Unavailable));
    assert_eq!(keeper.health(), Err(KeeperError::Unavailable));
    assert!(asked.elapsed() < Duration::from_secs(4), "long before the deadline");
    assert_eq!(keeper.keys().digest_key.newest().digest(b"text"), digest, "its keys stay");
    keeper.shutdown();
}

#[test]
fn a_dropped_keeper_is_gone() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let process = process_of(&keeper);
    drop(keeper);
    assert!(!is_alive(process));
}

#[test]
fn a_bundle_opens_at_the_node_it_was_made_for_and_nowhere_else() {
    let (control, node, other) = (folder(), folder(), folder());
    let (control, node) = (spawn(options(control.path())), spawn(options(node.path())));
    let recipient = Recipient { database: "01k0db", node: "nod_1" };
    let to = node.node_key().expect("its key");
    let bundle = control.bundle(&to, recipient).expect("a bundle");
    let keys = node.unbundle(recipient, &bundle).expect("it opens");
    let digest = |key: &DigestKey| key.digest(b"clv_key_abc");
    let (given, own) = (&keys.digest_key, &control.keys().digest_key);
    assert_eq!(digest(given.newest()), digest(own.newest()), "it decides as the control plane would");
    assert_eq!(digest(keys.digest_secret.newest()), digest(control.keys().digest_secret.newest()));
    assert_ne!(digest(given.newest()), digest(node.keys().digest_key.newest()), "its own tree is another");
    let another = Recipient { node: "nod_2", ..recipient };
    assert_eq!(node.unbundle(another, &bundle).err(), Some(KeeperError::Refused));
    let other = spawn(options(other.path()));
    assert_eq!(other.unbundle(recipient, &bundle).err(), Some(KeeperError::Refused));
    assert_eq!(
        control.unbundle(recipient, &bundle).err(),
        Some(KeeperError::Refused),
        "nor where it was made"
    );
}
