//! Git's conversation with a host, as both sides have spoken it since 2005 (protocol version 0, gitprotocol-pack).
//! This is our half: what is asked for, and the little of the answers that counts. What is in a pack is none of its
//! business.

mod advertisement;
mod fetching;
mod packets;
mod pushing;

pub(crate) use advertisement::{Advertisement, Service};
pub(crate) use fetching::{Shape, fetch};
pub(crate) use packets::{Broken, Packets};
pub(crate) use pushing::{Report, push};
