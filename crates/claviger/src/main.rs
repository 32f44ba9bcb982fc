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

fn main() -> ExitCode {
    commands::main()
}
