//! The program: the command line, and the root where all floors of the house are put together.

mod arguments;
mod commands;
mod configuration;
mod documentation;
mod environment;
mod rest;
mod server;
mod telemetry;
mod terminal;

use std::process::ExitCode;

/// Most of a call's memory is small and soon given back, which this one does for less than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::main()
}
