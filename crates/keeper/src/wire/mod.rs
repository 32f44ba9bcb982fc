//! What travels over the socket pair: bytes with their lengths, frames with a version, typed messages.

pub(crate) mod codec;
pub(crate) mod files;
pub(crate) mod frame;
pub(crate) mod message;
pub(crate) mod signing;
