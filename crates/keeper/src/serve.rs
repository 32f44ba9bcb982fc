//! The keeper at work: one request after another, until the socket closes. Making a pair takes seconds for
//! RSA, so a thread of its own does that, and the desk goes on meanwhile; each agent has a thread too.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::agent::{AgentOutcome, Charge, Door, SignIn};
use crate::ambient::Ambient;
use crate::desk::{Answer, Desk, NotSigned, Order};
use crate::pair::PrivateHalf;
use crate::wire::files::Source;
use crate::wire::frame;
use crate::wire::message::{self, Body, Refusal};

/// How many pairs may wait to be made. What comes then is refused.
const MOST_ORDERS: usize = 16;
/// How many agents may be open at once. One more is refused.
const MOST_AGENTS: usize = 64;

/// Works off requests. A frame that is none of ours, or of another version, ends it: what comes after cannot
/// be trusted to be a frame.
pub(crate) fn serve(socket: UnixStream, desk: Desk, ambient: &'static (dyn Ambient + Sync)) {
    let Ok(mut source) = socket.try_clone().map(Source::new) else { return };
    let counter = Arc::new(Counter {
        desk: Mutex::new(desk),
        voice: Mutex::new(socket),
        agents: AtomicUsize::new(0),
        ambient,
    });
    let Some(orders) = start_maker(&counter) else { return };
    let ready = counter.desk().ready();
    if !counter.say(0, ready) {
        return;
    }
    while let Ok(Some(frame)) = frame::read(&mut source) {
        // Whatever came beside another message is closed.
        let files = source.take_files();
        let answer = counter.desk().answer(&frame, ambient);
        let goes_on = match answer {
            Answer::Say(body) => counter.say(frame.request, body),
            Answer::SayAndEnd(body) => {
                counter.say(frame.request, body);
                false
            }
            Answer::Make(order) => match orders.try_send((frame.request, order)) {
                Ok(()) => true,
                Err(_) => counter.say(frame.request, message::refused_reply(Refusal::Unavailable)),
            },
            Answer::Agent(charge) => {
                let answer = match open_agent(&counter, *charge, files) {
                    Some(()) => message::agent_reply(),
                    None => message::refused_reply(Refusal::Unavailable),
                };
                counter.say(frame.request, answer)
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// What all threads of the keeper share: the desk, and the way back to the parent.
struct Counter {
    desk: Mutex<Desk>,
    voice: Mutex<UnixStream>,
    agents: AtomicUsize,
    ambient: &'static (dyn Ambient + Sync),
}

impl Counter {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        locked(&self.desk)
    }

    fn say(&self, request: u64, body: Body) -> bool {
        say(&locked(&self.voice), request, body)
    }

    /// The signature of a sign-in. Without a journal the process ends.
    fn sign_in(&self, sign_in: &SignIn<'_>) -> Result<Vec<u8>, AgentOutcome> {
        match self.desk().sign_in(sign_in, self.ambient.now()) {
            Ok(signature) => Ok(signature),
            Err(NotSigned::Refused(Refusal::TooManySignatures { .. })) => {
                Err(AgentOutcome::TooManySignatures)
            }
            Err(NotSigned::Refused(_)) => Err(AgentOutcome::Unavailable),
            Err(NotSigned::NotJournaled) => {
                let _ = locked(&self.voice).shutdown(Shutdown::Both);
                Err(AgentOutcome::Unavailable)
            }
        }
    }
}

/// Makes pairs one after the other, and answers each.
fn start_maker(counter: &Arc<Counter>) -> Option<SyncSender<(u64, Order)>> {
    let (orders, waiting): (_, Receiver<(u64, Order)>) = sync_channel(MOST_ORDERS);
    let counter = Arc::clone(counter);
    let make = move || {
        for (request, order) in waiting {
            let pair = PrivateHalf::generate(order.algorithm);
            let answer = counter.desk().made(&order, &pair, counter.ambient);
            counter.say(request, answer);
        }
    };
    thread::Builder::new().name("maker".into()).spawn(make).ok()?;
    Some(orders)
}

/// Opens an agent on a thread of its own, with the listener and the leash that came beside the request.
fn open_agent(counter: &Arc<Counter>, charge: Charge, files: Vec<OwnedFd>) -> Option<()> {
    let [listener, leash] = <[OwnedFd; 2]>::try_from(files).ok()?;
    let door = Door::new(listener.into(), leash.into(), charge).ok()?;
    let place = Place::taken(counter)?;
    let stand = move || door.stand(&mut |sign_in| place.0.sign_in(sign_in));
    thread::Builder::new().name("agent".into()).spawn(stand).ok()?;
    Some(())
}

/// One of the agents that may be open at once; given back when it is dropped.
struct Place(Arc<Counter>);

impl Place {
    fn taken(counter: &Arc<Counter>) -> Option<Self> {
        let place = Self(Arc::clone(counter));
        (counter.agents.fetch_add(1, Ordering::Relaxed) < MOST_AGENTS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.agents.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn say(mut socket: &UnixStream, request: u64, (kind, body): Body) -> bool {
    frame::write(&mut socket, kind, request, &body.into_bytes()).is_ok()
}

/// A thread that panicked left nothing half done that the journal does not notice.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
