//! Crashes: the real server, its keeper and PostgreSQL ended at random instants while eight clients write.
//! Every answered write is there, no unanswered one is half there, the chain of hashes and the tables fit the
//! log, and an index that followed the log through it all equals one that is loaded from the tables.
//!
//! The test command runs ten kills per database; `cargo xtask soak` runs as many as it is told.

#[path = "crash/clients.rs"]
mod clients;
#[path = "crash/index.rs"]
mod index;
#[path = "crash/installation.rs"]
mod installation;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/observe.rs"]
mod observe;
#[path = "crash/thing.rs"]
mod thing;
