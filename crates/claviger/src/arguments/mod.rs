//! The command line in two levels: what was typed, and what it means. Nothing downstream sees the first.

mod meant;
mod typed;

pub(crate) use meant::{Invocation, Misuse};
pub(crate) use typed::{Page, Shell, command};
