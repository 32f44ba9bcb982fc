//! The link with a keeper of the test's own at the other end: late, silent, talkative or gone.

use std::thread::JoinHandle;

use super::*;
use crate::wire::message;

/// A shared link, its listener, and the keeper's end of the socket.
struct Pair {
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
    keeper: UnixStream,
}

impl Pair {
    fn new() -> Self {
        let (ours, keeper) = UnixStream::pair().expect("a pair");
        let shared = Arc::new(Shared::new(None));
        let copy = || ours.try_clone().expect("a copy");
        shared.connect(Ends { socket: copy(), writer: copy() }, 1, vec![], false);
        let listening = Arc::clone(&shared);
        let listener = std::thread::spawn(move || {
            let mut socket = ours;
            while let Ok(Some(frame)) = frame::read(&mut socket) {
                listening.deliver(frame);
            }
            listening.disconnect();
        });
        Self { shared, listener: Some(listener), keeper }
    }

    fn ask(&self, millis: u64) -> Result<u8, KeeperError> {
        let deadline = Instant::now() + Duration::from_millis(millis);
        self.shared.exchange(message::health_request(), &[], deadline).map(|frame| frame.kind)
    }

    /// Works off requests at the keeper's end: `answer` gives the kinds and requests to say.
    fn keeper(&self, mut answer: impl FnMut(u64) -> Vec<(u8, u64)> + Send + 'static) -> JoinHandle<()> {
        let mut socket = self.keeper.try_clone().expect("a copy");
        std::thread::spawn(move || {
            while let Ok(Some(asked)) = frame::read(&mut socket) {
                for (kind, request) in answer(asked.request) {
                    frame::write(&mut socket, kind, request, &[]).expect("written");
                }
            }
        })
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.keeper.shutdown(Shutdown::Both);
        if let Some(listener) = self.listener.take() {
            listener.join().expect("no panic");
        }
    }
}

#[test]
fn each_asker_gets_the_answer_to_its_own_request() {
    let pair = Pair::new();
    let mut held = None;
    // Two answers at a time, the later question first.
    let keeper = pair.keeper(move |request| match held.take() {
        None => {
            held = Some(request);
            vec![]
        }
        Some(earlier) => {
            vec![(u8::try_from(request).unwrap_or(0), request), (u8::try_from(earlier).unwrap_or(0), earlier)]
        }
    });
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..2).map(|_| scope.spawn(|| pair.ask(10_000))).collect();
        let mut kinds: Vec<_> = asked.into_iter().map(|asked| asked.join().expect("no panic")).collect();
        kinds.sort_by_key(|kind| *kind.as_ref().expect("answered"));
        assert_eq!(kinds, [Ok(1), Ok(2)]);
    });
    drop(pair);
    keeper.join().expect("no panic");
}

#[test]
fn a_silent_keeper_is_cut_off_at_the_deadline() {
    let pair = Pair::new();
    assert_eq!(pair.ask(50), Err(KeeperError::Unavailable));
    let patience = Instant::now() + Duration::from_secs(10);
    while pair.shared.status().available {
        assert!(Instant::now() < patience, "it was not cut off");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(pair.ask(10_000), Err(KeeperError::Unavailable), "at once, without a link");
}

/// Has one request asked that stays without an answer until its deadline, and meanwhile, once it has
/// reached the keeper, another that is answered. Gives the link's two ends back.
fn one_slow_and_one_answered(
    mut late: impl FnMut(u64) -> Vec<(u8, u64)> + Send + 'static,
) -> (Pair, JoinHandle<()>) {
    let pair = Pair::new();
    let (arrived, first_is_there) = sync_channel(1);
    let keeper = pair.keeper(move |request| {
        if request == 1 {
            arrived.send(()).expect("the test waits");
            return vec![];
        }
        late(request)
    });
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| pair.ask(2_000));
        first_is_there.recv().expect("the keeper lives");
        assert_eq!(pair.ask(60_000), Ok(9));
        assert_eq!(slow.join().expect("no panic"), Err(KeeperError::Unavailable));
    });
    (pair, keeper)
}

#[test]
fn a_slow_keeper_that_answers_others_is_not_cut_off() {
    let (pair, keeper) = one_slow_and_one_answered(|request| vec![(9, request)]);
    assert!(pair.shared.status().available);
    drop(pair);
    keeper.join().expect("no panic");
}

#[test]
fn an_answer_that_comes_too_late_goes_to_nobody() {
    let (pair, keeper) = one_slow_and_one_answered(|request| match request {
        2 => vec![(9, 2)],
        _ => vec![(1, 1), (7, 7_777), (3, request)],
    });
    assert_eq!(pair.ask(60_000), Ok(3));
    drop(pair);
    keeper.join().expect("no panic");
}

#[test]
fn whoever_waits_when_the_keeper_goes_is_told_at_once() {
    let pair = Pair::new();
    let (arrived, is_there) = sync_channel(1);
    let keeper = pair.keeper(move |_| {
        arrived.send(()).expect("the test waits");
        vec![]
    });
    let asked = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pair.ask(60_000));
        is_there.recv().expect("the keeper lives");
        pair.keeper.shutdown(Shutdown::Both).expect("closed");
        assert_eq!(waiting.join().expect("no panic"), Err(KeeperError::Unavailable));
    });
    assert!(asked.elapsed() < Duration::from_secs(30));
    keeper.join().expect("no panic");
}
