//! The program's gateway with the programs that callers use: curl, git, TLS under a certificate that is replaced.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "gateway/counting.rs"]
mod counting;
#[path = "gateway/git.rs"]
mod git;
#[path = "gateway/installation.rs"]
mod installation;
#[path = "gateway/large.rs"]
mod large;
#[path = "gateway/nodes.rs"]
mod nodes;
#[path = "gateway/secured.rs"]
mod secured;
#[path = "gateway/trials.rs"]
mod trials;
