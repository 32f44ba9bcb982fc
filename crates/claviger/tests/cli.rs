//! The program as a person at a shell has it: the built binary, real servers, real processes.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "cli/grammar.rs"]
mod grammar;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/keeper.rs"]
mod keeper;
#[path = "cli/key_pairs.rs"]
mod key_pairs;
#[path = "cli/limits.rs"]
mod limits;
#[path = "cli/nodes.rs"]
mod nodes;
#[path = "cli/nouns.rs"]
mod nouns;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/quickstart.rs"]
mod quickstart;
#[path = "cli/seconds.rs"]
mod seconds;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/shell.rs"]
mod shell;
#[path = "cli/signing.rs"]
mod signing;
#[path = "cli/workspace.rs"]
mod workspace;

use claviger_testkit::Claviger;

use shell::Shell;

/// An installation with nothing in it.
fn claviger() -> Claviger {
    Claviger::new(env!("CARGO_BIN_EXE_claviger"))
}
