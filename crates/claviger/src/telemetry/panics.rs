//! A panic says where it happened, and nothing of what was at hand: its message may quote a value.

use std::panic;

/// From here on a panic is one log line with its place in the source.
pub(crate) fn silence() {
    panic::set_hook(Box::new(|panicked| {
        let place = panicked.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), "panicked");
    }));
}
