//! The keeper killed, stopped, exchanged: what its parent and its journal make of it.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use claviger_keeper::client::Notice;
use claviger_keeper::{Ceilings, KeeperError, journal};
use rustix::process::Signal;

use crate::support::*;

#[test]
fn a_killed_keeper_comes_back_and_its_keys_never_went() {
    let folder = folder();
    let (keeper, notices) = spawn_observed(options(folder.path()));
    let sealed = seal(&keeper, "clv_key_abc");
    let digest = keeper.keys().digest_key.newest().digest(b"clv_key_abc");
    let first = process_of(&keeper);
    assert!(keeper.health().expect("health").keys_given);
    signal(&keeper, Signal::KILL);
    wait_for("its loss", || keeper.status().process != u32::try_from(first.as_raw_pid()).ok());
    assert_eq!(keeper.keys().digest_key.newest().digest(b"clv_key_abc"), digest);
    wait_until_available(&keeper);
    assert_eq!(open(&keeper, &sealed, "mbr_a"), Ok("clv_key_abc".into()));
    assert_eq!(keeper.status().restarts, 1);
    assert!(!keeper.health().expect("health").keys_given, "the second one was never asked for them");
    let told: Vec<Notice> = notices.try_iter().collect();
    assert!(
        matches!(
            told.as_slice(),
            [Notice::Started { again: false, .. }, Notice::Lost { reason, .. }, Notice::Started { again: true, .. }]
                if reason.contains("signal: 9")
        ),
        "{told:?}"
    );
}

#[test]
fn ceilings_survive_a_kill() {
    let folder = folder();
    let mut options = options(folder.path());
    options.process.ceilings.reveals = Ceilings { per_actor: 2, together: 10 };
    let keeper = spawn(options);
    let sealed = seal(&keeper, "text");
    assert!(open(&keeper, &sealed, "mbr_a").is_ok());
    for restarts in 1..=2 {
        signal(&keeper, Signal::KILL);
        wait_for("a restart", || keeper.status().restarts == restarts && keeper.status().available);
        let opened = open(&keeper, &sealed, "mbr_a");
        assert_eq!(opened.is_ok(), restarts == 1, "{opened:?}");
    }
    assert!(matches!(open(&keeper, &sealed, "mbr_a"), Err(KeeperError::TooManyReveals { .. })));
}

#[test]
fn a_keeper_that_hangs_is_given_up_and_started_again() {
    let folder = folder();
    let mut options = options(folder.path());
    options.deadline = Duration::from_millis(300);
    let keeper = spawn(options);
    let first = process_of(&keeper);
    signal(&keeper, Signal::STOP);
    wait_for("its standstill", || {
        let stat = fs::read_to_string(format!("/proc/{first}/stat")).expect("its state");
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    });
    let asked = Instant::now();
    assert_eq!(keeper.health(), Err(KeeperError::Unavailable));
    assert!(asked.elapsed() >= Duration::from_millis(300));
    wait_for("a restart", || keeper.status().restarts == 1);
    assert!(!is_alive(first), "the one that hung is not left behind");
    wait_for("health", || keeper.health().is_ok());
}

#[test]
fn a_keeper_with_another_root_is_not_taken_for_the_same() {
    let (folder, other) = (folder(), folder());
    drop(spawn(options(other.path())));
    let keeper = spawn(options(folder.path()));
    for file in ["master.key", "keeper/root.sealed", "keeper/journal"] {
        fs::copy(other.path().join(file), folder.path().join(file)).expect("exchanged");
    }
    signal(&keeper, Signal::KILL);
    wait_for("a refusal", || {
        keeper.status().trouble.is_some_and(|trouble| trouble.contains("another root secret"))
    });
    assert_eq!(keeper.health(), Err(KeeperError::Unavailable));
}

#[test]
fn while_it_cannot_start_calls_fail_at_once_and_it_is_said_why() {
    let folder = folder();
    let (keeper, notices) = spawn_observed(options(folder.path()));
    let (master, aside) = (folder.path().join("master.key"), folder.path().join("aside"));
    fs::rename(&master, &aside).expect("moved");
    signal(&keeper, Signal::KILL);
    wait_for("a failed start", || {
        notices.try_iter().any(|told| {
            matches!(told, Notice::NotStarted { explanation, .. } if explanation.contains("master.key is missing"))
        })
    });
    let asked = Instant::now();
    assert_eq!(keeper.health(), Err(KeeperError::Unavailable));
    assert!(asked.elapsed() < Duration::from_secs(4), "long before the deadline");
    fs::rename(&aside, &master).expect("moved back");
    wait_until_available(&keeper);
    assert_eq!(keeper.status().trouble, None);
}

#[test]
fn killed_at_any_instant_the_journal_has_every_answered_opening() {
    const KILLS: u64 = 10;
    let folder = folder();
    let keeper = spawn(generous(folder.path()));
    let sealed = seal(&keeper, "text");
    let (answered, position) = (Mutex::new(Vec::new()), AtomicU64::new(1));
    let (done, unanswered) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let position = position.fetch_add(1, Ordering::Relaxed);
                    match open_at(&keeper, PLACE, &sealed, "mbr_a", position) {
                        Ok(_) => answered.lock().expect("no panic").push(position),
                        Err(KeeperError::Unavailable) => {
                            unanswered.fetch_add(1, Ordering::Relaxed);
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
        for kill in 1..=KILLS {
            let before = answered.lock().expect("no panic").len();
            wait_for("answers", || answered.lock().expect("no panic").len() > before + 5);
            signal(&keeper, Signal::KILL);
            wait_for("a restart", || keeper.status().restarts == kill && keeper.status().available);
        }
        done.store(true, Ordering::Relaxed);
    });
    let answered = answered.into_inner().expect("no panic");
    keeper.shutdown();
    let book = journal::read(folder.path()).expect("a whole chain");
    let journaled: std::collections::HashSet<u64> =
        book.openings.iter().map(|(_, opening)| opening.position).collect();
    assert_eq!(journaled.len(), book.openings.len(), "no opening twice: nothing was sent again");
    assert!(answered.iter().all(|position| journaled.contains(position)));
    assert!(unanswered.into_inner() > 0, "no call met the keeper's absence");
}
