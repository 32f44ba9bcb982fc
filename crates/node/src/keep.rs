//! Keeping, beside following: a thread of its own, so that no disk makes a revocation wait. It is handed what was
//! applied, and says how far that is safe.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use claviger_domain::event::Position;
use claviger_domain::time::Timestamp;
use claviger_store::data_node::LogLine;
use parking_lot::Mutex;

use crate::snapshot::{Journal, Marker, Place, Snapshots, Written};

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
    /// A new base, which may be behind the lines of the journal.
    Base {
        base: Written,
        contact: Timestamp,
    },
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
    wants_base: AtomicBool,
}

impl Keep {
    /// Starts the thread; `journal` is what a start from the snapshot goes on with, at `kept`.
    pub(crate) fn start(snapshots: Snapshots, journal: Option<Journal>, kept: Position) -> io::Result<Self> {
        let (orders, taken) = channel();
        let state =
            Arc::new(State { kept: AtomicI64::new(kept.0), wants_base: AtomicBool::new(journal.is_none()) });
        let keeping = Keeping {
            snapshots,
            journal,
            since: Vec::new(),
            state: Arc::clone(&state),
            marked: Timestamp::from_micros(0),
            trouble: false,
        };
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

    pub(crate) fn base(&self, base: Written, contact: Timestamp) {
        self.state.wants_base.store(false, Ordering::Relaxed);
        self.order(Order::Base { base, contact });
    }

    /// Up to where a restart would know the log.
    pub(crate) fn position(&self) -> Position {
        Position(self.state.kept.load(Ordering::Acquire))
    }

    /// Whether a new base would do good.
    pub(crate) fn wants_base(&self) -> bool {
        self.state.wants_base.load(Ordering::Relaxed)
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

/// The thread's own part.
struct Keeping {
    snapshots: Snapshots,
    journal: Option<Journal>,
    /// The lines of the journal, which a new base may not have yet.
    since: Vec<LogLine>,
    state: Arc<State>,
    marked: Timestamp,
    trouble: bool,
}

impl Keeping {
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            let done = match order {
                Order::Lines { lines, place, contact } => self.append(lines, place, contact),
                Order::Contact { contact, .. } if contact.seconds_since(self.marked) < MARK_EVERY_SECONDS => {
                    continue;
                }
                Order::Contact { place, contact } => self.mark(place, contact),
                Order::Base { base, contact } => self.adopt(base, contact),
                Order::End => return,
            };
            self.note(&done);
        }
    }

    fn append(&mut self, lines: Vec<LogLine>, place: Place, contact: Timestamp) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            // They are kept with the next base, or are in it.
            self.since.extend(lines);
            return Ok(());
        };
        if let Err(error) = journal.append(&lines) {
            // What comes next would not follow from what is there.
            self.journal = None;
            self.since.extend(lines);
            self.state.wants_base.store(true, Ordering::Relaxed);
            return Err(error);
        }
        if journal.bytes() > LONG_JOURNAL {
            self.state.wants_base.store(true, Ordering::Relaxed);
        }
        self.since.extend(lines);
        self.mark(place, contact)
    }

    fn mark(&mut self, place: Place, contact: Timestamp) -> io::Result<()> {
        if self.journal.is_none() {
            return Ok(());
        }
        self.snapshots.mark(&Marker { place, contact })?;
        self.marked = contact;
        self.state.kept.store(place.position.0, Ordering::Release);
        Ok(())
    }

    fn adopt(&mut self, base: Written, contact: Timestamp) -> io::Result<()> {
        let place = base.place();
        self.since.retain(|line| line.position > place.position);
        match self.snapshots.adopt(base, &self.since) {
            Ok(journal) => {
                self.journal = Some(journal);
                let place = self.since.last().map_or(place, |line| place.after(line));
                self.mark(place, contact)
            }
            Err(error) => {
                self.state.wants_base.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// A trouble that lasts is one line when it begins, and one when it is over.
    fn note(&mut self, done: &io::Result<()>) {
        match done {
            Err(error) if !self.trouble => {
                tracing::warn!(%error, "the snapshot can't be kept; deciding goes on from memory");
            }
            Ok(()) if self.trouble => tracing::info!("the snapshot is kept again"),
            _ => {}
        }
        self.trouble = done.is_err();
        metrics::gauge!("claviger_snapshot_kept").set(if self.trouble { 0.0 } else { 1.0 });
    }
}
