//! How much a job may take: of the host's answers, of this machine, and of time.

use std::time::Duration;

/// The limits of one job, and of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the document.
    pub document_bytes: u64,
    /// Of all that the host sends as the newest state of the repository, packed.
    pub pack_bytes: u64,
    /// Of the host's list of branches and tags.
    pub listing_bytes: u64,
    /// Of each process.
    pub memory_bytes: u64,
    /// Of each process, in seconds of computing.
    pub cpu_seconds: u64,
    /// Until a host must have said its first word.
    pub connect: Duration,
    /// For all of the job.
    pub time: Duration,
    /// How many run at once; others wait.
    pub jobs: usize,
    /// How long they wait.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            document_bytes: 5 * MIB,
            pack_bytes: 64 * MIB,
            listing_bytes: 32 * MIB,
            memory_bytes: 512 * MIB,
            cpu_seconds: 60,
            connect: Duration::from_secs(10),
            time: Duration::from_secs(60),
            jobs: 4,
            wait: Duration::from_secs(120),
        }
    }
}
