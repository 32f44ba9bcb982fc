//! The program as a person at a shell has it: the built binary, real servers, real processes.

#[path = "cli/grammar.rs"]
mod grammar;

use claviger_testkit::Claviger;

/// An installation with nothing in it.
fn claviger() -> Claviger {
    Claviger::new(env!("CARGO_BIN_EXE_claviger"))
}
