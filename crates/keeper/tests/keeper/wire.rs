//! The process spoken to in bare bytes: what no client of ours would send.

use std::io::{IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::support::*;

const SEAL: u8 = 1;
const KEYS: u8 = 3;
const HEALTH: u8 = 4;
const AGENT: u8 = 10;
const OPENED: u8 = 130;
const KEYS_GIVEN: u8 = 131;
const HEALTHY: u8 = 132;
const REFUSED: u8 = 192;
const READY: u8 = 200;

struct Bare {
    child: Child,
    socket: UnixStream,
}

/// Kind, request, body.
type Answer = (u8, u64, Vec<u8>);

impl Bare {
    fn started(folder: &Path) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(itself())
            .arg("--data-dir")
            .arg(folder)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        ours.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let mut bare = Self { child, socket: ours };
        assert_eq!(bare.answer().expect("its first word").0, READY);
        bare
    }

    fn send(&mut self, bytes: &[u8]) {
        // A keeper that has closed already takes nothing more.
        let _ = self.socket.write_all(bytes);
    }

    fn answer(&mut self) -> Option<Answer> {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.socket.read_exact(&mut frame).ok()?;
        assert_eq!(frame[0], 1, "the version");
        Some((frame[1], u64::from_be_bytes(frame[2..10].try_into().expect("8 bytes")), frame[10..].to_vec()))
    }

    fn ask(&mut self, kind: u8, body: &[u8]) -> Option<Answer> {
        self.send(&frame(1, kind, body));
        self.answer()
    }

    fn ends(mut self) {
        wait_for("its end", || self.child.try_wait().expect("a child").is_some());
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn frame(version: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(10 + body.len()).expect("short");
    [&length.to_be_bytes()[..], &[version, kind], &77_u64.to_be_bytes(), body].concat()
}

#[test]
fn keys_are_given_once_in_the_life_of_a_process() {
    let folder = folder();
    let mut bare = Bare::started(folder.path());
    let (kind, request, body) = bare.ask(KEYS, &[]).expect("an answer");
    assert_eq!((kind, request, body.len()), (KEYS_GIVEN, 77, 4 + 7 * (4 + 4 + 32)));
    assert_eq!(bare.ask(KEYS, &[]), Some((REFUSED, 77, vec![3, 0, 0, 0, 0])));
}

#[test]
fn it_ends_when_its_parent_does() {
    let folder = folder();
    let mut bare = Bare::started(folder.path());
    bare.socket.shutdown(std::net::Shutdown::Write).expect("closed");
    assert_eq!(bare.answer(), None);
    bare.ends();
}

#[test]
fn an_unknown_kind_is_refused_and_the_talk_goes_on() {
    let folder = folder();
    let mut bare = Bare::started(folder.path());
    for kind in [0, 11, 31, 127, OPENED, READY, 255] {
        assert_eq!(bare.ask(kind, b"anything"), Some((REFUSED, 77, vec![4, 0, 0, 0, 0])), "{kind}");
    }
    assert_eq!(bare.ask(SEAL, b"nonsense"), Some((REFUSED, 77, vec![5, 0, 0, 0, 0])));
    assert_eq!(bare.ask(HEALTH, &[]).expect("an answer").0, HEALTHY);
}

#[test]
fn an_unknown_version_and_an_impossible_length_stop_it() {
    let (longest, folder) = ((1_u32 << 20) + 1, folder());
    for wrong in [
        frame(0, HEALTH, &[]),
        frame(2, HEALTH, &[]),
        [&longest.to_be_bytes()[..], &[1, HEALTH]].concat(),
        vec![0xff; 64],
        vec![0; 64],
    ] {
        let mut bare = Bare::started(folder.path());
        bare.send(&wrong);
        assert_eq!(bare.answer(), None, "{wrong:?}");
        bare.ends();
    }
}

/// Sends bytes with files beside them, as an agent's listener comes.
fn send_with_files(socket: &UnixStream, bytes: &[u8], files: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    assert!(beside.push(SendAncillaryMessage::ScmRights(files)));
    sendmsg(socket, &[IoSlice::new(bytes)], &mut beside, SendFlags::NOSIGNAL).expect("sent");
}

#[test]
fn files_beside_a_message_that_is_not_about_them_are_closed() {
    let folder = folder();
    let mut bare = Bare::started(folder.path());
    let (files, _other) = UnixStream::pair().expect("a pair");
    let file = files.as_fd();
    let held = |bare: &Bare| std::fs::read_dir(format!("/proc/{}/fd", bare.child.id())).map(Iterator::count);
    let before = held(&bare);
    // One too many for any message, beside one that wants none, and beside an agent's that does not read.
    for (kind, wanted) in [(HEALTH, HEALTHY), (AGENT, REFUSED), (SEAL, REFUSED)].into_iter().cycle().take(60)
    {
        send_with_files(&bare.socket, &frame(1, kind, b""), &[file, file, file]);
        assert_eq!(bare.answer().expect("an answer").0, wanted);
    }
    // They are closed when the next message is read. Whoever may not look has no count before either.
    assert_eq!(bare.ask(HEALTH, &[]).expect("an answer").0, HEALTHY);
    assert_eq!(held(&bare).ok(), before.ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn random_frames_are_refused_one_by_one_and_never_kill_it(
        bodies in proptest::collection::vec((0_u8..=255, proptest::collection::vec(any::<u8>(), 1..80)), 1..100)
    ) {
        let folder = folder();
        let mut bare = Bare::started(folder.path());
        for (kind, body) in bodies {
            // A seal of no values is the one message that random bytes may well be.
            let nothing_to_seal = kind == SEAL && body == [0; 4];
            let answer = bare.ask(kind, &body).expect("an answer");
            prop_assert!(answer.0 == REFUSED || nothing_to_seal, "{:?}", answer);
        }
        prop_assert_eq!(bare.ask(HEALTH, &[]).expect("an answer").0, HEALTHY);
    }
}
