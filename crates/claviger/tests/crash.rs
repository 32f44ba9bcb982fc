//! The server, and the database under it, ended at random instants while eight clients write. Every answered
//! write is there, no unanswered one is half there, the log's chain verifies, the tables are what the log
//! says, and the verifier's index is what the tables say.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "crash/checks.rs"]
mod checks;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/writers.rs"]
mod writers;
