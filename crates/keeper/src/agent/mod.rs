//! The keeper's second door: an ssh-agent with one key, for one sign-in of one user to one host.
//!
//! A listening socket comes from the parent; the first who connects to it is asked for its user id, and gets the
//! one key shown; nobody else is let in. It signs once, only after OpenSSH's `session-bind@openssh.com` has proved which host the session is with,
//! only if that host is pinned, and only the request by which that user signs in to that very session
//! (security.md 6). Everything else is answered `SSH_AGENT_FAILURE`.

mod charge;
mod door;
mod host;
pub(crate) mod key;
mod outcome;
mod session;

pub(crate) use charge::Charge;
pub(crate) use door::Door;
pub use outcome::AgentOutcome;
pub(crate) use session::SignIn;
