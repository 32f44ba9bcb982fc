//! Git integrations of the whole program: the built binary with its keeper, the system's git and ssh, a real sshd.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "git/cut_off.rs"]
mod cut_off;
#[path = "git/hosts.rs"]
mod hosts;
#[path = "git/installation.rs"]
mod installation;
#[path = "git/out_of_sync.rs"]
mod out_of_sync;
#[path = "git/pulling_and_pushing.rs"]
mod pulling_and_pushing;
#[path = "git/setting_up.rs"]
mod setting_up;
