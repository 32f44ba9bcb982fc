//! Keeping, beside following: a thread of its own, so that no disk makes a revocation wait. It is handed what was
//! applied, and says how far that is safe.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use claviger_domain::event::Position;
use claviger_domain::time::Timestamp;
use claviger_store::data_node::LogLine;
use parking_lot::Mutex;

use crate::snapshot::{Journal, Marker, Place, Snapshots, Written};

mod held;
mod renewal;

use held::Held;
use renewal::Renewal;

/// A journal that is longer is worth a new base.
const LONG_JOURNAL: u64 = 32 << 20;

/// How often the age of what is kept is written down while the log has nothing new.
const MARK_EVERY_SECONDS: i64 = 2;

/// What is to be kept.
enum Order {
    /// These lines were applied.
    Lines {
        lines: Vec<LogLine>,
        place: Place,
        contact: Timestamp,
    },
    /// The log was heard of, and had nothing new.
    Contact {
        place: Place,
        contact: Timestamp,
    },
    /// A new base, which may be behind the lines of the journal, handed over at `now`.
    Base {
        base: Written,
        contact: Timestamp,
        now: Timestamp,
    },
    /// A new base could not be written.
    NoBase(io::Error),
    End,
}

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Keep {
    orders: Sender<Order>,
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    kept: AtomicI64,
    renewal: Mutex<Renewal>,
}

impl Keep {
    /// Starts the thread; `journal` is what a start from the snapshot goes on with, at `kept`.
    pub(crate) fn start(snapshots: Snapshots, journal: Option<Journal>, kept: Position) -> io::Result<Self> {
        let (orders, taken) = channel();
        let renewal = Mutex::new(Renewal::new(journal.is_none()));
        let state = Arc::new(State { kept: AtomicI64::new(kept.0), renewal });
        let keeping = Keeping::new(snapshots, journal, kept, Arc::clone(&state));
        let thread =
            std::thread::Builder::new().name("snapshot".into()).spawn(move || keeping.run(&taken))?;
        Ok(Self { orders, state, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn lines(&self, lines: Vec<LogLine>, place: Place, contact: Timestamp) {
        self.order(Order::Lines { lines, place, contact });
    }

    pub(crate) fn contact(&self, place: Place, contact: Timestamp) {
        self.order(Order::Contact { place, contact });
    }

    pub(crate) fn base(&self, base: Written, contact: Timestamp, now: Timestamp) {
        self.state.renewal.lock().began();
        self.order(Order::Base { base, contact, now });
    }

    /// The disk did not take a new base.
    pub(crate) fn no_base(&self, error: io::Error, now: Timestamp) {
        self.pause(now);
        self.order(Order::NoBase(error));
    }

    /// A new base came to nothing: the next one can wait.
    pub(crate) fn pause(&self, now: Timestamp) {
        self.state.renewal.lock().failed(now);
    }

    /// Up to where a restart would know the log.
    pub(crate) fn position(&self) -> Position {
        Position(self.state.kept.load(Ordering::Acquire))
    }

    /// Whether a new base would do good, and was not tried just now.
    pub(crate) fn wants_base(&self, now: Timestamp) -> bool {
        self.state.renewal.lock().is_due(now)
    }

    /// Keeps what it was handed, and ends.
    pub(crate) fn end(&self) {
        self.order(Order::End);
        if let Some(thread) = self.thread.lock().take() {
            // It ends by itself, or panicked: what it kept is whole either way.
            let _ = thread.join();
        }
    }

    fn order(&self, order: Order) {
        // Without a thread nothing is kept, and the position says so.
        let _ = self.orders.send(order);
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        self.end();
    }
}

/// What came of an order.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    /// It is on the disk.
    Kept,
    /// Nothing was written: it waits for the next base.
    Waits,
}

/// The thread's own part.
struct Keeping {
    snapshots: Snapshots,
    /// None: there is none, or it can't be gone on with.
    journal: Option<Journal>,
    /// Up to where base and journal reach.
    reached: Position,
    held: Held,
    state: Arc<State>,
    marked: Timestamp,
    trouble: bool,
}

impl Keeping {
    fn new(snapshots: Snapshots, journal: Option<Journal>, reached: Position, state: Arc<State>) -> Self {
        let (held, marked) = (Held::default(), Timestamp::from_micros(0));
        Self { snapshots, journal, reached, held, state, marked, trouble: false }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            match order {
                Order::End => return,
                order => self.take(order),
            }
        }
    }

    fn take(&mut self, order: Order) {
        let done = match order {
            Order::Lines { lines, place, contact } => self.append(lines, place, contact),
            Order::Contact { contact, .. } if contact.seconds_since(self.marked) < MARK_EVERY_SECONDS => {
                return;
            }
            Order::Contact { place, contact } => self.mark(place, contact),
            Order::Base { base, contact, now } => match self.adopt(base) {
                Ok(place) => self.mark(place, contact),
                Err(error) => {
                    self.state.renewal.lock().failed(now);
                    self.no_base(error)
                }
            },
            Order::NoBase(error) => self.no_base(error),
            Order::End => return,
        };
        self.note(&done);
    }

    fn append(&mut self, lines: Vec<LogLine>, place: Place, contact: Timestamp) -> io::Result<Done> {
        let appended = self.add(&lines);
        self.held.extend(lines);
        match appended? {
            Done::Kept => self.mark(place, contact),
            Done::Waits => Ok(Done::Waits),
        }
    }

    /// Adds the lines to the journal. Without one they are kept with the next base, or are in it; as those are that a
    /// base has which was read further than was followed.
    fn add(&mut self, lines: &[LogLine]) -> io::Result<Done> {
        let Some(journal) = &mut self.journal else { return Ok(Done::Waits) };
        let (_, lines) = lines.split_at(lines.partition_point(|line| line.position <= self.reached));
        let follows = lines.first().is_none_or(|first| first.position.0 == self.reached.0 + 1);
        let appended = if follows { journal.append(lines) } else { Err(gap()) };
        let long = journal.bytes() > LONG_JOURNAL;
        if appended.is_err() {
            // What comes next would not follow from what is there.
            self.journal = None;
        }
        if appended.is_err() || long {
            self.state.renewal.lock().want();
        }
        self.reached = lines.last().map_or(self.reached, |line| line.position);
        appended.map(|()| Done::Kept)
    }

    fn mark(&mut self, place: Place, contact: Timestamp) -> io::Result<Done> {
        if self.journal.is_none() {
            return Ok(Done::Waits);
        }
        if place.position < self.reached {
            // The base was read further, and the marker says so.
            return Ok(Done::Waits);
        }
        if place.position > self.reached {
            // All was loaded anew, and the base of that was not kept.
            self.journal = None;
            self.state.renewal.lock().want();
            return Err(gap());
        }
        self.snapshots.mark(&Marker { place, contact })?;
        self.marked = contact;
        self.state.kept.store(place.position.0, Ordering::Release);
        Ok(Done::Kept)
    }

    /// Puts a new base in place, and answers how far it and its journal reach.
    fn adopt(&mut self, base: Written) -> io::Result<Place> {
        let place = base.place();
        let since = self.held.after(place.position).ok_or_else(gap)?;
        let place = since.last().map_or(place, |line| place.after(line));
        if place.position.0 < self.state.kept.load(Ordering::Acquire) {
            return Err(gap());
        }
        let ready = self.snapshots.ready(base, since)?;
        // Of an error nobody can say which base it left, so that neither's journal is gone on with.
        self.journal = None;
        self.journal = Some(self.snapshots.replace(ready)?);
        self.reached = place.position;
        self.state.renewal.lock().succeeded();
        Ok(place)
    }

    /// Without a new base the old one and its journal are gone on with, if they can be.
    fn no_base(&self, error: io::Error) -> io::Result<Done> {
        if self.journal.is_none() {
            return Err(error);
        }
        tracing::warn!(%error, "the snapshot can't be written anew; its journal goes on growing");
        Ok(Done::Waits)
    }

    /// A trouble that lasts is one line when it begins, and one when it is over.
    fn note(&mut self, done: &io::Result<Done>) {
        match done {
            // The disk was not asked.
            Ok(Done::Waits) => return,
            Err(error) if !self.trouble => {
                tracing::warn!(%error, "the snapshot can't be kept; deciding goes on from memory");
            }
            Ok(Done::Kept) if self.trouble => tracing::info!("the snapshot is kept again"),
            _ => {}
        }
        self.trouble = done.is_err();
        metrics::gauge!("claviger_snapshot_kept").set(if self.trouble { 0.0 } else { 1.0 });
    }
}

/// What is at hand does not follow from what is kept.
fn gap() -> io::Error {
    io::Error::other("the log went on meanwhile by more than was held; it is read anew")
}

#[cfg(test)]
mod tests;
