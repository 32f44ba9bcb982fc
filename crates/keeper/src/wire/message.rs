//! The messages, typed by purpose. None takes bytes to sign, or a ciphertext without its place. A kind
//! that is not known is answered by a typed refusal.
//!
//! Requests have kinds below 128. The numbers from 11 to 31 are kept for what comes later: signed checkpoints,
//! a new master key. The fields of key pairs' messages are in [`super::signing`].

mod reply;
mod request;

pub use reply::Health;
pub(crate) use reply::{
    Refusal, Reply, agent_reply, bundled_reply, failed_notice, health_reply, keys_reply, made_reply,
    node_key_reply, opened_reply, ready_notice, refused_reply, sealed_reply, signed_reply, unbundled_reply,
};
pub(crate) use request::{
    NoRequest, OpenRequest, Request, SealRequest, agent_request, bundle_request, health_request,
    keys_request, make_request, node_key_request, open_request, seal_request, sign_request, unbundle_request,
};

use super::codec::{Malformed, Reader, Writer};
use crate::bundle::{NODE_KEY_LENGTH, NodeKey};
use crate::place::{LONGEST_NAME, LONGEST_PLAINTEXT, Place};

/// The most values in one seal message; [`crate::client::Keeper::seal_batch`] sends more in several.
pub(crate) const MOST_SEALS: usize = 128;
/// The longest envelope that is looked at: a plaintext and what sealing adds to it.
pub(crate) const LONGEST_SEALED: usize = LONGEST_PLAINTEXT + 256;
/// The longest warning or explanation that is sent, in bytes.
const LONGEST_TEXT: usize = 4_096;

const SEAL: u8 = 1;
const OPEN: u8 = 2;
const KEYS: u8 = 3;
const HEALTH: u8 = 4;
const NODE_KEY: u8 = 5;
const BUNDLE: u8 = 6;
const UNBUNDLE: u8 = 7;
const MAKE_PAIR: u8 = 8;
const SIGN_JWT: u8 = 9;
const AGENT: u8 = 10;
const SEALED: u8 = 129;
const OPENED: u8 = 130;
const KEYS_GIVEN: u8 = 131;
const HEALTHY: u8 = 132;
const NODE_KEY_TOLD: u8 = 133;
const BUNDLED: u8 = 134;
const UNBUNDLED: u8 = 135;
const PAIR_MADE: u8 = 136;
const JWT_SIGNED: u8 = 137;
const AGENT_OPENED: u8 = 138;
const REFUSED: u8 = 192;
const READY: u8 = 200;
const FAILED: u8 = 201;

/// A message's kind and body, before it becomes a frame.
pub(crate) type Body = (u8, Writer);

pub(crate) fn write_place(writer: &mut Writer, place: Place<'_>) {
    for part in place.parts() {
        writer.text(part);
    }
}

pub(crate) fn read_place<'a>(reader: &mut Reader<'a>) -> Result<Place<'a>, Malformed> {
    Ok(Place {
        database: read_name(reader)?,
        table: read_name(reader)?,
        row: read_name(reader)?,
        column: read_name(reader)?,
    })
}

pub(crate) fn read_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    reader.text(LONGEST_NAME).and_then(|name| if name.is_empty() { Err(Malformed) } else { Ok(name) })
}

fn read_node_key(reader: &mut Reader<'_>) -> Result<NodeKey, Malformed> {
    reader.raw(NODE_KEY_LENGTH)?.try_into().map_err(|_| Malformed)
}
