//! Eight clients, each writing on things of its own until the server no longer answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use claviger_client::{Answer, Client, Error};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use super::thing::{Act, Thing};

/// What a client knows when the server is gone.
#[derive(Debug)]
pub(crate) struct Known {
    /// As the answers said they are.
    pub(crate) things: Vec<Thing>,
    /// The request without an answer, about the last of the things.
    pub(crate) unanswered: Option<Unanswered>,
    pub(crate) answered: usize,
    /// Where in the log the last answered write took effect.
    pub(crate) position: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Unanswered {
    pub(crate) act: Act,
    pub(crate) idempotency_key: String,
}

/// One who writes. Its numbers come from a fixed seed; when it is interrupted does not.
pub(crate) struct Writer {
    pub(crate) client: Client,
    /// What all share: the API's id.
    pub(crate) world: Arc<Value>,
    pub(crate) name: String,
    pub(crate) seed: u64,
    /// How many writes all clients have had answered.
    pub(crate) progress: Arc<AtomicU32>,
}

impl Writer {
    /// Writes until a request has no answer.
    pub(crate) async fn write(self) -> Known {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut known = Known { things: Vec::new(), unanswered: None, answered: 0, position: 0 };
        let mut thing = Thing::new(format!("{} 0", self.name));
        loop {
            let Some(act) = thing.next(random.next_u32()) else {
                known.things.push(thing);
                thing = Thing::new(format!("{} {}", self.name, known.things.len()));
                continue;
            };
            let idempotency_key = format!("{}-{}", self.name.replace(' ', "-"), known.answered);
            match send(&self.client, &self.world, &thing, act, &idempotency_key).await {
                Ok(answer) => {
                    assert!(!answer.replayed, "{act:?} of {thing:?} was sent once");
                    thing = thing.after(act, &answer.body);
                    known.answered += 1;
                    known.position = answer.position.expect("a write says where it took effect");
                    self.progress.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if is_no_answer(&error) => {
                    known.unanswered = Some(Unanswered { act, idempotency_key });
                    known.things.push(thing);
                    return known;
                }
                Err(error) => panic!("{act:?} of {thing:?}: {error}"),
            }
        }
    }
}

/// Whether nobody knows if the write happened.
fn is_no_answer(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::TimedOut { .. } => true,
        Error::Refused(problem) => problem.status == 503,
        _ => false,
    }
}

pub(crate) async fn send(
    client: &Client,
    world: &Value,
    thing: &Thing,
    act: Act,
    idempotency_key: &str,
) -> Result<Answer<Value>, Error> {
    let (method, path, body) = thing.request(act, world);
    let call = if method == "PATCH" { client.patch(&path) } else { client.post(&path) };
    call.body(&body).idempotency_key(idempotency_key).send().await
}
