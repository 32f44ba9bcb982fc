//! The kills themselves: start, let eight clients write, kill, start again, look.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use claviger_testkit::Server;
use tokio::task::JoinHandle;

use super::clients::{Known, Writer};
use super::installation::{Installation, On};
use super::observe;

const CLIENTS: u64 = 8;
/// The latest instant of a kill after the first writes were answered.
const SPAN_MILLISECONDS: u64 = 400;
/// After so many kills a new installation begins, so that replaying the whole log stays quick.
const KILLS_OF_ONE: u32 = 25;
/// How long the first answers may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_server_on_sqlite() {
    soak("SQLite, SIGKILL of the server", On::Sqlite, Victim::Server);
}

#[test]
fn the_server_on_postgresql() {
    soak("PostgreSQL, SIGKILL of the server", On::Postgres, Victim::Server);
}

#[test]
fn postgresql_itself() {
    soak("PostgreSQL itself, stopped with `immediate`", On::Postgres, Victim::Postgres);
}

/// So many kills, and what came of them in one line.
fn soak(what: &str, on: On, victim: Victim) {
    let mut left = claviger_testkit::kills();
    let mut tally = Tally::default();
    while left > 0 {
        let kills = left.min(KILLS_OF_ONE);
        Installation::new(on, victim).kill_again_and_again(victim, kills, &mut tally);
        left -= kills;
    }
    // Past the test harness, which shows nothing of a test that passes.
    let _ = writeln!(std::io::stderr(), "{what}: {tally}");
    assert!(tally.hits * 3 >= tally.kills, "too few kills hit an unanswered write: {tally}");
}

/// An instant that nobody chose, within reach of many writes.
fn random_delay() -> Duration {
    Duration::from_millis(RandomState::new().hash_one(std::process::id()) % SPAN_MILLISECONDS)
}

/// Who is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    /// The server, by SIGKILL.
    Server,
    /// PostgreSQL, by an immediate stop. The server stays, and its index with it.
    Postgres,
}

/// What came of all kills.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kills: u32,
    /// Kills at which at least one write had no answer.
    hits: u32,
    answered: usize,
    done: usize,
    not_done: usize,
    events: i64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, hits, answered, done, not_done, events } = self;
        write!(
            f,
            "{kills} kills, {hits} of them with writes unanswered; {answered} answered writes, all there; {} \
             unanswered ones, of which {done} were there wholly and {not_done} not at all; {events} events, \
             their chain, the tables and the index equal",
            done + not_done
        )
    }
}

impl Installation {
    pub(crate) fn kill_again_and_again(&mut self, victim: Victim, kills: u32, tally: &mut Tally) {
        let mut server = Some(self.claviger.serve());
        for _ in 0..kills {
            let running = server.take().expect("the server of the last round");
            let (known, again) = self.kill_once(victim, running, tally.kills);
            let answered = known.iter().map(|known| known.position).max().unwrap_or_default();
            assert!(self.demand_fitting_log() >= answered, "the log ends before an answered write");
            self.demand_equal_index();
            self.look(&again, &known, tally);
            server = Some(again);
        }
        let (status, log) = server.expect("the last server").stop();
        assert!(status.success(), "{status}\n{log}");
        tally.events += self.demand_fitting_log();
        self.demand_equal_index();
    }

    /// Lets the clients write, kills, and starts what was killed again.
    fn kill_once(&mut self, victim: Victim, server: Server, round: u32) -> (Vec<Known>, Server) {
        let progress = Arc::new(AtomicU32::new(0));
        let clients = self.clients(&server, round, &progress);
        let deadline = Instant::now() + PATIENCE;
        while u64::from(progress.load(Ordering::Relaxed)) < CLIENTS && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(random_delay());
        match victim {
            Victim::Server => {
                server.kill();
                let known = self.join(clients);
                (known, self.claviger.serve())
            }
            Victim::Postgres => {
                let postgres = self.postgres.as_mut().expect("a PostgreSQL of its own");
                postgres.stop_immediately();
                let known = self.join(clients);
                // Deciding goes on meanwhile.
                self.runtime.block_on(observe::decides_without_a_database(&self.client(&server)));
                self.postgres.as_mut().expect("a PostgreSQL of its own").start_again();
                (known, server)
            }
        }
    }

    fn clients(&self, server: &Server, round: u32, progress: &Arc<AtomicU32>) -> Vec<JoinHandle<Known>> {
        let world = Arc::new(self.world.clone());
        (0..CLIENTS)
            .map(|number| {
                let writer = Writer {
                    client: self.client(server),
                    world: Arc::clone(&world),
                    name: format!("Shop {round} {number}"),
                    seed: u64::from(round) * CLIENTS + number,
                    progress: Arc::clone(progress),
                };
                self.runtime.spawn(writer.write())
            })
            .collect()
    }

    fn join(&self, clients: Vec<JoinHandle<Known>>) -> Vec<Known> {
        clients.into_iter().map(|client| self.runtime.block_on(client).expect("a client")).collect()
    }

    /// Looks at everything that the clients of this round know of.
    fn look(&self, server: &Server, known: &[Known], tally: &mut Tally) {
        let client = self.client(server);
        let mut hit = false;
        for known in known {
            let unanswered = self.runtime.block_on(observe::check(&client, &self.world, known));
            tally.done += unanswered.done;
            tally.not_done += unanswered.not_done;
            tally.answered += known.answered;
            hit |= unanswered.done + unanswered.not_done > 0;
        }
        tally.kills += 1;
        tally.hits += u32::from(hit);
    }
}
