//! The soak itself: 10,000 keys, changing states, faults by chance.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::changes::Changes;
use super::faults::make_faults;
use super::load::Load;
use super::stage::Stage;

const KEYS: usize = 10_000;
const CALLERS: u64 = 16;
const BETWEEN_CALLS: Duration = Duration::from_millis(8);
const BETWEEN_CHANGES: Duration = Duration::from_millis(200);

#[test]
fn c10_f4_f5_ten_thousand_keys_under_random_faults_add_up_and_nothing_is_allowed_too_late() {
    let (seed, lasts) = (claviger_testkit::seed(), Duration::from_secs(claviger_testkit::soak_seconds()));
    say(&format!("{KEYS} keys and random faults: seed {seed}"));
    let mut stage = Stage::set_with_limits(KEYS);
    say(&format!("{KEYS} keys and random faults: the stage is set"));
    let began = Instant::now();
    let load = Load::begin(&stage.runtime, &stage.world, seed, CALLERS, BETWEEN_CALLS);
    let changes = Changes::begin(&stage.runtime, &stage.world, &stage.client, seed, BETWEEN_CHANGES);
    make_faults(&mut stage, seed, began + lasts);
    changes.end(&stage.runtime);
    load.end(&stage.runtime);
    let seconds = began.elapsed().as_secs();
    stage.demand_adding_up();
    tell(&format!("{KEYS} keys and random faults: {seconds} seconds: {}", stage.world.tally));
}

/// What came of it, for docs/soak.md too.
pub(crate) fn tell(line: &str) {
    say(&format!("{}{line}", claviger_testkit::SOAK_SAYS));
}

/// Past the test harness, which shows nothing of a test that passes.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
