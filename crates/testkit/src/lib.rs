//! What the tests of several crates share: real servers, started by the tests themselves on loopback ports
//! in temporary folders, and gone when the test is. Nothing here is mocked, skipped or retried: a missing
//! program fails the test that needs it, and says which package has it.
//!
//! Everything blocks: starting a server is a matter of processes and files, and a test may wait for it.
//! What goes wrong here is never a test's subject, so functions panic with the server's own log.

mod ambient;
mod browser;
mod claviger;
mod data_node;
mod git_host;
mod keeper;
mod memory;
mod ports;
mod postgres;
mod probe;
mod process;
mod programs;
mod proxies;
mod redis;
mod thief;
mod upstream;

pub use ambient::{
    KILLS_VARIABLE, POSTGRES_VARIABLE, SEED_VARIABLE, SOAK_SAYS, SOAK_VARIABLE, kills, seed, soak_seconds,
};
pub use browser::Browser;
pub use claviger::{Claviger, Example, Initialised, Output, Server};
pub use data_node::DataNode;
pub use git_host::{GitHost, Repository};
pub use keeper::{enter_keeper, keeper_arguments};
pub use memory::Memory;
pub use ports::{Port, free_port};
pub use postgres::{Database, Postgres};
pub use programs::locate;
pub use proxies::{Caddy, Envoy, HaProxy, Nginx};
pub use redis::Redis;
pub use thief::{Cell, open_sealed, secrets_of};
pub use upstream::{Seen, Upstream};
