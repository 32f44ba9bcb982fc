//! Whether what usage counted, and what upstreams got, are the calls that were made.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::Stage;
use super::tally::{Counts, Sums};
use super::world::{APIS, Side};

/// How long the last counts may take to be written and added up.
const PATIENCE: Duration = Duration::from_secs(60);

impl Stage {
    /// Demands that no call was lost or answered wrongly, that usage adds up to the calls, and so does what upstreams
    /// got. Whoever called has ended.
    #[track_caller]
    pub(crate) fn demand_adding_up(&self) {
        let sums = self.world.tally.sums();
        assert!(sums.wrong.is_empty(), "{}\n{}", sums.wrong.join("\n"), self.world.tally);
        let deadline = Instant::now() + PATIENCE;
        let mut counted = self.counted();
        while let Err(why) = self.fits(&sums, &counted) {
            assert!(Instant::now() < deadline, "{why}: {counted:?} of {sums:?}; {}", self.world.tally);
            std::thread::sleep(Duration::from_millis(250));
            counted = self.counted();
        }
        assert!(sums.answered.values().sum::<u64>() > 1_000, "{}", self.world.tally);
        let [lasting, mortal] = self.upstreams.each_ref().map(claviger_testkit::Upstream::count);
        let open = |side| self.of(side).map(|api| sums.open[api]).sum::<u64>();
        let (least, most) = (sums.passed[0], sums.passed[0] + open(Side::Lasting));
        assert!((least..=most).contains(&lasting), "{lasting} at the upstream, not {least} to {most}");
        // Those that were cut off may have been on their way.
        let (least, most) = (sums.passed[1], sums.passed[1] + open(Side::Mortal) + sums.cut_off);
        assert!((least..=most).contains(&mortal), "{mortal} at the upstream, not {least} to {most}");
    }

    fn of(&self, side: Side) -> impl Iterator<Item = usize> {
        (0..APIS).filter(move |api| self.world.apis[*api].side == side)
    }

    fn fits(&self, sums: &Sums, counted: &Counts) -> Result<(), &'static str> {
        for api in self.of(Side::Lasting) {
            if of_api(counted, api) != of_api(&sums.answered, api) {
                return Err("what usage counted is not what was answered");
            }
            let codes = counted.keys().chain(sums.answered.keys()).filter(|(of, _)| *of == api);
            for code in codes {
                let calls = |counts: &Counts| counts.get(code).copied().unwrap_or_default();
                if calls(counted).abs_diff(calls(&sums.answered)) > sums.open[api] {
                    return Err("what usage counted by code is not what was answered");
                }
            }
        }
        let all = |counts: &Counts| self.of(Side::Mortal).map(|api| of_api(counts, api)).sum::<u64>();
        let (counted, answered) = (all(counted), all(&sums.answered));
        // A kill takes along what was not handed in, and calls that it cut off may have been counted.
        if counted + sums.lost_at_most < answered || counted > answered + sums.cut_off {
            return Err("more is lost of what a killed node counted than may be");
        }
        Ok(())
    }

    /// What usage says, by API and code.
    fn counted(&self) -> Counts {
        let mut counts = Counts::new();
        for api in 0..APIS {
            let path = format!("/v1/apis/{}/usage", self.world.apis[api].slug);
            let query = [("step", "day"), ("by", "code")];
            let asked = self.client.get(&path).query(&query).send::<Value>();
            let usage = self.runtime.block_on(asked).unwrap().body;
            for item in usage["items"].as_array().unwrap() {
                let code = item["code"].as_str().unwrap().to_owned();
                *counts.entry((api, code)).or_default() += item["calls"].as_u64().unwrap();
            }
        }
        counts
    }
}

fn of_api(counts: &Counts, api: usize) -> u64 {
    counts.iter().filter(|((of, _), _)| *of == api).map(|(_, calls)| calls).sum()
}
