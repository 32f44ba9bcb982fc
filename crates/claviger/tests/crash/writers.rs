//! Eight clients that write without a pause, and remember what they were answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use claviger_client::{Call, Client, Error};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const WRITERS: usize = 8;

/// A Key Set as its writer last heard of it.
#[derive(Debug, Clone)]
pub(super) struct KnownSet {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) status: &'static str,
}

/// What one writer knows for certain.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Names of Applications whose making was answered.
    pub(super) applications: Vec<(String, String)>,
    pub(super) subscriptions: Vec<String>,
    pub(super) sets: Vec<KnownSet>,
    /// Writes that were answered.
    pub(super) answered: u64,
    /// The write that was not, if the last one was not.
    pub(super) unanswered: Option<Unanswered>,
}

/// A write that may or may not have happened.
#[derive(Debug, Clone)]
pub(super) struct Unanswered {
    pub(super) act: Act,
    pub(super) idempotency_key: String,
}

/// What a writer does next.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Create { name: String },
    Subscribe { application: String },
    Suspend { set: usize },
    Activate { set: usize },
    Revoke { set: usize },
}

/// All writers, and what they know.
pub(super) struct Writers {
    pub(super) known: Vec<Arc<Mutex<Known>>>,
    running: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

impl Writers {
    pub(super) fn new() -> Self {
        let known = (0..WRITERS).map(|_| Arc::default()).collect();
        Self { known, running: JoinSet::new(), stop: Arc::default() }
    }

    /// Lets them write until a write is not answered or they are stopped. What was left unanswered is
    /// repeated first, under the same `Idempotency-Key`.
    pub(super) fn begin(&mut self, client: &Client) {
        self.stop = Arc::default();
        for (number, known) in self.known.iter().enumerate() {
            let (client, known, stop) = (client.clone(), Arc::clone(known), Arc::clone(&self.stop));
            self.running.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let next = next(&known, number);
                    if !write(&client, &known, next).await {
                        return;
                    }
                }
            });
        }
    }

    /// Waits until all have noticed that nobody answers.
    pub(super) async fn all_unanswered_or_stopped(&mut self) {
        while let Some(ended) = self.running.join_next().await {
            ended.expect("a writer was answered something that it could not understand");
        }
    }

    /// Lets each finish its present write.
    pub(super) async fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.all_unanswered_or_stopped().await;
    }

    /// How many writes were not answered.
    pub(super) fn unanswered(&self) -> usize {
        self.known.iter().filter(|known| locked(known).unanswered.is_some()).count()
    }

    pub(super) fn answered(&self) -> u64 {
        self.known.iter().map(|known| locked(known).answered).sum()
    }
}

pub(super) fn locked(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap()
}

/// The write left unanswered, or the next of a life: make an Application, subscribe it, and turn its Key Set
/// off and on; now and then for good.
fn next(known: &Mutex<Known>, writer: usize) -> Unanswered {
    let mut known = locked(known);
    if let Some(unanswered) = known.unanswered.take() {
        return unanswered;
    }
    let number = known.answered;
    let act = match (number % 6, known.sets.len()) {
        (1, _) if known.applications.len() > known.subscriptions.len() => {
            Act::Subscribe { application: known.applications[known.subscriptions.len()].1.clone() }
        }
        (2 | 4, sets) if sets > 0 && known.sets[sets - 1].status == "active" => {
            Act::Suspend { set: sets - 1 }
        }
        (3 | 5, sets) if sets > 0 && known.sets[sets - 1].status == "suspended" => {
            if number % 12 == 5 {
                Act::Revoke { set: sets - 1 }
            } else {
                Act::Activate { set: sets - 1 }
            }
        }
        _ => Act::Create { name: format!("Writer {writer}, number {number}") },
    };
    Unanswered { act, idempotency_key: format!("{writer}-{number}") }
}

/// Whether it was answered.
async fn write(client: &Client, known: &Mutex<Known>, next: Unanswered) -> bool {
    let call = call(client, known, &next.act).idempotency_key(&next.idempotency_key);
    match call.send::<Value>().await {
        Ok(answer) => {
            learn(&mut locked(known), &next.act, &answer.body, answer.replayed);
            true
        }
        Err(Error::Unreachable { .. } | Error::TimedOut { .. } | Error::Strange { .. }) => {
            locked(known).unanswered = Some(next);
            false
        }
        // The server lives, and can't say whether the database did it.
        Err(Error::Refused(problem)) if problem.status == 503 => {
            locked(known).unanswered = Some(next);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            true
        }
        Err(error) => panic!("{:?}: {error}", next.act),
    }
}

fn call(client: &Client, known: &Mutex<Known>, act: &Act) -> Call {
    let of_set = |set: usize, verb: &str| {
        let id = locked(known).sets[set].id.clone();
        client.post(&format!("/v1/key-sets/{id}/{verb}"))
    };
    match act {
        Act::Create { name } => client.post("/v1/applications").body(&json!({ "name": name })),
        Act::Subscribe { application } => client.post("/v1/subscriptions").body(&json!({
            "application_id": application, "api_id": "orders", "environment_id": "production",
        })),
        Act::Suspend { set } => of_set(*set, "suspend"),
        Act::Activate { set } => of_set(*set, "activate"),
        Act::Revoke { set } => of_set(*set, "revoke"),
    }
}

fn learn(known: &mut Known, act: &Act, answer: &Value, replayed: bool) {
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    known.answered += 1;
    match act {
        Act::Create { name } => known.applications.push((name.clone(), text("/id").expect("an id"))),
        Act::Subscribe { .. } => {
            known.subscriptions.push(text("/id").expect("an id"));
            // Shown once: a repetition of the answer is without it.
            let key = text("/credentials/0/key");
            assert!(key.is_some() || replayed, "{answer}");
            let id = text("/key_sets/0/id").expect("a Key Set");
            known.sets.push(KnownSet { id, key: key.unwrap_or_default(), status: "active" });
        }
        Act::Suspend { set } => known.sets[*set].status = "suspended",
        Act::Activate { set } => known.sets[*set].status = "active",
        Act::Revoke { set } => known.sets[*set].status = "revoked",
    }
}
