//! What the program says about itself: log lines, metrics, and what is left of a panic.

mod logs;
mod metrics;
mod panics;

pub(crate) use logs::begin as begin_logs;
pub(crate) use metrics::{Metrics, UPKEEP};
pub(crate) use panics::silence as silence_panics;
