//! The REST face on the real service: a real database, a real keeper (this program, started again), and a
//! clock that stands still until it is moved.

mod answers;
mod bad_input;
mod before_routing;
mod call;
mod callers;
mod documents;
mod fixtures;
mod frame;
mod key_pairs;
mod portal;
mod routes;
mod server;
mod sharing;
mod twins;
mod world;

claviger_testkit::be_the_keeper!();
