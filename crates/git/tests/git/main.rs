//! The engine against a real sshd and bare repositories: what comes of a job, and that nothing is left of it.

mod failing;
mod hostile;
mod pulling;
mod pushing;
mod secrecy;
mod starting;
mod support;

claviger_testkit::be_the_keeper!();
