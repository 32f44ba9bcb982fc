//! The link to the keeper that stands at the moment, shared by all who ask and the supervisor: requests
//! by their number, each with the one who waits for its answer.

use std::collections::HashMap;
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::KeeperError;
use super::options::{Notice, Observer};
use crate::wire::files::WithFiles;
use crate::wire::frame::{self, Frame, FrameError};
use crate::wire::message::Body;

/// How the keeper fares, as its parent knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether there is one to ask.
    pub available: bool,
    /// The number of its process, while there is one.
    pub process: Option<u32>,
    /// How often it was started again.
    pub restarts: u64,
    /// What it had to say about its last start.
    pub warnings: Vec<String>,
    /// Why it went, or could not be started again; nothing while it stands.
    pub trouble: Option<String>,
}

/// What the askers and the supervisor share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// The state's link or its end has changed.
    changed: Condvar,
    observer: Option<Observer>,
}

#[derive(Debug)]
struct State {
    link: Option<Link>,
    links: u64,
    next_request: u64,
    stopping: bool,
    ended: bool,
    warnings: Vec<String>,
    trouble: Option<String>,
}

#[derive(Debug)]
struct Link {
    number: u64,
    process: u32,
    /// For ending it while another thread reads or writes.
    socket: UnixStream,
    writer: Arc<Mutex<UnixStream>>,
    waiting: HashMap<u64, SyncSender<Frame>>,
    /// How many answers came.
    heard: u64,
}

/// Two copies of the parent's end of the socket.
pub(super) struct Ends {
    /// For ending the link.
    pub(super) socket: UnixStream,
    /// For sending, one request at a time.
    pub(super) writer: UnixStream,
}

/// A request that is about to be sent.
struct Asked {
    request: u64,
    link: u64,
    heard: u64,
    writer: Arc<Mutex<UnixStream>>,
    answer: Receiver<Frame>,
}

/// A lock whose holder panicked guards nothing that could be half done here.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(observer: Option<Observer>) -> Self {
        let state = State {
            link: None,
            links: 0,
            next_request: 1,
            stopping: false,
            ended: false,
            warnings: Vec::new(),
            trouble: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), observer }
    }

    pub(super) fn status(&self) -> Status {
        let state = locked(&self.state);
        Status {
            available: state.link.is_some(),
            process: state.link.as_ref().map(|link| link.process),
            restarts: state.links.saturating_sub(1),
            warnings: state.warnings.clone(),
            trouble: state.trouble.clone(),
        }
    }

    /// Sends one request, with files beside it, and waits for its answer until the deadline.
    pub(super) fn exchange(
        &self,
        (kind, body): Body,
        files: &[BorrowedFd<'_>],
        deadline: Instant,
    ) -> Result<Frame, KeeperError> {
        let asked = self.register()?;
        let written = {
            let socket = locked(&asked.writer);
            frame::write(&mut WithFiles::new(&socket, files), kind, asked.request, &body.into_bytes())
        };
        match written {
            Ok(()) => {}
            Err(FrameError::TooLong) => {
                self.forget(&asked);
                return Err(KeeperError::Refused);
            }
            // A part of the frame may have been sent: no other may follow.
            Err(_) => {
                self.sever(asked.link);
                return Err(KeeperError::Unavailable);
            }
        }
        match asked.answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(frame) => Ok(frame),
            Err(RecvTimeoutError::Disconnected) => Err(KeeperError::Unavailable),
            Err(RecvTimeoutError::Timeout) => {
                if self.forget(&asked) {
                    self.sever(asked.link);
                }
                Err(KeeperError::Unavailable)
            }
        }
    }

    fn register(&self) -> Result<Asked, KeeperError> {
        let mut state = locked(&self.state);
        let request = state.next_request;
        state.next_request += 1;
        let link = state.link.as_mut().ok_or(KeeperError::Unavailable)?;
        let (sender, answer) = sync_channel(1);
        link.waiting.insert(request, sender);
        Ok(Asked { request, link: link.number, heard: link.heard, writer: Arc::clone(&link.writer), answer })
    }

    /// Waits no longer for an answer. Tells whether the keeper has been silent since it was asked: then it
    /// hangs, and is not just slow.
    fn forget(&self, asked: &Asked) -> bool {
        let mut state = locked(&self.state);
        let link = state.link.as_mut().filter(|link| link.number == asked.link);
        link.is_some_and(|link| {
            link.waiting.remove(&asked.request);
            link.heard == asked.heard
        })
    }

    /// Ends a link; its supervisor sees the socket close and does the rest.
    fn sever(&self, number: u64) {
        if let Some(link) = locked(&self.state).link.as_ref().filter(|link| link.number == number) {
            let _ = link.socket.shutdown(Shutdown::Both);
        }
    }

    /// A keeper stands: whoever asks from now on asks this one.
    pub(super) fn connect(&self, link: Ends, process: u32, warnings: Vec<String>, again: bool) {
        let mut state = locked(&self.state);
        state.links += 1;
        state.warnings.clone_from(&warnings);
        state.trouble = None;
        state.link = Some(Link {
            number: state.links,
            process,
            socket: link.socket,
            writer: Arc::new(Mutex::new(link.writer)),
            waiting: HashMap::new(),
            heard: 0,
        });
        if state.stopping {
            hang_up(&state);
        }
        drop(state);
        self.tell(&Notice::Started { process, again, warnings });
    }

    /// Hands an answer to the one who waits for it. One that nobody waits for any more is wiped.
    pub(super) fn deliver(&self, frame: Frame) {
        let waiting = locked(&self.state).link.as_mut().and_then(|link| {
            link.heard += 1;
            link.waiting.remove(&frame.request)
        });
        if let Some(waiting) = waiting {
            let _ = waiting.send(frame);
        }
    }

    /// The keeper is gone: all who wait are told at once, and nobody can ask.
    pub(super) fn disconnect(&self) {
        locked(&self.state).link = None;
    }

    /// Why there is no keeper.
    pub(super) fn trouble(&self, notice: Notice) {
        if let Notice::Lost { reason: text, .. } | Notice::NotStarted { explanation: text, .. } = &notice {
            locked(&self.state).trouble = Some(text.clone());
        }
        self.tell(&notice);
    }

    fn tell(&self, notice: &Notice) {
        if let Some(observer) = &self.observer {
            observer.tell(notice);
        }
    }

    /// Waits before the next start. Tells whether there is to be none.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let state = locked(&self.state);
        let waited = self.changed.wait_timeout_while(state, pause, |state| !state.stopping);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    pub(super) fn is_stopping(&self) -> bool {
        locked(&self.state).stopping
    }

    /// The supervisor is done.
    pub(super) fn ended(&self) {
        locked(&self.state).ended = true;
        self.changed.notify_all();
    }

    /// Lets the keeper answer what it was asked and end; after `grace` the link is cut.
    pub(super) fn stop(&self, grace: Duration) {
        let mut state = locked(&self.state);
        state.stopping = true;
        hang_up(&state);
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(state, grace, |state| !state.ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = state.link.as_ref() {
            let _ = link.socket.shutdown(Shutdown::Both);
        }
    }
}

/// Closes our side only, so that answers under way still come.
fn hang_up(state: &State) {
    if let Some(link) = &state.link {
        let _ = link.socket.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests;
