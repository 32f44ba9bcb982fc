//! The door of one agent: one child connects, and nobody after it. It is open until then, until the parent lets go
//! of it, or until its time is up.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_peercred};
use rustix::process::geteuid;

use super::session::Session;
use super::{AgentOutcome, Charge, SignIn};

/// How much the one connection may ask; OpenSSH asks three things.
const MOST_MESSAGES: u32 = 32;
/// The longest message that is read, in bytes: a request to sign with RSA has about 1,500.
const LONGEST_MESSAGE: usize = 16_384;
/// How long the child may take to take an answer.
const WRITING: Duration = Duration::from_secs(5);

/// An agent that is open.
pub(crate) struct Door {
    listener: UnixListener,
    charge: Charge,
    life: Life,
}

/// How long the agent lives.
struct Life {
    /// Closed by the parent when the agent is no longer needed, and told what came of it.
    leash: UnixStream,
    until: Instant,
}

/// The parent let go of the agent, or its time is up.
struct Over;

impl Door {
    /// An agent at that socket, if it is one that listens on this machine alone.
    pub(crate) fn new(listener: UnixListener, leash: UnixStream, charge: Charge) -> io::Result<Self> {
        if !socket_acceptconn(&listener)? || socket_domain(&listener)? != AddressFamily::UNIX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // One who connects and is gone again must not make the accept wait.
        listener.set_nonblocking(true)?;
        let until = Instant::now() + charge.lifetime;
        Ok(Self { listener, charge, life: Life { leash, until } })
    }

    /// Lets in the first who comes: ssh connects once, and one sign-in has one signature. `sign` gives it, or
    /// says why not.
    pub(crate) fn stand(self, sign: &mut dyn FnMut(&SignIn<'_>) -> Result<Vec<u8>, AgentOutcome>) {
        let Self { listener, charge, life } = self;
        if life.wait_for(&listener).is_err() {
            return;
        }
        let Ok((stream, _)) = listener.accept() else { return };
        // Whoever comes from here on finds nobody; whoever waits already is cut off.
        drop(listener);
        if is_own(&stream) {
            serve(stream, &charge, &life, sign);
        }
    }
}

/// Answers the connection until it closes or asks too much, or the agent's life ends.
fn serve(
    mut stream: UnixStream,
    charge: &Charge,
    life: &Life,
    sign: &mut dyn FnMut(&SignIn<'_>) -> Result<Vec<u8>, AgentOutcome>,
) {
    let mut session = Session::new(charge);
    let (mut received, mut part) = (Vec::new(), [0; 4_096]);
    if stream.set_write_timeout(Some(WRITING)).is_err() {
        return;
    }
    for _ in 0..MOST_MESSAGES {
        let message = loop {
            match whole(&received) {
                Ok(Some(length)) => break received.drain(..length).skip(4).collect::<Vec<u8>>(),
                Ok(None) => {}
                Err(TooLong) => return,
            }
            if life.wait_for(&stream).is_err() {
                return;
            }
            match stream.read(&mut part) {
                Ok(0) | Err(_) => return life.tell(AgentOutcome::Unasked),
                Ok(count) => received.extend_from_slice(&part[..count]),
            }
        };
        let answer = session.answer(&message, sign);
        if let Some(outcome) = session.take_outcome() {
            life.tell(outcome);
        }
        let length = u32::try_from(answer.len()).unwrap_or(u32::MAX);
        if stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).is_err() {
            return;
        }
    }
}

impl Life {
    /// Tells the parent, if it still listens.
    fn tell(&self, outcome: AgentOutcome) {
        let _ = (&self.leash).write_all(outcome.word().as_slice());
    }

    /// Waits until there is something to read, for as long as the agent lives.
    fn wait_for(&self, source: &impl AsFd) -> Result<(), Over> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Over);
            }
            let mut watched = [PollFd::new(source, PollFlags::IN), PollFd::new(&self.leash, PollFlags::IN)];
            let left = Timespec::try_from(left).map_err(|_| Over)?;
            match poll(&mut watched, Some(&left)) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Err(Over),
            }
            if !watched[1].revents().is_empty() {
                return Err(Over);
            }
            if !watched[0].revents().is_empty() {
                return Ok(());
            }
        }
    }
}

/// Whether the other side runs as the same user. The folder of the socket lets in nobody else; this does not
/// rely on it.
fn is_own(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid == geteuid())
}

struct TooLong;

/// How many of the bytes are the first message with its length, once it is whole.
fn whole(received: &[u8]) -> Result<Option<usize>, TooLong> {
    let Some(length) = received.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > LONGEST_MESSAGE {
        return Err(TooLong);
    }
    Ok((received.len() >= 4 + length).then_some(4 + length))
}
