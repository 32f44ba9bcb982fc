//! The keeper as a real process: this test program starts itself again as the keeper, as `claviger serve`
//! does.

mod agent;
mod books;
mod pairs;
mod restarts;
mod secrecy;
mod sign_in;
mod starts;
mod support;
mod talk;
mod wire;
