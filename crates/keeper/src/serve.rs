//! The keeper at work: one request after another, until the socket closes. Making a pair takes seconds for
//! RSA, so a thread of its own does that, and the desk goes on meanwhile.

use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::ambient::Ambient;
use crate::desk::{Answer, Desk, Order};
use crate::pair::PrivateHalf;
use crate::wire::frame;
use crate::wire::message::{self, Body, Refusal};

/// How many pairs may wait to be made. What comes then is refused.
const MOST_ORDERS: usize = 16;

/// Works off requests. A frame that is none of ours, or of another version, ends it: what comes after cannot
/// be trusted to be a frame.
pub(crate) fn serve(socket: UnixStream, desk: Desk, ambient: &'static (dyn Ambient + Sync)) {
    let Ok(mut source) = socket.try_clone() else { return };
    let counter = Arc::new(Counter { desk: Mutex::new(desk), voice: Mutex::new(socket), ambient });
    let Some(orders) = start_maker(&counter) else { return };
    let ready = counter.desk().ready();
    if !counter.say(0, ready) {
        return;
    }
    while let Ok(Some(frame)) = frame::read(&mut source) {
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
    ambient: &'static (dyn Ambient + Sync),
}

impl Counter {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        locked(&self.desk)
    }

    fn say(&self, request: u64, body: Body) -> bool {
        say(&locked(&self.voice), request, body)
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

pub(crate) fn say(mut socket: &UnixStream, request: u64, (kind, body): Body) -> bool {
    frame::write(&mut socket, kind, request, &body.into_bytes()).is_ok()
}

/// A thread that panicked left nothing half done that the journal does not notice.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
