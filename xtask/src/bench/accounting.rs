//! What the kernel knows: how long the threads of processes ran, and on which core they may.

use std::fs;

use anyhow::{Context as _, Result};

use crate::shell;

/// How long all threads of these processes have run, in nanoseconds. Threads that ended meanwhile are not in it:
/// the servers here keep theirs.
pub(super) fn processor_nanoseconds(processes: &[u32]) -> Result<u64> {
    processes.iter().map(|process| of_one(*process)).sum()
}

fn of_one(process: u32) -> Result<u64> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).context("the server's threads")?;
    let mut total = 0;
    for thread in threads {
        let path = thread?.path().join("schedstat");
        let Ok(statistics) = fs::read_to_string(path) else { continue };
        let ran = statistics.split_whitespace().next().context("the kernel's accounting")?;
        total += ran.parse::<u64>()?;
    }
    Ok(total)
}

/// Binds this process to one core, and whatever it starts from then on: a server there finds that it has one core,
/// and has as many workers.
pub(super) fn move_to(core: usize) -> Result<()> {
    let (core, process) = (core.to_string(), std::process::id().to_string());
    shell::read(&mut shell::command("taskset", &["--all-tasks", "--cpu-list", "--pid", &core, &process]))?;
    Ok(())
}
