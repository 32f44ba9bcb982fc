//! PostgreSQL away for long, and keepers killed, under load: no call is lost (product.md F5).

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::changes::Changes;
use super::enforcement::Delays;
use super::load::Load;
use super::random::{say, tell};
use super::stage::Stage;

const KEYS: usize = 300;
const CALLERS: u64 = 8;
const BETWEEN_CALLS: Duration = Duration::from_millis(10);
const BETWEEN_CHANGES: Duration = Duration::from_millis(100);
const MEASURED: usize = 10;

/// Twelve seconds in the test command, two minutes in a soak of ten.
fn outage() -> Duration {
    Duration::from_secs(claviger_testkit::soak_seconds() / 5)
        .clamp(Duration::from_secs(6), Duration::from_secs(120))
}

/// Breaks something under a load and with changes; then changes are measured, and all must add up.
fn under_load(what: &str, breaking: impl FnOnce(&mut Stage)) {
    let seed = claviger_testkit::seed();
    say(&format!("{what}: seed {seed}"));
    let mut stage = Stage::set(KEYS);
    let began = Instant::now();
    let load = Load::begin(&stage.runtime, &stage.world, seed, CALLERS, BETWEEN_CALLS);
    let changes = Changes::begin(&stage.runtime, &stage.world, &stage.client, seed, BETWEEN_CHANGES);
    sleep(Duration::from_secs(2));
    breaking(&mut stage);
    changes.end(&stage.runtime);
    let delays = Delays::measure(&stage, MEASURED);
    load.end(&stage.runtime);
    stage.demand_adding_up();
    let seconds = began.elapsed().as_secs();
    tell(&format!(
        "{what}: {seconds} seconds: {}; changes after it were seen at two other nodes: {delays}",
        stage.world.tally
    ));
    delays.demand_within_the_bound();
}

#[test]
fn f5_a_database_killed_under_load_loses_no_call_and_a_node_restarted_meanwhile_serves_from_its_snapshot() {
    let outage = outage();
    under_load(&format!("PostgreSQL away for {} seconds", outage.as_secs()), |stage| {
        stage.stop_postgres();
        stage.world.tally.broke("PostgreSQL stopped");
        sleep(outage / 3);
        let before = stage.world.tally.calls();
        stage.restart_mortal(Duration::ZERO);
        stage.world.tally.broke("SIGKILL of a data node");
        stage.mortal.as_mut().unwrap().wait_for_log("started from the snapshot");
        sleep(outage * 2 / 3);
        let meanwhile = stage.world.tally.calls() - before;
        assert!(meanwhile > 100, "{meanwhile} calls while it was away");
        stage.start_postgres();
    });
}

#[test]
fn f5_keepers_killed_under_load_lose_no_call() {
    under_load("Keepers killed", |stage| {
        for _ in 0..3 {
            for server in [Some(&stage.control), Some(&stage.steady), stage.mortal.as_ref()] {
                if server.is_some_and(claviger_testkit::Server::kill_keeper) {
                    stage.world.tally.broke("SIGKILL of a keeper");
                }
            }
            sleep(Duration::from_secs(2));
        }
    });
}
