//! From events to state: every noun is made, changed and ended by applying its events and by nothing
//! else. The store calls the same function for each append that a replay calls for each line of the
//! log, so that the tables are the log's shadow.

use crate::event::EventBody;
use crate::time::Timestamp;

/// A noun whose state follows from its events.
pub trait Aggregate: Sized {
    /// The state after the event that happened at `at`. `None` stands before the first event and after
    /// the last: what was deleted is gone, and its row is hidden.
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied>;
}

/// The event does not fit the state it was applied to: the log or a table was changed by other hands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event {kind} does not fit the state of {subject}: {why}")]
pub struct Misapplied {
    pub kind: &'static str,
    pub subject: String,
    pub why: &'static str,
}

impl Misapplied {
    pub fn new(body: &EventBody, why: &'static str) -> Self {
        Self { kind: body.kind(), subject: body.subject().id(), why }
    }
}

/// For the event that makes a thing: nothing of its id may stand yet.
pub(crate) fn absent<T>(state: Option<T>, body: &EventBody) -> Result<(), Misapplied> {
    match state {
        None => Ok(()),
        Some(_) => Err(Misapplied::new(body, "it exists already")),
    }
}

/// For every later event: the thing stands, and `is_subject` says that the event is about it.
pub(crate) fn present<T>(
    state: Option<T>,
    body: &EventBody,
    is_subject: impl FnOnce(&T) -> bool,
) -> Result<T, Misapplied> {
    let state = state.ok_or_else(|| Misapplied::new(body, "it does not exist"))?;
    if is_subject(&state) { Ok(state) } else { Err(Misapplied::new(body, "the event is about another")) }
}
