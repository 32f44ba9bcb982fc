//! Callers: each makes one call after the other, at any node and door, with any credential, and holds the answer
//! against what it may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::connection::Connection;
use super::timeline::Span;
use super::world::{APIS, Doors, EVERYBODY, Question, Who, World};

/// How callers go on, until they are told to end.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// What each rests after a call.
    pause_micros: AtomicU64,
    end: AtomicBool,
}

impl Pace {
    pub(crate) fn rest(&self, pause: Duration) {
        self.pause_micros.store(pause.as_micros().try_into().unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.end.store(true, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    pub(crate) async fn pause(&self) {
        match self.pause_micros.load(Ordering::Relaxed) {
            0 => tokio::task::yield_now().await,
            micros => tokio::time::sleep(Duration::from_micros(micros)).await,
        }
    }
}

/// So many callers, at work.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) pace: Arc<Pace>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn begin(
        runtime: &Runtime,
        world: &Arc<World>,
        seed: u64,
        callers: u64,
        pause: Duration,
    ) -> Self {
        let pace = Arc::new(Pace::default());
        pace.rest(pause);
        let callers = (0..callers).map(|number| {
            let caller = Caller {
                world: Arc::clone(world),
                random: StdRng::seed_from_u64(seed.wrapping_add(number)),
                connections: Default::default(),
            };
            runtime.spawn(caller.go_on(Arc::clone(&pace)))
        });
        let callers = callers.collect();
        Self { pace, callers }
    }

    /// Lets every caller have its last answer.
    pub(crate) fn end(self, runtime: &Runtime) {
        self.pace.end();
        for caller in self.callers {
            runtime.block_on(caller).expect("a caller");
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Door {
    ForwardAuth,
    Gateway,
    /// Only the control node has it.
    Verify,
}

struct Caller {
    world: Arc<World>,
    random: StdRng,
    /// To each node's main address and gateway.
    connections: [[Connection; 2]; 3],
}

impl Caller {
    async fn go_on(mut self, pace: Arc<Pace>) {
        while !pace.ended() {
            self.call().await;
            pace.pause().await;
        }
    }

    async fn call(&mut self) {
        let who = EVERYBODY[self.random.random_range(0..3)];
        let (Some(question), Some(doors)) = (self.question(who), self.world.doors(who)) else { return };
        let door = match (self.random.random_range(0..4), who) {
            (0 | 1, _) => Door::ForwardAuth,
            (2, Who::Control) => Door::Verify,
            _ => Door::Gateway,
        };
        // The gateway asks for no permission.
        let for_permission = question.for_permission && !matches!(door, Door::Gateway);
        let question = Question { for_permission, ..question };
        let request = self.request(door, &question);
        let (address, connection) = match door {
            Door::Gateway => (doors.gateway, 1),
            Door::ForwardAuth | Door::Verify => (doors.main, 0),
        };
        let sent = Instant::now();
        let answer = self.connections[who as usize][connection].call(address, request).await;
        let call = Span { sent, answered: Instant::now() };
        match answer {
            Ok(answer) => self.hold(door, &question, call, &answer),
            Err(error) => self.unanswered(door, &question, call, doors, &error),
        }
    }

    /// Half of the calls are about what changed last.
    fn question(&mut self, who: Who) -> Option<Question> {
        let any = self.random.random_range(0..self.world.subjects.len());
        let fresh = if self.random.random_bool(0.5) { self.world.fresh(any) } else { None };
        let subject = fresh.unwrap_or(any);
        let begin = self.random.random_range(0..APIS);
        let mut apis = (begin..APIS).chain(0..begin);
        let (side, it) = (who.side(), &self.world.subjects[subject]);
        let api = apis.find(|api| self.world.apis[*api].side == side && it.opens(*api))?;
        let credentials = it.held.lock().credentials.len();
        // The last one, and now and then one before it.
        let back = self.random.random_range(0..8).min(credentials - 1);
        let credential = if back < 3 { credentials - 1 - back } else { credentials - 1 };
        Some(Question { who, subject, credential, api, for_permission: self.random.random_bool(0.3) })
    }

    fn request(&self, door: Door, question: &Question) -> Request<Full<Bytes>> {
        let slug = self.world.apis[question.api].slug;
        let held = self.world.subjects[question.subject].held.lock();
        let presented = held.credentials[question.credential].presented.clone();
        drop(held);
        let get = |path: String| {
            let request = Request::get(path).header("host", "soak");
            let headers = presented.headers().into_iter();
            let request = headers.fold(request, |request, (name, value)| request.header(name, value));
            request.body(Full::default()).unwrap()
        };
        match door {
            Door::Gateway => get(format!("/{slug}/things")),
            Door::ForwardAuth if question.for_permission => {
                get(format!("/v1/forward-auth?api={slug}&permissions=read"))
            }
            Door::ForwardAuth => get(format!("/v1/forward-auth?api={slug}")),
            Door::Verify => {
                let permissions: &[&str] = if question.for_permission { &["read"] } else { &[] };
                let body = json!({ "credential": presented.json(), "api": slug, "permissions": permissions });
                Request::post("/v1/verify")
                    .header("host", "soak")
                    .header("authorization", format!("Bearer {}", self.world.service_key))
                    .header("content-type", "application/json")
                    .body(Full::from(body.to_string()))
                    .unwrap()
            }
        }
    }

    fn hold(&self, door: Door, question: &Question, call: Span, answer: &Response<Bytes>) {
        let code = code(door, answer);
        self.world.tally.answered(question.who.side(), question.api, &code, call.answered);
        let possible = self.world.possible(question, call);
        if matches!(door, Door::Gateway) {
            match &*code {
                "valid" => self.world.tally.passed_on(question.who.side()),
                _ if possible.contains(&"valid") => self.world.tally.open_at_its_end(question.api, false),
                _ => {}
            }
        }
        if !possible.contains(&&*code) {
            self.world.tally.wrong(|| self.story(&code, &possible, door, question, call));
        }
    }

    /// All that there is to know about an answer that must not be.
    fn story(&self, what: &str, possible: &[&str], door: Door, question: &Question, call: Span) -> String {
        let subject = &self.world.subjects[question.subject];
        let held = subject.held.lock();
        let standing = &held.credentials[question.credential].standing;
        format!(
            "{what} in place of {possible:?}: {question:?} through {door:?}, {call:?}, {standing:?}, of {:?}, {:?}, {:?}",
            subject.kind, self.world.apis[question.api], self.world.outages,
        )
    }

    /// A call has no answer for two reasons: its node was killed meanwhile; or it was let through, and its connection cut
    /// when it would have been refused (product.md F4).
    fn unanswered(&self, door: Door, question: &Question, call: Span, called: Doors, error: &str) {
        if self.world.doors(question.who).is_none_or(|doors| doors.life != called.life) {
            return self.world.tally.cut_off();
        }
        let possible = self.world.possible(question, call);
        let ended = possible.contains(&"valid") && possible.iter().any(|code| *code != "valid");
        if matches!(door, Door::Gateway) && ended {
            self.world.tally.answered(question.who.side(), question.api, "valid", call.answered);
            self.world.tally.open_at_its_end(question.api, true);
        } else {
            self.world.tally.wrong(|| self.story(error, &possible, door, question, call));
        }
    }
}

fn code(door: Door, answer: &Response<Bytes>) -> String {
    let told =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let code = match door {
        Door::Verify => serde_json::from_slice::<Value>(answer.body())
            .ok()
            .and_then(|verdict| verdict["code"].as_str().map(str::to_owned)),
        // What the upstream answers is no refusal.
        Door::Gateway if answer.status() == 200 => Some("valid".to_owned()),
        Door::Gateway | Door::ForwardAuth => told("x-claviger-code"),
    };
    code.unwrap_or_else(|| format!("status {} without a code", answer.status()))
}
