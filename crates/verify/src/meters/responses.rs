//! The last responses of each key at each API (product.md C10), until they are written down. They are a sample:
//! where there is no room, or nobody to be waited for, one is left out, and that is counted.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_domain::decision::Code;
use claviger_domain::id::ApiId;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::UsedKey;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::stripes::{STRIPES, stripe};

/// So many of one key at one API are worth keeping.
const LAST: usize = 100;
/// So many wait in a stripe at most.
const MOST: usize = 4_096;

/// What a call was answered with; no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// When the call came.
    pub at: Timestamp,
    pub api_id: Option<ApiId>,
    pub key: Option<UsedKey>,
    pub code: Code,
    /// What the caller was answered, by the upstream or by the door.
    pub status: u16,
    /// A known one: callers send words of any length.
    pub method: &'static str,
    /// Without its query.
    pub path: Box<str>,
    pub source: Option<IpAddr>,
    /// How long the caller waited for the beginning of the answer.
    pub micros: u64,
    /// Bytes of bodies, from the caller and to the caller.
    pub received: u64,
    pub sent: u64,
    pub request_id: Box<str>,
}

type Subject = (Option<ApiId>, Option<UsedKey>);

#[derive(Debug, Default)]
pub(super) struct Responses {
    stripes: [Mutex<Waiting>; STRIPES],
    left_out: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    subjects: HashMap<Subject, VecDeque<Response>>,
    many: usize,
}

impl Responses {
    pub(super) fn keep(&self, response: Response) {
        let mut response = Some(response);
        let first = stripe();
        for at in 0..STRIPES {
            // Any stripe will do; none is waited for.
            let Some(mut waiting) = self.stripes[(first + at) % STRIPES].try_lock() else { continue };
            response = response.take().and_then(|response| waiting.keep(response));
            if response.is_none() {
                return;
            }
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn take(&self, most: usize) -> Vec<Response> {
        let mut taken = Vec::new();
        for stripe in &self.stripes {
            let mut waiting = stripe.lock();
            while taken.len() < most
                && let Some(subject) = waiting.subjects.keys().next().copied()
            {
                let room = most - taken.len();
                waiting.take(subject, room, &mut taken);
            }
        }
        taken
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}

impl Waiting {
    /// Gives the response back if there is no room for it.
    fn keep(&mut self, response: Response) -> Option<Response> {
        let subject = (response.api_id, response.key);
        let of_subject = self.subjects.get(&subject).map_or(0, VecDeque::len);
        if of_subject < LAST && self.many >= MOST {
            return Some(response);
        }
        let last = self.subjects.entry(subject).or_default();
        if of_subject < LAST {
            self.many += 1;
        } else {
            last.pop_front();
        }
        last.push_back(response);
        None
    }

    /// The oldest first.
    fn take(&mut self, subject: Subject, most: usize, taken: &mut Vec<Response>) {
        let Some(last) = self.subjects.get_mut(&subject) else { return };
        let before = last.len();
        taken.extend(last.drain(..most.min(before)));
        self.many -= before - last.len();
        if last.is_empty() {
            self.subjects.remove(&subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::id::SharedKeyId;

    use super::*;

    fn response(key: u32, at: i64) -> Response {
        Response {
            at: Timestamp::from_micros(at),
            api_id: None,
            key: Some(UsedKey::Shared(SharedKeyId::from_bytes(u128::from(key).to_be_bytes()))),
            code: Code::Valid,
            status: 200,
            method: "GET",
            path: "/orders/1".into(),
            source: None,
            micros: 5,
            received: 0,
            sent: 2,
            request_id: "r".into(),
        }
    }

    #[test]
    fn of_a_busy_key_the_last_hundred_are_kept() {
        let responses = Responses::default();
        (0..1_000).for_each(|at| responses.keep(response(1, at)));
        responses.keep(response(2, 1_000));
        let mut taken = responses.take(64);
        assert_eq!(taken.len(), 64);
        taken.extend(responses.take(usize::MAX));
        let mut times: Vec<i64> = taken.iter().map(|response| response.at.as_micros()).collect();
        times.sort_unstable();
        assert_eq!(times, (900..=1_000).collect::<Vec<_>>());
        assert_eq!((responses.take(1), responses.left_out()), (Vec::new(), 0));
    }

    #[test]
    fn memory_stays_bounded_and_what_is_left_out_is_counted() {
        let responses = Responses::default();
        let (kept, sent) = (u64::try_from(STRIPES * MOST).expect("small"), 70_000_u32);
        (0..sent).for_each(|key| responses.keep(response(key, 0)));
        assert_eq!(responses.left_out(), u64::from(sent) - kept);
        assert_eq!(responses.take(usize::MAX).len(), STRIPES * MOST);
    }
}
