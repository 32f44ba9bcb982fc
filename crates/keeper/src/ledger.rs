//! The ceilings: how many values of one purpose may be opened within an hour, or how many signatures made for
//! one use, by one actor and by all together. The count is rebuilt from the journal at start, so that a kill forgets nothing.

use std::collections::{HashMap, VecDeque};

use claviger_domain::time::Timestamp;

/// The window that is counted in.
const WINDOW_SECONDS: i64 = 3_600;

/// How many openings, or signatures, an hour allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    pub per_actor: u32,
    /// By all actors.
    pub together: u32,
}

/// A ceiling is reached; in so many seconds there is room again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) retry_after_seconds: u32,
}

/// The openings of one purpose within the last hour, the oldest first.
pub(crate) struct Ledger {
    ceilings: Ceilings,
    openings: VecDeque<(Timestamp, String)>,
    per_actor: HashMap<String, usize>,
}

impl Ledger {
    pub(crate) fn new(ceilings: Ceilings) -> Self {
        Self { ceilings, openings: VecDeque::new(), per_actor: HashMap::new() }
    }

    /// Whether this actor may open one more now.
    pub(crate) fn check(&mut self, actor: &str, now: Timestamp) -> Result<(), Full> {
        self.forget_before(now);
        let own = self.openings.iter().filter(|(_, by)| by == actor).map(|(at, _)| *at);
        let own_count = self.per_actor.get(actor).copied().unwrap_or(0);
        let all = self.openings.iter().map(|(at, _)| *at);
        room(own, own_count, self.ceilings.per_actor, now)?;
        room(all, self.openings.len(), self.ceilings.together, now)
    }

    /// Counts an opening. What is too old to count any more at that time is forgotten.
    pub(crate) fn record(&mut self, actor: &str, at: Timestamp) {
        self.forget_before(at);
        self.openings.push_back((at, actor.to_owned()));
        *self.per_actor.entry(actor.to_owned()).or_default() += 1;
    }

    /// How many openings there were within the last hour.
    pub(crate) fn count(&mut self, now: Timestamp) -> u32 {
        self.forget_before(now);
        u32::try_from(self.openings.len()).unwrap_or(u32::MAX)
    }

    /// Drops what is an hour old. What lies ahead of a clock that was set back counts as of now: it is
    /// kept for a whole hour more, and not for as long as the clock was wrong.
    fn forget_before(&mut self, now: Timestamp) {
        for (at, _) in self.openings.iter_mut().rev().take_while(|(at, _)| *at > now) {
            *at = now;
        }
        while let Some((at, _)) = self.openings.front()
            && now.seconds_since(*at) >= WINDOW_SECONDS
        {
            if let Some((_, actor)) = self.openings.pop_front() {
                self.uncount(&actor);
            }
        }
    }

    fn uncount(&mut self, actor: &str) {
        if let Some(count) = self.per_actor.get_mut(actor) {
            *count -= 1;
            if *count == 0 {
                self.per_actor.remove(actor);
            }
        }
    }
}

/// Room below the ceiling, or the time until enough of the oldest openings have left the window.
fn room(
    mut openings: impl Iterator<Item = Timestamp>,
    count: usize,
    ceiling: u32,
    now: Timestamp,
) -> Result<(), Full> {
    let Some(surplus) = count.checked_sub(ceiling as usize) else { return Ok(()) };
    // Under a ceiling of zero nothing ever leaves room: the whole window is as good an answer as any.
    let freed = openings.nth(surplus).map_or(now, |at| at);
    let seconds = (WINDOW_SECONDS - now.seconds_since(freed)).clamp(1, WINDOW_SECONDS);
    Err(Full { retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).plus_seconds(seconds)
    }

    fn ledger(per_actor: u32, together: u32) -> Ledger {
        Ledger::new(Ceilings { per_actor, together })
    }

    fn full(retry_after_seconds: u32) -> Result<(), Full> {
        Err(Full { retry_after_seconds })
    }

    #[test]
    fn an_actor_meets_its_ceiling_and_no_one_else_does() {
        let mut ledger = ledger(2, 10);
        ledger.record("mbr_a", at(0));
        ledger.record("mbr_a", at(600));
        assert_eq!(ledger.check("mbr_a", at(700)), full(2_900));
        assert_eq!(ledger.check("mbr_b", at(700)), Ok(()));
        assert_eq!(ledger.check("mbr_a", at(3_599)), full(1));
        assert_eq!(ledger.check("mbr_a", at(3_600)), Ok(()), "the first has left the window");
    }

    #[test]
    fn all_together_meet_theirs() {
        let mut ledger = ledger(2, 3);
        for (actor, second) in [("a", 0), ("b", 10), ("c", 20)] {
            assert_eq!(ledger.check(actor, at(second)), Ok(()));
            ledger.record(actor, at(second));
        }
        assert_eq!(ledger.check("d", at(30)), full(3_570));
        assert_eq!(ledger.count(at(30)), 3);
        assert_eq!(ledger.check("d", at(3_600)), Ok(()));
    }

    #[test]
    fn a_lowered_ceiling_waits_for_as_many_as_are_too_many() {
        let mut ledger = ledger(1, 10);
        for second in [0, 100, 200] {
            ledger.record("a", at(second));
        }
        assert_eq!(ledger.check("a", at(300)), full(3_500), "until the last of the three has left");
    }

    #[test]
    fn a_ceiling_of_zero_is_always_reached() {
        assert_eq!(ledger(0, 10).check("a", at(0)), full(3_600));
        assert_eq!(ledger(10, 0).check("a", at(0)), full(3_600));
    }

    #[test]
    fn a_long_journal_leaves_only_its_last_hour() {
        let mut ledger = ledger(5, 10);
        for minute in 0..1_000 {
            ledger.record("a", at(minute * 60));
        }
        assert_eq!(ledger.openings.len(), 60);
        assert_eq!(ledger.per_actor["a"], 60);
    }

    #[test]
    fn a_clock_set_back_forgets_nothing_and_does_not_lock_for_ever() {
        let mut ledger = ledger(1, 10);
        ledger.record("b", at(2_000_000));
        ledger.record("a", at(1_000_000));
        assert_eq!(ledger.check("a", at(0)), full(3_600));
        assert_eq!(ledger.check("b", at(0)), full(3_600));
        assert_eq!(ledger.check("a", at(3_599)), full(1));
        assert_eq!(ledger.check("a", at(3_600)), Ok(()));
    }
}
