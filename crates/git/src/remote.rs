//! The host, as `ssh` reaches it: which of its addresses, with which key, and what it means when it ends.

mod configuration;
mod log;
mod session;
mod verdict;

pub(crate) use configuration::{KNOWN_HOSTS, SignIn, configuration, known_hosts};
pub(crate) use session::{Ended, Session};
pub(crate) use verdict::{of_conversation, of_push, of_ssh, out_of_sync};
