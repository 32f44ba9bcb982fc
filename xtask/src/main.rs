//! Claviger's own tasks, run as `cargo xtask NAME`: one file or folder each.

mod bench;
mod docs;
mod house;
mod shell;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// Claviger's own tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Checks what a compiler can't: forbidden edges, house numbers, promises and their tests.
    Tidy,
    /// Writes the generated parts of the documents anew.
    Docs,
    /// Installs what is missing, checks everything and runs every test.
    Test(test::Arguments),
    /// Measures what a call costs the real server, against baselines on the same stack.
    Bench(bench::Arguments),
    /// Runs the crash tests with hundreds of kills.
    Soak(soak::Arguments),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Tidy => tidy::run(),
        Task::Docs => docs::run(),
        Task::Test(arguments) => test::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Soak(arguments) => soak::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
