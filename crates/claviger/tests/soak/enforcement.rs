//! How soon two other nodes enforce what one was asked for: every kind of change, at three loads.

use std::fmt;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;

use super::changes::{CHANGERS, Changer};
use super::connection::Connection;
use super::load::Load;
use super::population::{AUTH_TYPES, SHARED_KEYS};
use super::random::tell;
use super::stage::Stage;
use super::timeline::BOUND;
use super::world::{Side, Standing, Who, World};

const KEYS: usize = 600;
/// So many callers without a pause take all that the machine has.
const CALLERS: u64 = 32;
/// For how long a load is let run before it is measured.
const WARM: Duration = Duration::from_secs(2);
/// In steps of every kind of change.
const ROUNDS: usize = 5;
/// The APIs that are asked about: the first one, and one whose exposure is switched.
const API: usize = 0;
const SEASONAL: usize = 2;

/// Of many changes, at each of two other nodes: from the answer to when the first call was sent that met it.
#[derive(Debug)]
pub(crate) struct Delays(Vec<Duration>);

impl Delays {
    /// Changes so many things of each kind, and back; nobody else may change anything meanwhile.
    pub(crate) fn measure(stage: &Stage, rounds: usize) -> Self {
        let changer = Changer::new(&stage.world, &stage.client, 0, CHANGERS);
        let measuring = Measuring {
            world: Arc::clone(&stage.world),
            changer,
            others: Default::default(),
            delays: Vec::new(),
        };
        stage.runtime.block_on(measuring.all(rounds))
    }

    fn at(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }

    #[track_caller]
    pub(crate) fn demand_within_the_bound(&self) {
        assert!(self.at(100) <= BOUND, "{self}");
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [50, 99, 100].map(|percent| self.at(percent).as_secs_f64() * 1e3);
        write!(f, "p50 {half:.1} ms, p99 {most:.1} ms, at most {all:.1} ms ({} times)", self.0.len())
    }
}

struct Measuring {
    world: Arc<World>,
    changer: Changer,
    others: [Other; 2],
    delays: Vec<Duration>,
}

/// A node that hears of the change from the log.
#[derive(Debug, Default)]
struct Other(Connection);

impl Measuring {
    async fn all(mut self, rounds: usize) -> Delays {
        for round in 0..rounds {
            self.key_set(round).await;
            let shared = self.world.subjects.len() - SHARED_KEYS + round % (SHARED_KEYS / 4);
            self.changer.stand(shared, Standing::Suspended).await;
            self.seen(shared, API, "suspended").await;
            self.changer.stand(shared, Standing::Active).await;
            self.seen(shared, API, "valid").await;
            let seasonal = self.world.subjects.len() - SHARED_KEYS / 2 + round % (SHARED_KEYS / 4);
            self.changer.expose(SEASONAL, false).await;
            self.seen(seasonal, SEASONAL, "api_not_exposed").await;
            self.changer.expose(SEASONAL, true).await;
            self.seen(seasonal, SEASONAL, "valid").await;
        }
        self.delays.sort_unstable();
        Delays(self.delays)
    }

    /// One that is active, to its end.
    async fn key_set(&mut self, round: usize) {
        let number = self.world.subjects.len() - SHARED_KEYS - AUTH_TYPES.len();
        let active = |subject: &usize| {
            let mut held = self.world.subjects[*subject].held.lock();
            !held.done && held.latest().standing.last() == Standing::Active
        };
        let subject = (0..number).filter(active).nth(round).expect("a Key Set that is active");
        self.changer.stand(subject, Standing::Suspended).await;
        self.seen(subject, API, "suspended").await;
        self.changer.stand(subject, Standing::Active).await;
        self.seen(subject, API, "valid").await;
        self.changer.permit(subject, API, false).await;
        self.seen(subject, API, "permission_denied").await;
        self.changer.permit(subject, API, true).await;
        self.seen(subject, API, "valid").await;
        self.changer.stand(subject, Standing::Revoked).await;
        self.seen(subject, API, "revoked").await;
    }

    /// The change was answered just now: asks both nodes until they know of it.
    async fn seen(&mut self, subject: usize, api: usize, code: &str) {
        let answered = Instant::now();
        let [steady, mortal] = &mut self.others;
        let seen = tokio::join!(
            steady.seen(&self.world, Who::Steady, (subject, api), code, answered),
            mortal.seen(&self.world, Who::Mortal, (subject, api), code, answered),
        );
        self.delays.extend(<[Duration; 2]>::from(seen));
    }
}

impl Other {
    async fn seen(
        &mut self,
        world: &World,
        who: Who,
        (subject, api): (usize, usize),
        code: &str,
        answered: Instant,
    ) -> Duration {
        let doors = world.doors(who).expect("a node that runs");
        let patience = answered + BOUND * 10;
        loop {
            // What counts is when it was asked: a busy machine may be slow to tell.
            let asked = Instant::now();
            let answer = self.0.call(doors.main, question(world, subject, api)).await.expect("an answer");
            let told = answer.headers()["x-claviger-code"].to_str().unwrap();
            // Whoever asks: what is asked about is an API of this side.
            world.tally.answered(Side::Lasting, api, told, Instant::now());
            if told == code {
                return asked - answered;
            }
            assert!(asked < patience, "{who:?} says {told}, not {code}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn question(world: &World, subject: usize, api: usize) -> Request<Full<Bytes>> {
    let slug = world.apis[api].slug;
    let request =
        Request::get(format!("/v1/forward-auth?api={slug}&permissions=read")).header("host", "soak");
    let headers = world.subjects[subject].held.lock().latest().presented.headers().into_iter();
    let request = headers.fold(request, |request, (name, value)| request.header(name, value));
    request.body(Full::default()).unwrap()
}

/// How many calls there are in a second.
fn rate(stage: &Stage, lasting: Duration) -> f64 {
    let (before, began) = (stage.world.tally.calls(), Instant::now());
    sleep(lasting);
    // Calls are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "a rate is a float")]
    let calls = (stage.world.tally.calls() - before) as f64;
    calls / began.elapsed().as_secs_f64()
}

#[test]
fn f4_every_change_is_seen_by_two_other_nodes_within_a_second_at_every_load() {
    let rounds = ROUNDS * usize::try_from(claviger_testkit::soak_seconds() / 60).unwrap().clamp(1, 8);
    let stage = Stage::set(KEYS);
    let unloaded = Delays::measure(&stage, rounds);
    tell(&format!("Enforcement without load: {unloaded}"));
    unloaded.demand_within_the_bound();
    let load = Load::begin(&stage.runtime, &stage.world, claviger_testkit::seed(), CALLERS, Duration::ZERO);
    sleep(WARM);
    let most = rate(&stage, WARM);
    let saturated = Delays::measure(&stage, rounds);
    tell(&format!("Enforcement at {most:.0} calls a second, which saturate the machine: {saturated}"));
    // A caller that rests as long as three calls took makes somewhat more than half of them.
    #[expect(clippy::cast_precision_loss, reason = "they are few")]
    let each = CALLERS as f64 / most;
    load.pace.rest(Duration::from_secs_f64(each * 1.6));
    sleep(WARM);
    let half = rate(&stage, WARM);
    let halved = Delays::measure(&stage, rounds);
    tell(&format!("Enforcement at {half:.0} calls a second: {halved}"));
    load.end(&stage.runtime);
    stage.demand_adding_up();
    halved.demand_within_the_bound();
    saturated.demand_within_the_bound();
}
