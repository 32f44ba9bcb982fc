//! What decisions leave behind in memory: how many calls each key made at each API, with which code, in which
//! minute; how long answers took; and the last responses (product.md C10, E6). Counting takes no lock and waits for
//! nobody, and two cores that see the same busy keys do not fight over one cache line. Writing it down, in batches,
//! is the service's part.

mod collected;
mod latency;
mod responses;
mod stripes;
mod table;
mod uncounted;
mod usage;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_domain::decision::Code;
use claviger_domain::id::ServiceKeyId;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::UsedKey;
use parking_lot::Mutex;

pub use self::latency::Latency;
pub use self::responses::Response;
pub use self::uncounted::Uncounted;
pub use self::usage::{Measure, Usage};

use self::collected::Collected;
use self::responses::Responses;
use self::stripes::{STRIPES, stripe};
use self::table::Table;
use self::usage::{Minute, Seen};
use crate::index::Decision;

const CODES: usize = Code::ALL.len();

/// Windows of the tables of one stripe; each table is made when the one before has no room.
const FINE: [usize; 4] = [64, 256, 1_024, 4_096];
/// The same for calls that no room was left for by key.
const COARSE: [usize; 1] = [64];

/// The meters of a node.
#[derive(Debug, Default)]
pub struct Meters {
    stripes: [Stripe; STRIPES],
    /// What was taken out of the stripes and waits to be written down. Only who collects holds it.
    collected: Mutex<Collected>,
    responses: Responses,
}

/// The counters of one thread, or of a few, alone on their cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    /// Since the start, for metrics.
    decisions: Counters,
    /// By key, API, measure and minute.
    fine: Table<{ FINE.len() }>,
    /// By API, measure and minute, when there was no room by key.
    coarse: Table<{ COARSE.len() }>,
    /// By code alone, when there was no room by API either.
    rest: Counters,
    /// How many were counted without their key, since the start.
    coarsened: AtomicU64,
}

#[derive(Debug)]
struct Counters([AtomicU64; CODES]);

impl Default for Counters {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; CODES])
    }
}

impl Meters {
    /// Counts the decision: every call that was decided on is counted once, whatever becomes of it.
    pub fn observe(&self, decision: &Decision, source: Option<IpAddr>, now: Timestamp) {
        self.count(decision.code(), Seen::decided(decision, now), source);
    }

    /// Sees to it that a call is counted which waits for what limits it, if whoever made it does not wait so long.
    pub fn waiting_for_limits(
        &self,
        decision: &Decision,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Uncounted<'_> {
        Uncounted::new(self, decision.code(), Seen::decided(decision, now), source)
    }

    fn count(&self, code: Code, seen: Seen, source: Option<IpAddr>) {
        let stripe = &self.stripes[stripe()];
        // Codes are declared in the order of `Code::ALL`.
        stripe.decisions.0[code as usize].fetch_add(1, Ordering::Relaxed);
        if !stripe.count(seen, source) {
            stripe.rest.0[code as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Marks a service key as used: it was good.
    pub fn signed_in(&self, id: ServiceKeyId, source: Option<IpAddr>, now: Timestamp) {
        let key = Some(UsedKey::Service(id));
        let seen = Seen { minute: Minute::of(now), api_id: None, key, measure: Measure::SignedIn };
        // A mark that there is no room for is left to the next one.
        self.stripes[stripe()].fine.count(&seen, source);
    }

    /// Counts how long an answer took, and keeps the response as one of the key's last.
    pub fn answered(&self, response: Response) {
        let seen = Seen {
            minute: Minute::of(response.at),
            api_id: response.api_id,
            key: response.key,
            measure: Measure::Answered(Latency::of(response.micros)),
        };
        // A time that there is no room for is left out; its call is counted all the same.
        self.stripes[stripe()].fine.count(&seen, None);
        self.responses.keep(response);
    }

    /// How many decisions had each code, since the start.
    pub fn decisions(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        Code::ALL.into_iter().enumerate().map(|(at, code)| {
            let of = |stripe: &Stripe| stripe.decisions.0[at].load(Ordering::Relaxed);
            (code, self.stripes.iter().map(of).sum())
        })
    }

    /// Takes what was counted out of the way of calls. To be done about once a second: until then a stripe has
    /// room for some 32,000 different combinations, and counts the rest by API or by code alone.
    pub fn collect(&self, now: Timestamp) {
        let mut collected = self.collected.lock();
        let minute = Minute::of(now);
        for stripe in &self.stripes {
            stripe.fine.drain(minute, |usage| collected.add(usage));
            stripe.coarse.drain(minute, |usage| collected.add(usage));
            for (code, rest) in Code::ALL.into_iter().zip(&stripe.rest.0) {
                let calls = rest.swap(0, Ordering::Relaxed);
                if calls > 0 {
                    collected.add(Usage::of_code(minute, code, calls));
                }
            }
        }
    }

    /// Takes some of what was collected, to be written down.
    pub fn take_usage(&self, most: usize) -> Vec<Usage> {
        self.collected.lock().take(most)
    }

    /// Takes some of the last responses, to be written down.
    pub fn take_responses(&self, most: usize) -> Vec<Response> {
        self.responses.take(most)
    }

    /// How many counts wait to be written down.
    pub fn waiting(&self) -> usize {
        self.collected.lock().len()
    }

    /// How many calls were counted without their key, or by the hour, for lack of room.
    pub fn coarsened(&self) -> u64 {
        let stripes = self.stripes.iter().map(|stripe| stripe.coarsened.load(Ordering::Relaxed));
        stripes.sum::<u64>() + self.collected.lock().coarsened()
    }

    /// How many responses were left out for lack of room.
    pub fn responses_left_out(&self) -> u64 {
        self.responses.left_out()
    }
}

impl Stripe {
    /// False if there was no room, with the key or without.
    fn count(&self, seen: Seen, source: Option<IpAddr>) -> bool {
        if self.fine.count(&seen, source) {
            return true;
        }
        self.coarsened.fetch_add(1, Ordering::Relaxed);
        self.coarse.count(&Seen { key: None, ..seen }, None)
    }
}

impl<const N: usize> Default for Table<N> {
    fn default() -> Self {
        Self::new(if N == FINE.len() { &FINE } else { &COARSE })
    }
}

#[cfg(test)]
mod tests;
