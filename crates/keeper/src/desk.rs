//! The desk: one request in, one answer out. The rules of opening are here and nowhere else: first the
//! ceiling, then the envelope, then the journal on the disk, then the plaintext. Those of signing are in
//! [`signing`], in the same order.

mod signing;

use claviger_domain::key_pairs::Algorithm;
use claviger_domain::secret::Plaintext;
use claviger_domain::time::Timestamp;
use zeroize::Zeroizing;

pub(crate) use signing::NotSigned;

use crate::agent::Charge;
use crate::ambient::Ambient;
use crate::bundle::{self, NodeKey, Recipient};
use crate::envelope;
use crate::journal::{Fact, Opening};
use crate::place::{OwnedPlace, Purpose};
use crate::sandbox::{self, Enclosure};
use crate::start::Started;
use crate::wire::frame::Frame;
use crate::wire::message::{self, Body, Health, NoRequest, OpenRequest, Refusal, Request, SealRequest};

/// The keeper at work.
pub(crate) struct Desk {
    started: Started,
    memory_locked: bool,
    enclosure: Enclosure,
    keys_given: bool,
}

/// What happens after a request.
pub(crate) enum Answer {
    Say(Body),
    /// Say this and end: the journal's state is known only to the next start.
    SayAndEnd(Body),
    /// Make a pair beside the desk, which others need meanwhile, and say what [`Desk::made`] makes of it.
    Make(Order),
    /// Open an agent with what came beside the request.
    Agent(Box<Charge>),
}

/// A pair to make.
pub(crate) struct Order {
    pub(crate) place: OwnedPlace,
    pub(crate) algorithm: Algorithm,
}

impl Desk {
    pub(crate) fn new(started: Started, memory_locked: bool, enclosure: Enclosure) -> Self {
        Self { started, memory_locked, enclosure, keys_given: false }
    }

    /// What the keeper says first, unasked.
    pub(crate) fn ready(&self) -> Body {
        message::ready_notice(&self.started.tree.fingerprint(), &self.started.warnings)
    }

    pub(crate) fn answer(&mut self, frame: &Frame, ambient: &dyn Ambient) -> Answer {
        match Request::decode(frame) {
            Ok(Request::Seal(items)) => self.seal(&items, ambient),
            Ok(Request::Open(open)) => self.open(&open, ambient.now()),
            Ok(Request::Keys) => self.keys(),
            Ok(Request::Health) => Answer::Say(message::health_reply(&self.health(ambient.now()))),
            Ok(Request::NodeKey) => self.node_key(),
            Ok(Request::Bundle { to, recipient }) => self.bundle(&to, recipient, ambient),
            Ok(Request::Unbundle { recipient, bundle }) => self.unbundle(recipient, bundle),
            Ok(Request::MakePair { place, algorithm }) => {
                Answer::Make(Order { place: place.into(), algorithm })
            }
            Ok(Request::SignJwt(sign)) => self.sign_jwt(&sign, ambient.now()),
            Ok(Request::Agent(agent)) => self.charge(&agent, ambient.now()),
            Err(NoRequest::UnknownKind) => refuse(Refusal::UnknownMessage),
            Err(NoRequest::Malformed) => refuse(Refusal::Malformed),
        }
    }

    /// Private halves are made here, and never taken from outside.
    fn seal(&self, items: &[SealRequest<'_>], ambient: &dyn Ambient) -> Answer {
        if items.iter().any(|item| item.purpose == Purpose::KeyPair) {
            return refuse(Refusal::NotOpened);
        }
        let sealed: Result<Vec<_>, _> = items
            .iter()
            .map(|item| {
                let key = self.started.tree.sealing_key(item.purpose);
                let purpose = item.purpose.as_str();
                envelope::seal(&key, purpose, item.place, item.plaintext.as_bytes(), ambient)
            })
            .collect();
        match sealed {
            Ok(envelopes) => Answer::Say(message::sealed_reply(&envelopes)),
            Err(_) => refuse(Refusal::Unavailable),
        }
    }

    fn open(&mut self, request: &OpenRequest<'_>, now: Timestamp) -> Answer {
        let ledger = match request.purpose {
            Purpose::Retrievable => &mut self.started.ledgers.reveals,
            Purpose::KeyPair => return refuse(Refusal::NotOpened),
        };
        if let Err(full) = ledger.check(request.actor, now) {
            return refuse(Refusal::TooManyReveals { retry_after_seconds: full.retry_after_seconds });
        }
        let key = self.started.tree.sealing_key(request.purpose);
        let Ok(bytes) = envelope::open(&key, request.purpose.as_str(), request.place, request.sealed) else {
            return refuse(Refusal::NotOpened);
        };
        let Some(plaintext) = text(&bytes) else { return refuse(Refusal::NotOpened) };
        ledger.record(request.actor, now);
        match self.started.journal.append(now, Fact::Opened(opening(request))) {
            Ok(()) => Answer::Say(message::opened_reply(&plaintext)),
            Err(_) => Answer::SayAndEnd(message::refused_reply(Refusal::Unavailable)),
        }
    }

    fn keys(&mut self) -> Answer {
        if std::mem::replace(&mut self.keys_given, true) {
            return refuse(Refusal::KeysAlreadyGiven);
        }
        Answer::Say(message::keys_reply(&self.started.tree.bundle()))
    }

    fn node_key(&self) -> Answer {
        match bundle::public_half(&self.started.tree.node_pair()) {
            Ok(key) => Answer::Say(message::node_key_reply(&key)),
            Err(_) => refuse(Refusal::Unavailable),
        }
    }

    /// Gives a data node nothing that the parent has not: those keys were handed to it at its start.
    fn bundle(&self, to: &NodeKey, recipient: Recipient<'_>, ambient: &dyn Ambient) -> Answer {
        match bundle::seal(to, recipient, &self.started.tree.node_bundle(), ambient) {
            Ok(bundle) => Answer::Say(message::bundled_reply(&bundle)),
            Err(_) => refuse(Refusal::NotOpened),
        }
    }

    fn unbundle(&self, recipient: Recipient<'_>, bundle: &[u8]) -> Answer {
        match bundle::open(&self.started.tree.node_pair(), recipient, bundle) {
            Ok(keys) => Answer::Say(message::unbundled_reply(&keys)),
            Err(_) => refuse(Refusal::NotOpened),
        }
    }

    fn health(&mut self, now: Timestamp) -> Health {
        Health {
            root: self.started.tree.fingerprint(),
            reveals: self.started.ledgers.reveals.count(now),
            keys_given: self.keys_given,
            memory_locked: self.memory_locked,
            dumpable: sandbox::is_dumpable(),
            seccomp: self.enclosure.seccomp,
            landlock: self.enclosure.landlock,
        }
    }
}

fn refuse(refusal: Refusal) -> Answer {
    Answer::Say(message::refused_reply(refusal))
}

/// Only text is ever sealed, so what opens to anything else was not sealed here.
fn text(bytes: &Zeroizing<Vec<u8>>) -> Option<Plaintext> {
    std::str::from_utf8(bytes).ok().map(|text| Plaintext::new(text.to_owned()))
}

fn opening(request: &OpenRequest<'_>) -> Opening {
    Opening {
        purpose: request.purpose.as_str().to_owned(),
        actor: request.actor.to_owned(),
        position: request.position,
        database: request.place.database.to_owned(),
        table: request.place.table.to_owned(),
        row: request.place.row.to_owned(),
        column: request.place.column.to_owned(),
    }
}

#[cfg(test)]
mod tests;
