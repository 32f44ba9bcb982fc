//! The keeper: a process of its own which alone can open what is sealed (security.md 1, 5 and 12).
//!
//! It holds the master key and the root secret that the master key seals, derives a key for each purpose
//! from that, and answers a handful of messages typed by purpose over the socket pair it inherited. Every
//! opening and signature is written to its own chained journal, and synced, before the answer leaves; ceilings
//! bound how many there are in an hour. There is one other door, an ssh-agent for one sign-in at a time, and no
//! more: no async runtime, no HTTP, no SQL.
//!
//! Three parts may be named from outside: [`client`], which starts the process and asks it; [`process`],
//! which is the process; and [`journal`], with which `doctor` compares the keeper's book with the log.

mod agent;
mod ambient;
mod bundle;
pub mod client;
mod desk;
mod envelope;
mod files;
pub mod journal;
mod jwt;
pub mod keys;
mod ledger;
mod ledgers;
mod pair;
mod pairs;
mod place;
pub mod process;
pub mod sandbox;
mod serve;
mod start;
mod tree;
mod wire;

pub use agent::AgentOutcome;
pub use bundle::{NODE_KEY_LENGTH, NodeKey, Recipient};
pub use client::{AgentLease, Keeper, KeeperError};
pub use keys::{Keys, NodeKeys};
pub use ledger::Ceilings;
pub use ledgers::AllCeilings;
pub use pairs::{MadePair, MakePair, OpenAgent, SignJwt};
pub use place::{Open, Place, Purpose, Seal};
pub use tree::RootFingerprint;
