//! What the parent asks: written by the client, read by the keeper.

use claviger_domain::key_pairs::Algorithm;

use super::{
    AGENT, BUNDLE, Body, HEALTH, KEYS, LONGEST_SEALED, MAKE_PAIR, MOST_SEALS, NODE_KEY, OPEN, SEAL, SIGN_JWT,
    UNBUNDLE, read_name, read_node_key, read_place, write_place,
};
use crate::bundle::{LONGEST, NodeKey, Recipient};
use crate::pairs::{MakePair, OpenAgent, SignJwt};
use crate::place::{LONGEST_NAME, LONGEST_PLAINTEXT, Open, Place, Purpose, Seal};
use crate::wire::codec::{Malformed, Reader, Writer};
use crate::wire::frame::Frame;
use crate::wire::signing::{self, AgentRequest, SignRequest};

/// What the parent asks, as the keeper reads it.
pub(crate) enum Request<'a> {
    Seal(Vec<SealRequest<'a>>),
    Open(OpenRequest<'a>),
    Keys,
    Health,
    NodeKey,
    Bundle { to: NodeKey, recipient: Recipient<'a> },
    Unbundle { recipient: Recipient<'a>, bundle: &'a [u8] },
    MakePair { place: Place<'a>, algorithm: Algorithm },
    SignJwt(SignRequest<'a>),
    Agent(AgentRequest<'a>),
}

/// One value to seal, still in the frame's wiped buffer.
pub(crate) struct SealRequest<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) place: Place<'a>,
    pub(crate) plaintext: &'a str,
}

/// One value to open.
pub(crate) struct OpenRequest<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) place: Place<'a>,
    pub(crate) actor: &'a str,
    pub(crate) position: u64,
    pub(crate) sealed: &'a [u8],
}

/// Why a frame is no request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRequest {
    UnknownKind,
    Malformed,
}

impl From<Malformed> for NoRequest {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl<'a> Request<'a> {
    pub(crate) fn decode(frame: &'a Frame) -> Result<Self, NoRequest> {
        let mut reader = Reader::new(&frame.body);
        let request = match frame.kind {
            SEAL => {
                let count = reader.count(MOST_SEALS)?;
                Self::Seal((0..count).map(|_| read_seal(&mut reader)).collect::<Result<_, _>>()?)
            }
            OPEN => Self::Open(read_open(&mut reader)?),
            KEYS => Self::Keys,
            HEALTH => Self::Health,
            NODE_KEY => Self::NodeKey,
            BUNDLE => {
                Self::Bundle { to: read_node_key(&mut reader)?, recipient: read_recipient(&mut reader)? }
            }
            UNBUNDLE => {
                Self::Unbundle { recipient: read_recipient(&mut reader)?, bundle: reader.bytes(LONGEST)? }
            }
            MAKE_PAIR => {
                let (place, algorithm) = signing::read_make(&mut reader)?;
                Self::MakePair { place, algorithm }
            }
            SIGN_JWT => Self::SignJwt(signing::read_sign(&mut reader)?),
            AGENT => Self::Agent(signing::read_agent(&mut reader)?),
            _ => return Err(NoRequest::UnknownKind),
        };
        reader.finish()?;
        Ok(request)
    }
}

pub(crate) fn seal_request(items: &[Seal<'_>]) -> Body {
    let mut writer = Writer::default();
    writer.count(items.len());
    for item in items {
        writer.text(item.purpose.as_str());
        write_place(&mut writer, item.place);
        writer.text(item.plaintext.expose());
    }
    (SEAL, writer)
}

pub(crate) fn open_request(open: &Open<'_>) -> Body {
    let mut writer = Writer::default();
    writer.text(open.purpose.as_str());
    write_place(&mut writer, open.place);
    writer.text(open.actor);
    writer.u64(open.position);
    writer.bytes(open.sealed.as_bytes());
    (OPEN, writer)
}

pub(crate) fn keys_request() -> Body {
    (KEYS, Writer::default())
}

pub(crate) fn health_request() -> Body {
    (HEALTH, Writer::default())
}

pub(crate) fn node_key_request() -> Body {
    (NODE_KEY, Writer::default())
}

pub(crate) fn bundle_request(to: &NodeKey, recipient: Recipient<'_>) -> Body {
    let mut writer = Writer::default();
    writer.raw(to);
    write_recipient(&mut writer, recipient);
    (BUNDLE, writer)
}

pub(crate) fn unbundle_request(recipient: Recipient<'_>, bundle: &[u8]) -> Body {
    let mut writer = Writer::default();
    write_recipient(&mut writer, recipient);
    writer.bytes(bundle);
    (UNBUNDLE, writer)
}

pub(crate) fn make_request(make: &MakePair<'_>) -> Body {
    (MAKE_PAIR, signing::write_make(make))
}

pub(crate) fn sign_request(sign: &SignJwt<'_>) -> Body {
    (SIGN_JWT, signing::write_sign(sign))
}

pub(crate) fn agent_request(open: &OpenAgent<'_>) -> Body {
    (AGENT, signing::write_agent(open))
}

fn write_recipient(writer: &mut Writer, recipient: Recipient<'_>) {
    writer.text(recipient.database);
    writer.text(recipient.node);
}

fn read_recipient<'a>(reader: &mut Reader<'a>) -> Result<Recipient<'a>, Malformed> {
    Ok(Recipient { database: read_name(reader)?, node: read_name(reader)? })
}

fn read_seal<'a>(reader: &mut Reader<'a>) -> Result<SealRequest<'a>, Malformed> {
    Ok(SealRequest {
        purpose: read_purpose(reader)?,
        place: read_place(reader)?,
        plaintext: reader.text(LONGEST_PLAINTEXT)?,
    })
}

fn read_open<'a>(reader: &mut Reader<'a>) -> Result<OpenRequest<'a>, Malformed> {
    Ok(OpenRequest {
        purpose: read_purpose(reader)?,
        place: read_place(reader)?,
        actor: read_name(reader)?,
        position: reader.u64()?,
        sealed: reader.bytes(LONGEST_SEALED)?,
    })
}

fn read_purpose(reader: &mut Reader<'_>) -> Result<Purpose, Malformed> {
    Purpose::from_name(reader.text(LONGEST_NAME)?).ok_or(Malformed)
}
