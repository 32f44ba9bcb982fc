//! What a process can no longer do, tried by this program started again.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::*;

/// What every process may do that this one gives up, each with its outcome.
fn attempts() -> Vec<(&'static str, io::Result<()>)> {
    let pid = rustix::process::getpid();
    vec![
        ("read a file", File::open("/etc/passwd").map(drop)),
        ("list a folder", std::fs::read_dir("/").map(drop)),
        ("make a file", tempfile::tempfile().map(drop)),
        ("read its own memory", File::open("/proc/self/mem").map(drop)),
        ("connect", TcpStream::connect("127.0.0.1:9").map(drop)),
        ("listen", TcpListener::bind("127.0.0.1:0").map(drop)),
        ("start a program", Command::new("/bin/true").status().map(drop)),
        ("signal", rustix::process::test_kill_process(pid).map_err(Into::into)),
        ("be dumped again", {
            let dumpable = rustix::process::DumpableBehavior::Dumpable;
            rustix::process::set_dumpable_behavior(dumpable).map_err(Into::into)
        }),
    ]
}

/// This program started again, to give something up: it says what it still could do.
#[test]
fn enclosed_itself() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--").skip(1);
    let Some(what) = arguments.next() else { return };
    let open = File::open("/etc/passwd");
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    match what.as_str() {
        "files" => give_up_files().expect("Landlock"),
        "calls" => give_up_calls().expect("seccomp"),
        other => assert_eq!(other, "nothing"),
    }
    let mut said = String::new();
    for (attempt, outcome) in attempts() {
        let outcome = outcome.err().and_then(|error| error.raw_os_error());
        said.push_str(&format!("{attempt}: {outcome:?}\n"));
    }
    // What it needs it can do still.
    open.expect("opened before").read_exact(&mut [0; 4]).expect("read");
    (&ours).write_all(b"x").expect("written");
    theirs.read_exact(&mut [0; 1]).expect("read");
    assert_eq!(std::thread::spawn(|| 7).join().expect("a thread"), 7);
    writeln!(io::stdout(), "{said}end").expect("said");
}

fn outcomes(what: &str) -> Vec<(String, String)> {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["sandbox::enclosure::tests::enclosed_itself", "--exact", "--nocapture", "--", what])
        .output()
        .expect("started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (said, rest) = said.split_once("\nend\n").unwrap_or_else(|| panic!("{said} {output:?}"));
    assert!(rest.contains("1 passed"), "{rest}");
    let outcomes = said.lines().filter_map(|line| line.split_once(": "));
    outcomes.map(|(attempt, outcome)| (attempt.to_owned(), outcome.to_owned())).collect()
}

#[test]
fn what_is_given_up_was_possible_before() {
    for (attempt, outcome) in outcomes("nothing") {
        // Nobody listens at the port of the one that connects.
        let free = if attempt == "connect" { "Some(111)" } else { "None" };
        assert_eq!(outcome, free, "{attempt}");
    }
}

#[test]
fn landlock_takes_files_and_ports() {
    let outcomes = outcomes("files");
    assert_eq!(outcomes.len(), attempts().len());
    for (attempt, outcome) in outcomes {
        // A signal to itself, and being dumped, are no file.
        let expected = if ["signal", "be dumped again"].contains(&&*attempt) { "None" } else { "Some(13)" };
        assert_eq!(outcome, expected, "{attempt}");
    }
}

#[test]
fn seccomp_takes_every_call_that_is_not_needed() {
    for (attempt, outcome) in outcomes("calls") {
        assert_eq!(outcome, "Some(1)", "{attempt}");
    }
}

#[test]
fn an_older_landlock_is_not_taken_for_a_whole_one() {
    let on = |effective_abi| is_whole(LandlockStatus::Available { effective_abi, kernel_abi: None });
    for (abi, left, taken) in [
        (ABI::V1, vec!["files (since", "ports", "signals"], vec![]),
        (ABI::V2, vec!["files (since", "ports", "signals"], vec![]),
        (ABI::V3, vec!["ports", "signals"], vec!["files (since"]),
        (ABI::V4, vec!["signals"], vec!["files (since", "ports"]),
        (ABI::V5, vec!["signals"], vec!["files (since", "ports"]),
    ] {
        let said = on(abi).expect_err("in part");
        assert!(left.iter().all(|what| said.contains(what)), "{abi:?}: {said}");
        assert!(!taken.iter().any(|what| said.contains(what)), "{abi:?}: {said}");
    }
    assert_eq!((on(ABI::V6), on(ABI::V7)), (Ok(()), Ok(())));
    assert!(
        is_whole(LandlockStatus::NotEnabled).is_err() && is_whole(LandlockStatus::NotImplemented).is_err()
    );
}
