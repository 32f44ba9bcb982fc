//! What a thing was told to be, one after the other, and when: and so what a call may have met of it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Within which other nodes enforce a change (product.md F4).
pub(crate) const BOUND: Duration = Duration::from_secs(1);

/// From when it was sent to when it was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// States of one thing, from the oldest.
#[derive(Debug)]
pub(crate) struct Timeline<S> {
    first: S,
    changes: Vec<Change<S>>,
}

#[derive(Debug)]
struct Change<S> {
    to: S,
    sent: Instant,
    /// None: nobody knows yet whether it was done.
    answered: Option<Instant>,
}

impl<S: Copy> Timeline<S> {
    pub(crate) const fn new(first: S) -> Self {
        Self { first, changes: Vec::new() }
    }

    /// The change is about to be sent.
    pub(crate) fn begin(&mut self, to: S, sent: Instant) {
        self.changes.push(Change { to, sent, answered: None });
    }

    /// The last change was answered.
    pub(crate) fn end(&mut self, answered: Instant) {
        if let Some(change) = self.changes.last_mut() {
            change.answered = Some(answered);
        }
    }

    pub(crate) fn last(&self) -> S {
        self.changes.last().map_or(self.first, |change| change.to)
    }

    /// All states that a call may have met, where a change must be enforced by `deadline` of its answer: one counts from
    /// when it was sent for to the deadline of the one after it.
    pub(crate) fn met(&self, call: Span, deadline: impl Fn(Instant) -> Instant) -> Vec<S> {
        let mut met = Vec::new();
        for change in self.changes.iter().rev() {
            if change.sent <= call.answered {
                met.push(change.to);
            }
            if change.answered.is_some_and(|answered| deadline(answered) < call.sent) {
                return met;
            }
        }
        met.push(self.first);
        met
    }
}

/// When PostgreSQL was away.
#[derive(Debug, Default)]
pub(crate) struct Outages(Mutex<Vec<(Instant, Option<Instant>)>>);

impl Outages {
    pub(crate) fn begin(&self) {
        self.0.lock().push((Instant::now(), None));
    }

    pub(crate) fn end(&self) {
        if let Some(last) = self.0.lock().last_mut() {
            last.1 = Some(Instant::now());
        }
    }

    /// When the last one began before this instant and lasted until it, or to within `margin` of it.
    pub(crate) fn since(&self, at: Instant, margin: Duration) -> Option<Instant> {
        let outages = self.0.lock();
        let mut over = outages
            .iter()
            .filter(|(from, to)| *from <= at && to.is_none_or(|to| to + margin >= at))
            .map(|(from, _)| *from);
        over.next()
    }

    /// By when another node enforces what was answered at this instant: within the bound; what was answered so shortly
    /// before an outage that the node did not hear of it, within the bound from when PostgreSQL is back.
    pub(crate) fn deadline(&self, answered: Instant) -> Instant {
        let mut deadline = answered + BOUND;
        for (from, to) in &*self.0.lock() {
            match to {
                _ if *from > deadline => break,
                None => return Instant::now() + BOUND,
                Some(to) if *to >= answered => deadline = deadline.max(*to + BOUND),
                Some(_) => {}
            }
        }
        deadline
    }
}

#[test]
fn a_call_meets_what_it_may_have_met_and_nothing_else() {
    let began = Instant::now();
    let at = |seconds: u64| began + Duration::from_secs(seconds);
    let call = |sent, answered| Span { sent: at(sent), answered: at(answered) };
    let within_a_second = |answered| answered + BOUND;
    let mut timeline = Timeline::new('a');
    timeline.begin('b', at(10));
    assert_eq!(timeline.met(call(1, 9), within_a_second), ['a']);
    assert_eq!(timeline.met(call(1, 10), within_a_second), ['b', 'a']);
    timeline.end(at(20));
    assert_eq!(timeline.met(call(21, 22), within_a_second), ['b', 'a']);
    assert_eq!(timeline.met(call(22, 23), within_a_second), ['b']);
    timeline.begin('a', at(30));
    timeline.end(at(31));
    assert_eq!(timeline.met(call(23, 29), within_a_second), ['b']);
    assert_eq!(timeline.met(call(40, 41), within_a_second), ['a']);
    assert_eq!(timeline.met(call(15, 41), within_a_second), ['a', 'b', 'a']);
    assert_eq!(timeline.last(), 'a');
}

#[test]
fn an_outage_puts_off_what_it_kept_a_node_from_hearing() {
    let outages = Outages::default();
    let early = Instant::now();
    let before = early + Duration::from_secs(10);
    *outages.0.lock() = vec![(before + BOUND / 2, Some(before + Duration::from_secs(60)))];
    let back = before + Duration::from_secs(60) + BOUND;
    assert_eq!(outages.deadline(early), early + BOUND, "heard of long before");
    assert_eq!(outages.deadline(before), back);
    assert_eq!(outages.deadline(before + Duration::from_secs(60)), back);
    let long_after = before + Duration::from_secs(90);
    assert_eq!(outages.deadline(long_after), long_after + BOUND);
    assert!(outages.since(before + Duration::from_secs(30), Duration::ZERO).is_some());
    assert!(outages.since(long_after, Duration::ZERO).is_none());
}
