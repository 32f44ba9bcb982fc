//! Starts that must not be, as the parent learns of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use claviger_keeper::client::{Program, SpawnError};
use claviger_keeper::process::StartReason;

use crate::support::*;

fn reason(error: &SpawnError) -> StartReason {
    match error {
        SpawnError::Refused { reason, .. } => *reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_a_lost_and_an_exposed_master_key_are_explained_to_the_parent() {
    let folder = folder();
    drop(spawn(options(folder.path())));
    let master = folder.path().join("master.key");
    let right = fs::read(&master).expect("read");
    fs::write(&master, [1; 32]).expect("written");
    let error = refused(options(folder.path()));
    assert_eq!(reason(&error), StartReason::MasterKeyWrong);
    assert!(error.to_string().contains("is not the one that sealed"), "{error}");
    fs::remove_file(&master).expect("removed");
    let error = refused(options(folder.path()));
    assert_eq!(reason(&error), StartReason::MasterKeyLost);
    assert!(error.to_string().contains("lost for good"), "{error}");
    fs::write(&master, right).expect("written");
    fs::set_permissions(&master, fs::Permissions::from_mode(0o644)).expect("set");
    assert_eq!(reason(&refused(options(folder.path()))), StartReason::MasterKeyExposed);
    fs::set_permissions(&master, fs::Permissions::from_mode(0o600)).expect("set");
    drop(spawn(options(folder.path())));
}

#[test]
fn the_same_folder_gives_the_same_keeper_and_another_folder_another() {
    let (folder, other) = (folder(), folder());
    let first = spawn(options(folder.path()));
    let sealed = seal(&first, "text");
    let fingerprint = first.root_fingerprint();
    drop(first);
    let again = spawn(options(folder.path()));
    assert_eq!(again.root_fingerprint(), fingerprint);
    assert_eq!(open(&again, &sealed, "mbr_a"), Ok("text".into()));
    assert_ne!(spawn(options(other.path())).root_fingerprint(), fingerprint);
}

#[test]
fn a_second_keeper_in_the_same_folder_is_refused() {
    let folder = folder();
    let _first = spawn(options(folder.path()));
    assert_eq!(reason(&refused(options(folder.path()))), StartReason::AlreadyRunning);
}

#[test]
fn a_program_that_is_no_keeper_is_not_taken_for_one() {
    let folder = folder();
    let mut options = options(folder.path());
    options.program = Program::Path { path: "/bin/true".into(), arguments: vec![] };
    assert!(matches!(refused(options.clone()), SpawnError::NoKeeper(_)));
    let noise = vec!["-c".into(), "head -c 64 /dev/zero >&0".into()];
    options.program = Program::Path { path: "/bin/sh".into(), arguments: noise };
    assert!(matches!(refused(options.clone()), SpawnError::NoKeeper(_)));
    options.program = Program::Path { path: "/nowhere/claviger".into(), arguments: vec![] };
    assert!(matches!(refused(options.clone()), SpawnError::Process(_)));
    let script = vec!["-c".into(), "exec sleep 60".into()];
    options.program = Program::Path { path: "/bin/sh".into(), arguments: script };
    options.start_deadline = Duration::from_millis(200);
    assert!(matches!(refused(options), SpawnError::TooSlow(_)));
}

#[test]
fn started_by_hand_it_says_who_starts_it() {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(itself())
        .args(["--data-dir", "/nowhere"])
        .stdin(Stdio::null())
        .output()
        .expect("run");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is started by `claviger serve`"), "{said}");
}
