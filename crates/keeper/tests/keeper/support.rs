//! A folder, a keeper in it, and the few values that all tests use.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use claviger_domain::secret::{Plaintext, Sealed};
use claviger_keeper::client::{BackOff, Notice, Observer, Program, SpawnError, SpawnOptions};
use claviger_keeper::{Ceilings, Keeper, KeeperError, Open, Place, Purpose, Seal, process};

pub(crate) const PLACE: Place<'_> =
    Place { database: "01k0db", table: "sealed", row: "key_1", column: "value" };

/// The keeper's own entry into this program: whatever follows `--` is its options. Without them, as in
/// every ordinary run, there is nothing to do.
#[test]
fn the_keeper_itself() {
    let mut arguments = std::env::args_os().skip_while(|argument| argument != "--");
    if arguments.next().is_some() {
        let code = process::main(arguments);
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
}

/// The arguments with which this program is the keeper.
pub(crate) fn itself() -> Vec<OsString> {
    ["support::the_keeper_itself", "--exact", "--nocapture", "--"].map(OsString::from).to_vec()
}

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

pub(crate) fn options(folder: &Path) -> SpawnOptions {
    let mut options = SpawnOptions::new(process::Options::new(folder));
    options.program = Program::RunningImage { arguments: itself() };
    options.back_off = BackOff { first: Duration::from_millis(10), longest: Duration::from_millis(200) };
    options
}

pub(crate) fn generous(folder: &Path) -> SpawnOptions {
    let mut options = options(folder);
    options.process.ceilings.reveals = Ceilings { per_actor: 100_000, together: 1_000_000 };
    options
}

pub(crate) fn spawn(options: SpawnOptions) -> Keeper {
    Keeper::spawn(options).expect("a keeper")
}

/// The same, and what its observer is told.
pub(crate) fn spawn_observed(mut options: SpawnOptions) -> (Keeper, Receiver<Notice>) {
    let (sender, notices) = channel();
    options.observer = Some(Observer::new(move |notice| drop(sender.send(notice.clone()))));
    (spawn(options), notices)
}

pub(crate) fn refused(options: SpawnOptions) -> SpawnError {
    Keeper::spawn(options).expect_err("no keeper")
}

pub(crate) fn seal_at(keeper: &Keeper, place: Place<'_>, text: &str) -> Result<Sealed, KeeperError> {
    let plaintext = Plaintext::new(text.into());
    keeper.seal(Seal { purpose: Purpose::Retrievable, place, plaintext: &plaintext })
}

pub(crate) fn seal(keeper: &Keeper, text: &str) -> Sealed {
    seal_at(keeper, PLACE, text).expect("sealed")
}

pub(crate) fn open_at(
    keeper: &Keeper,
    place: Place<'_>,
    sealed: &Sealed,
    actor: &str,
    position: u64,
) -> Result<String, KeeperError> {
    keeper
        .open(Open { purpose: Purpose::Retrievable, place, sealed, actor, position })
        .map(|plaintext| plaintext.expose().to_owned())
}

pub(crate) fn open(keeper: &Keeper, sealed: &Sealed, actor: &str) -> Result<String, KeeperError> {
    open_at(keeper, PLACE, sealed, actor, 1)
}

/// Waits for something that another process brings about, and says what did not come.
pub(crate) fn wait_for(what: &str, mut come: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !come() {
        assert!(Instant::now() < patience, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn wait_until_available(keeper: &Keeper) {
    wait_for("the keeper", || keeper.status().available);
}

pub(crate) fn process_of(keeper: &Keeper) -> rustix::process::Pid {
    let number = keeper.status().process.expect("a process");
    i32::try_from(number).ok().and_then(rustix::process::Pid::from_raw).expect("a process number")
}

pub(crate) fn signal(keeper: &Keeper, signal: rustix::process::Signal) {
    rustix::process::kill_process(process_of(keeper), signal).expect("signalled");
}

pub(crate) fn is_alive(process: rustix::process::Pid) -> bool {
    rustix::process::test_kill_process(process).is_ok()
}
