//! What there is to call and to change, as the answers said it is; and so what a call may be answered.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::presented::Presented;
use super::tally::Tally;
use super::timeline::{Outages, Span, Timeline};

/// How many of those that changed last are called more often than others.
const FRESH: usize = 48;

/// Who decides. The order is that of [`World::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// The control node, through which everything is changed.
    Control,
    /// A data node that is never killed.
    Steady,
    /// A data node that may be.
    Mortal,
}

pub(crate) const EVERYBODY: [Who; 3] = [Who::Control, Who::Steady, Who::Mortal];

/// Whose calls go to an API, so that what is counted at it is told apart: only a node that is killed may lose a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Lasting,
    Mortal,
}

impl Who {
    pub(crate) const fn side(self) -> Side {
        match self {
            Self::Control | Self::Steady => Side::Lasting,
            Self::Mortal => Side::Mortal,
        }
    }
}

/// Where a node listens, until it is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doors {
    pub(crate) main: SocketAddr,
    pub(crate) gateway: SocketAddr,
    /// How often it was started before.
    pub(crate) life: u32,
}

#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) slug: &'static str,
    pub(crate) side: Side,
    /// Whether its exposure is switched.
    pub(crate) seasonal: bool,
    pub(crate) exposed: Mutex<Timeline<bool>>,
}

pub(crate) const APIS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not issued yet.
    Unknown,
    Active,
    Suspended,
    Revoked,
}

/// A Key's value, with what became of it.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) presented: Presented,
    pub(crate) standing: Timeline<Standing>,
}

/// Who subscribed, by API: the Subscription, and whether it holds the API's permission.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) subscriptions: [Option<String>; APIS],
    pub(crate) permitted: [Mutex<Timeline<bool>>; APIS],
}

/// A Key Set or a shared key.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) held: Mutex<Held>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    KeySet(Arc<Application>),
    Shared { api: usize },
}

#[derive(Debug)]
pub(crate) struct Held {
    /// From the oldest.
    pub(crate) credentials: Vec<Credential>,
    /// It can't be changed any more: revoked, or its value was told to nobody.
    pub(crate) done: bool,
}

impl Held {
    pub(crate) fn latest(&mut self) -> &mut Credential {
        self.credentials.last_mut().expect("a Key")
    }
}

impl Subject {
    pub(crate) fn new(id: String, kind: Kind, presented: Presented) -> Self {
        let standing = Timeline::new(Standing::Active);
        let held = Held { credentials: vec![Credential { presented, standing }], done: false };
        Self { id, kind, held: Mutex::new(held) }
    }

    pub(crate) fn opens(&self, api: usize) -> bool {
        match &self.kind {
            Kind::KeySet(application) => application.subscriptions[api].is_some(),
            Kind::Shared { api: own } => *own == api,
        }
    }

    /// Whether it held the API's permission when it was called.
    fn permitted(&self, api: usize, call: Span, deadline: impl Fn(Instant) -> Instant) -> Vec<bool> {
        match &self.kind {
            Kind::KeySet(application) => application.permitted[api].lock().met(call, deadline),
            Kind::Shared { .. } => vec![true],
        }
    }
}

/// All of it, shared by those who call, who change and who break.
#[derive(Debug)]
pub(crate) struct World {
    /// By [`Who`]. None: it was killed, and is not back.
    pub(crate) nodes: [Mutex<Option<Doors>>; 3],
    pub(crate) apis: [Api; APIS],
    pub(crate) subjects: Vec<Subject>,
    pub(crate) service_key: String,
    pub(crate) outages: Outages,
    pub(crate) tally: Tally,
    fresh: Mutex<VecDeque<usize>>,
    acts: AtomicU64,
}

/// What was asked of one credential.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) who: Who,
    pub(crate) subject: usize,
    pub(crate) credential: usize,
    pub(crate) api: usize,
    /// Whether it asks for the API's permission.
    pub(crate) for_permission: bool,
}

impl World {
    pub(crate) fn new(apis: [Api; APIS], subjects: Vec<Subject>, service_key: &str) -> Self {
        Self {
            nodes: Default::default(),
            apis,
            subjects,
            service_key: service_key.to_owned(),
            outages: Outages::default(),
            tally: Tally::default(),
            fresh: Mutex::default(),
            acts: AtomicU64::new(0),
        }
    }

    pub(crate) fn doors(&self, who: Who) -> Option<Doors> {
        *self.nodes[who as usize].lock()
    }

    /// For an act of its own.
    pub(crate) fn fresh_idempotency_key(&self) -> String {
        format!("act-{}", self.acts.fetch_add(1, Ordering::Relaxed))
    }

    /// Something about the subject is changing.
    pub(crate) fn touch(&self, subject: usize) {
        let mut fresh = self.fresh.lock();
        fresh.push_front(subject);
        fresh.truncate(FRESH);
    }

    /// One of those that changed last.
    pub(crate) fn fresh(&self, chance: usize) -> Option<usize> {
        let fresh = self.fresh.lock();
        (!fresh.is_empty()).then(|| fresh[chance % fresh.len()])
    }

    /// The codes that the call may have been answered.
    pub(crate) fn possible(&self, question: &Question, call: Span) -> Vec<&'static str> {
        // A change is enforced on its own node before it is answered, and on others within the bound.
        let deadline = |answered: Instant| match question.who {
            Who::Control => answered,
            Who::Steady | Who::Mortal => self.outages.deadline(answered),
        };
        let exposed = self.apis[question.api].exposed.lock().met(call, deadline);
        let subject = &self.subjects[question.subject];
        let standings = subject.held.lock().credentials[question.credential].standing.met(call, deadline);
        let permitted = subject.permitted(question.api, call, deadline);
        let mut codes = Vec::new();
        if exposed.contains(&false) {
            codes.push("api_not_exposed");
        }
        if exposed.contains(&true) {
            for standing in standings {
                match standing {
                    Standing::Unknown => codes.push("unknown"),
                    Standing::Suspended => codes.push("suspended"),
                    Standing::Revoked => codes.push("revoked"),
                    Standing::Active if question.for_permission && permitted.contains(&false) => {
                        codes.push("permission_denied");
                        if permitted.contains(&true) {
                            codes.push("valid");
                        }
                    }
                    Standing::Active => codes.push("valid"),
                }
            }
        }
        codes
    }
}
