//! Which stripe a thread counts in, so that threads do not fight over cache lines.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many as threads decide on most machines.
pub(super) const STRIPES: usize = 16;

/// The stripe of this thread.
pub(super) fn stripe() -> usize {
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
