//! Faults by chance.

use std::thread::sleep;
use std::time::{Duration, Instant};

use claviger_testkit::{Redis, Server};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::stage::Stage;

/// Breaks one thing after the other until then.
pub(crate) fn make_faults(stage: &mut Stage, seed: u64, until: Instant) {
    let mut random = StdRng::seed_from_u64(seed);
    loop {
        sleep(Duration::from_millis(random.random_range(2_500..5_000)));
        if Instant::now() > until {
            return;
        }
        let what = break_something(stage, &mut random);
        stage.world.tally.broke(what);
    }
}

/// For as long as it lasts.
fn break_something(stage: &mut Stage, random: &mut StdRng) -> &'static str {
    let lasts = Duration::from_millis(random.random_range(1_000..4_000));
    match random.random_range(0..8) {
        0 => {
            stage.restart_mortal(lasts);
            "SIGKILL of a data node"
        }
        1 => {
            let was_there = kill_a_keeper(stage, random.random_range(0..3));
            if was_there { "SIGKILL of a keeper" } else { "SIGKILL of a keeper that was gone already" }
        }
        2 => {
            stage.freeze_postgres();
            sleep(lasts);
            stage.thaw_postgres();
            "PostgreSQL frozen"
        }
        3 => {
            stage.stop_postgres();
            sleep(lasts);
            stage.restart_mortal(Duration::ZERO);
            sleep(lasts);
            stage.start_postgres();
            "PostgreSQL stopped, and SIGKILL of a data node meanwhile"
        }
        4 => {
            redis(stage).freeze();
            sleep(lasts);
            redis(stage).thaw();
            "Redis frozen"
        }
        5 => {
            redis(stage).kill();
            sleep(lasts);
            redis(stage).start_again();
            "SIGKILL of Redis"
        }
        _ => {
            stage.stop_postgres();
            sleep(lasts);
            stage.start_postgres();
            "PostgreSQL stopped"
        }
    }
}

fn redis(stage: &mut Stage) -> &mut Redis {
    stage.redis.as_mut().expect("limits that nodes count together")
}

/// False if there was none: it may be gone already, and wait for its turn to be started again.
fn kill_a_keeper(stage: &Stage, whose: usize) -> bool {
    let servers = [Some(&stage.control), Some(&stage.steady), stage.mortal.as_ref()];
    servers[whose].is_some_and(Server::kill_keeper)
}
