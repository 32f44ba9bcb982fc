//! What decisions leave behind in memory: how many had which code, and when each Key was last used.
//! Observing takes no lock that anybody waits for, and two cores that see the same busy Keys do not
//! fight over one cache line. Writing it down, in batches, is the service's part.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use claviger_domain::decision::Code;
use claviger_domain::id::KeyId;
use claviger_domain::time::Timestamp;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::index::{Decision, Minute};

const STRIPES: usize = 16;
const CODES: usize = Code::ALL.len();

/// The meters of one door, or of all.
#[derive(Debug, Default)]
pub struct Meters {
    decisions: [Stripe; STRIPES],
    last_used: LastUsed,
}

/// Counters of one thread or a few, alone on their cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe([AtomicU64; CODES]);

impl Default for Stripe {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; CODES])
    }
}

impl Meters {
    /// Counts the decision, and marks the Key as used if the call may pass.
    pub fn observe(&self, decision: &Decision, source: Option<IpAddr>, now: Timestamp) {
        self.count(decision.code());
        let minute = Minute::of(now);
        if !decision.allowed() || decision.is_marked(minute) {
            return;
        }
        if let Some(key) = decision.key_id()
            && self.last_used.mark(key, source, now)
        {
            decision.mark(minute);
        }
    }

    /// How many decisions had each code, since the start.
    pub fn decisions(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        Code::ALL.into_iter().enumerate().map(|(at, code)| {
            (code, self.decisions.iter().map(|stripe| stripe.0[at].load(Ordering::Relaxed)).sum())
        })
    }

    /// When Keys were last used; to be drained and written down now and then.
    pub const fn last_used(&self) -> &LastUsed {
        &self.last_used
    }

    fn count(&self, code: Code) {
        // Codes are declared in the order of `Code::ALL`.
        self.decisions[stripe()].0[code as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// The last use of one Key, exact to a minute (product.md E6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub key_id: KeyId,
    /// The beginning of the minute.
    pub at: Timestamp,
    pub source: Option<IpAddr>,
}

const MICROS_PER_MINUTE: i64 = 60_000_000;
/// So many marks wait in a stripe at most. They are drained every few seconds; when nobody does, the
/// newest are left out.
const MAX_WAITING: usize = 65_536;

/// Marks of use that wait to be written down.
#[derive(Default)]
pub struct LastUsed {
    waiting: [Mutex<Vec<Use>>; STRIPES],
    /// Those that could not be written down: one per Key.
    kept: Mutex<HashMap<KeyId, Use>>,
}

impl std::fmt::Debug for LastUsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastUsed")
    }
}

impl LastUsed {
    /// Marks the Key as used in this minute. False if there was no room at once.
    fn mark(&self, key: KeyId, source: Option<IpAddr>, now: Timestamp) -> bool {
        let minute = now.as_micros().div_euclid(MICROS_PER_MINUTE);
        let mark = Use { key_id: key, at: Timestamp::from_micros(minute * MICROS_PER_MINUTE), source };
        // Any stripe will do, they are merged when drained; none is waited for.
        let first = stripe();
        (0..STRIPES).any(|at| {
            let waiting = self.waiting[(first + at) % STRIPES].try_lock();
            waiting
                .filter(|waiting| waiting.len() < MAX_WAITING)
                .map(|mut waiting| waiting.push(mark))
                .is_some()
        })
    }

    /// Takes all marks, the latest of each Key.
    pub fn drain(&self) -> Vec<Use> {
        let mut latest = std::mem::take(&mut *self.kept.lock());
        for stripe in &self.waiting {
            let marks = std::mem::take(&mut *stripe.lock());
            marks.into_iter().for_each(|mark| keep_later(&mut latest, mark));
        }
        latest.into_values().collect()
    }

    /// Puts marks back that could not be written down.
    pub fn restore(&self, marks: impl IntoIterator<Item = Use>) {
        let mut kept = self.kept.lock();
        marks.into_iter().for_each(|mark| keep_later(&mut kept, mark));
    }
}

fn keep_later(marks: &mut HashMap<KeyId, Use>, mark: Use) {
    let kept = marks.entry(mark.key_id).or_insert(mark);
    if kept.at < mark.at {
        *kept = mark;
    }
}

/// The stripe of this thread.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        mine.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> KeyId {
        KeyId::from_bytes([n; 16])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_latest_mark_of_each_key_is_drained() {
        let used = LastUsed::default();
        let source: Option<IpAddr> = Some("192.0.2.7".parse().expect("an address"));
        assert!(used.mark(key(1), source, at(61)));
        assert_eq!(used.drain(), [Use { key_id: key(1), at: at(60), source }]);
        used.mark(key(1), None, at(120));
        used.mark(key(2), None, at(121));
        used.mark(key(1), source, at(180));
        let mut drained = used.drain();
        drained.sort_by_key(|mark| mark.key_id);
        let expected =
            [Use { key_id: key(1), at: at(180), source }, Use { key_id: key(2), at: at(120), source: None }];
        assert_eq!(drained, expected);
        assert_eq!(used.drain(), []);
    }

    #[test]
    fn memory_stays_bounded_when_nobody_drains() {
        let used = LastUsed::default();
        let marked = (0..STRIPES * MAX_WAITING + 1_000).filter(|_| used.mark(key(1), None, at(60))).count();
        assert_eq!(marked, STRIPES * MAX_WAITING);
    }

    #[test]
    fn what_could_not_be_written_down_waits_and_never_hides_a_later_use() {
        let used = LastUsed::default();
        used.mark(key(1), None, at(60));
        let drained = used.drain();
        used.mark(key(1), None, at(120));
        used.restore(drained);
        assert_eq!(used.drain(), [Use { key_id: key(1), at: at(120), source: None }]);
    }

    #[test]
    fn threads_mark_and_count_side_by_side_and_nothing_is_lost() {
        let meters = Meters::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let meters = &meters;
                scope.spawn(move || {
                    for n in 0..2_000_u32 {
                        meters.count(Code::Valid);
                        let id = KeyId::from_bytes(u128::from(n * 4 + thread).to_be_bytes());
                        while !meters.last_used.mark(id, None, at(60)) {}
                    }
                });
            }
        });
        let valid = meters.decisions().find(|(code, _)| *code == Code::Valid);
        assert_eq!(valid, Some((Code::Valid, 8_000)));
        assert_eq!(meters.last_used.drain().len(), 8_000);
    }
}
