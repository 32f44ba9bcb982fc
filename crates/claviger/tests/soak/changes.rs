//! Who changes states all the time, and remembers when each change was sent and answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_client::Client;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::act::Act;
use super::load::Pace;
use super::population::{AUTH_TYPES, SHARED_KEYS};
use super::presented::Presented;
use super::timeline::Timeline;
use super::world::{APIS, Credential, Kind, Standing, World};

pub(crate) const CHANGERS: usize = 4;
/// How many of its own a changer keeps suspended or without permission at a time.
const PUT_OFF: usize = 20;

#[derive(Debug)]
pub(crate) struct Changes {
    pace: Arc<Pace>,
    changers: Vec<JoinHandle<()>>,
}

impl Changes {
    /// Each rests so long after a change.
    pub(crate) fn begin(
        runtime: &Runtime,
        world: &Arc<World>,
        client: &Client,
        seed: u64,
        pause: Duration,
    ) -> Self {
        let pace = Arc::new(Pace::default());
        pace.rest(pause);
        let changers = (0..CHANGERS).map(|number| {
            let changer = Changer::new(world, client, seed, number);
            runtime.spawn(changer.go_on(Arc::clone(&pace)))
        });
        let changers = changers.collect();
        Self { pace, changers }
    }

    /// Lets every changer give back what it had put off.
    pub(crate) fn end(self, runtime: &Runtime) {
        self.pace.end();
        for changer in self.changers {
            runtime.block_on(changer).expect("a changer");
        }
    }
}

/// Nobody else changes what it changes: the Key Sets of one Application of so many, as many shared keys, and the APIs'
/// exposure if it is the first.
pub(crate) struct Changer {
    world: Arc<World>,
    client: Client,
    random: StdRng,
    number: usize,
    /// To be given back: suspended, disabled, without permission at this API.
    put_off: Vec<(usize, Option<usize>)>,
}

impl Changer {
    pub(crate) fn new(world: &Arc<World>, client: &Client, seed: u64, number: usize) -> Self {
        Self {
            world: Arc::clone(world),
            client: client.clone(),
            random: StdRng::seed_from_u64(seed ^ (number as u64 + 1) << 32),
            number,
            put_off: Vec::new(),
        }
    }

    async fn go_on(mut self, pace: Arc<Pace>) {
        while !pace.ended() {
            self.change().await;
            pace.pause().await;
        }
        while let Some((subject, api)) = self.put_off.pop() {
            self.give_back(subject, api).await;
        }
        let hidden = |api: &usize| !self.world.apis[*api].exposed.lock().last();
        for api in (0..APIS).filter(|_| self.number == 0).filter(hidden).collect::<Vec<_>>() {
            self.expose(api, true).await;
        }
    }

    async fn change(&mut self) {
        if self.number == 0 && self.random.random_bool(0.1) {
            return self.switch_exposure().await;
        }
        let full = self.put_off.len() >= PUT_OFF;
        if full || (!self.put_off.is_empty() && self.random.random_bool(0.4)) {
            let which = self.random.random_range(0..self.put_off.len());
            let (subject, api) = self.put_off.swap_remove(which);
            return self.give_back(subject, api).await;
        }
        // Shared keys are few, and stand last: they have a share of their own.
        let (all, shared) = (self.world.subjects.len(), self.random.random_bool(0.1));
        let any =
            self.random.random_range(if shared { all - SHARED_KEYS..all } else { 0..all - SHARED_KEYS });
        let group = any / AUTH_TYPES.len();
        let own = (group - group % CHANGERS + self.number) * AUTH_TYPES.len() + any % AUTH_TYPES.len();
        if own < all {
            self.end_something(own).await;
        }
    }

    /// Takes something away from one that has it.
    async fn end_something(&mut self, subject: usize) {
        let world = Arc::clone(&self.world);
        let it = &world.subjects[subject];
        {
            let mut held = it.held.lock();
            if held.done || held.latest().standing.last() != Standing::Active {
                return;
            }
        }
        let Kind::KeySet(application) = &it.kind else {
            return self.put_off(subject).await;
        };
        match self.random.random_range(0..20) {
            0..=8 => self.put_off(subject).await,
            9..=11 => self.stand(subject, Standing::Revoked).await,
            12..=14 => self.regenerate(subject).await,
            _ => {
                let api = self.random.random_range(0..APIS);
                if application.subscriptions[api].is_some() && application.permitted[api].lock().last() {
                    self.permit(subject, api, false).await;
                    self.put_off.push((subject, Some(api)));
                }
            }
        }
    }

    async fn give_back(&mut self, subject: usize, api: Option<usize>) {
        match api {
            Some(api) => self.permit(subject, api, true).await,
            None => self.stand(subject, Standing::Active).await,
        }
    }

    async fn put_off(&mut self, subject: usize) {
        self.stand(subject, Standing::Suspended).await;
        self.put_off.push((subject, None));
    }

    pub(crate) async fn stand(&mut self, subject: usize, to: Standing) {
        let world = Arc::clone(&self.world);
        let it = &world.subjects[subject];
        let (sets, act) = match (&it.kind, to) {
            (Kind::KeySet(_), Standing::Suspended) => ("key-sets", "suspend"),
            (Kind::KeySet(_), Standing::Active) => ("key-sets", "activate"),
            (Kind::KeySet(_), _) => ("key-sets", "revoke"),
            (Kind::Shared { .. }, Standing::Suspended) => ("shared-keys", "disable"),
            (Kind::Shared { .. }, _) => ("shared-keys", "enable"),
        };
        world.touch(subject);
        {
            let mut held = it.held.lock();
            held.done |= to == Standing::Revoked;
            held.latest().standing.begin(to, Instant::now());
        }
        self.act(act, &Act::post(format!("/v1/{sets}/{}/{act}", it.id))).await;
        it.held.lock().latest().standing.end(Instant::now());
    }

    async fn regenerate(&mut self, subject: usize) {
        let world = Arc::clone(&self.world);
        let it = &world.subjects[subject];
        world.touch(subject);
        let sent = Instant::now();
        it.held.lock().latest().standing.begin(Standing::Revoked, sent);
        let answer = self.act("regenerate", &Act::post(format!("/v1/key-sets/{}/regenerate", it.id))).await;
        let answered = Instant::now();
        let mut held = it.held.lock();
        let last = held.latest();
        last.standing.end(answered);
        let Some(presented) = Presented::told(&answer["credentials"][0], last.presented.is_basic()) else {
            // The first answer did not arrive, and only that one had the value.
            held.done = true;
            return;
        };
        let mut standing = Timeline::new(Standing::Unknown);
        standing.begin(Standing::Active, sent);
        standing.end(answered);
        held.credentials.push(Credential { presented, standing });
    }

    pub(crate) async fn permit(&mut self, subject: usize, api: usize, permitted: bool) {
        let world = Arc::clone(&self.world);
        let Kind::KeySet(application) = &world.subjects[subject].kind else { return };
        let Some(id) = &application.subscriptions[api] else { return };
        let permissions = if permitted { json!(null) } else { json!([]) };
        let act = Act::patch(format!("/v1/subscriptions/{id}"), json!({ "permissions": permissions }));
        world.touch(subject);
        application.permitted[api].lock().begin(permitted, Instant::now());
        self.act("change permissions", &act).await;
        application.permitted[api].lock().end(Instant::now());
    }

    async fn switch_exposure(&mut self) {
        let seasonal: Vec<usize> = (0..APIS).filter(|api| self.world.apis[*api].seasonal).collect();
        let api = seasonal[self.random.random_range(0..seasonal.len())];
        let exposed = !self.world.apis[api].exposed.lock().last();
        self.expose(api, exposed).await;
    }

    pub(crate) async fn expose(&mut self, api: usize, exposed: bool) {
        let world = Arc::clone(&self.world);
        let api = &world.apis[api];
        let act = Act::put(format!("/v1/apis/{}/exposure", api.slug), json!({ "exposed": exposed }));
        api.exposed.lock().begin(exposed, Instant::now());
        self.act(if exposed { "expose" } else { "un-expose" }, &act).await;
        api.exposed.lock().end(Instant::now());
    }

    async fn act(&mut self, what: &'static str, act: &Act) -> Value {
        let answer = act.done(&self.client, &self.world.fresh_idempotency_key()).await;
        self.world.tally.changed(what);
        answer.body
    }
}
