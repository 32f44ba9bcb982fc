//! The messages, typed by purpose. None takes bytes to sign, or a ciphertext without its place. A kind
//! that is not known is answered by a typed refusal.
//!
//! Requests have kinds below 128. The numbers from 11 to 31 are kept for what comes later: signed checkpoints,
//! a new master key. The fields of key pairs' messages are in [`super::signing`].

use claviger_domain::key_pairs::Algorithm;
use claviger_domain::secret::{Plaintext, Sealed};

use super::codec::{Malformed, Reader, Writer};
use super::frame::Frame;
use super::signing::{self, AgentRequest, SignRequest};
use crate::bundle::{LONGEST, NODE_KEY_LENGTH, NodeKey, Recipient};
use crate::keys::{KeyBundle, Keys, NodeKeys};
use crate::pairs::{MadePair, MakePair, OpenAgent, SignJwt};
use crate::place::{LONGEST_NAME, LONGEST_PLAINTEXT, Open, Place, Purpose, Seal};
use crate::tree::RootFingerprint;

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

fn read_node_key(reader: &mut Reader<'_>) -> Result<NodeKey, Malformed> {
    reader.raw(NODE_KEY_LENGTH)?.try_into().map_err(|_| Malformed)
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

fn read_purpose(reader: &mut Reader<'_>) -> Result<Purpose, Malformed> {
    Purpose::from_name(reader.text(LONGEST_NAME)?).ok_or(Malformed)
}

/// How the keeper is, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Which root secret it works with.
    pub root: RootFingerprint,
    /// How many values it opened in the last hour.
    pub reveals: u32,
    /// Whether this process has handed out the digest keys. One that was started again never has.
    pub keys_given: bool,
    /// Whether its memory is kept out of swap.
    pub memory_locked: bool,
    /// Whether its memory could be dumped or read by a debugger. Never true but by a fault.
    pub dumpable: bool,
    /// Whether the kernel lets it make only the system calls that it needs.
    pub seccomp: bool,
    /// Whether the kernel lets it open no file and no port.
    pub landlock: bool,
}

/// What the keeper says, as the parent reads it.
#[derive(Debug)]
pub(crate) enum Reply {
    Sealed(Vec<Sealed>),
    Opened(Plaintext),
    Keys(Box<Keys>),
    Health(Health),
    NodeKey(NodeKey),
    Bundled(Vec<u8>),
    Unbundled(Box<NodeKeys>),
    PairMade(MadePair),
    JwtSigned(String),
    AgentOpened,
    Refused(Refusal),
    /// Said once, unasked: the keeper stands.
    Ready {
        root: RootFingerprint,
        warnings: Vec<String>,
    },
    /// Said once, unasked: the keeper can't start.
    Failed {
        code: u8,
        explanation: String,
    },
}

/// What the keeper says no with. Everything that keeps a ciphertext from opening is one and the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotOpened,
    TooManyReveals { retry_after_seconds: u32 },
    TooManySignatures { retry_after_seconds: u32 },
    KeysAlreadyGiven,
    UnknownMessage,
    Malformed,
    Unavailable,
}

impl Refusal {
    const fn code(self) -> u8 {
        match self {
            Self::NotOpened => 1,
            Self::TooManyReveals { .. } => 2,
            Self::KeysAlreadyGiven => 3,
            Self::UnknownMessage => 4,
            Self::Malformed => 5,
            Self::Unavailable => 6,
            Self::TooManySignatures { .. } => 7,
        }
    }

    const fn retry_after_seconds(self) -> u32 {
        match self {
            Self::TooManyReveals { retry_after_seconds }
            | Self::TooManySignatures { retry_after_seconds } => retry_after_seconds,
            _ => 0,
        }
    }
}

pub(crate) fn sealed_reply(envelopes: &[Vec<u8>]) -> Body {
    let mut writer = Writer::default();
    writer.count(envelopes.len());
    for envelope in envelopes {
        writer.bytes(envelope);
    }
    (SEALED, writer)
}

pub(crate) fn opened_reply(plaintext: &Plaintext) -> Body {
    let mut writer = Writer::default();
    writer.text(plaintext.expose());
    (OPENED, writer)
}

pub(crate) fn keys_reply(bundle: &KeyBundle) -> Body {
    let mut writer = Writer::default();
    bundle.encode(&mut writer);
    (KEYS_GIVEN, writer)
}

pub(crate) fn health_reply(health: &Health) -> Body {
    let mut writer = Writer::default();
    writer.raw(health.root.as_bytes());
    writer.u32(health.reveals);
    writer.u8(u8::from(health.keys_given));
    writer.u8(u8::from(health.memory_locked));
    writer.u8(u8::from(health.dumpable));
    writer.u8(u8::from(health.seccomp));
    writer.u8(u8::from(health.landlock));
    (HEALTHY, writer)
}

pub(crate) fn node_key_reply(key: &NodeKey) -> Body {
    let mut writer = Writer::default();
    writer.raw(key);
    (NODE_KEY_TOLD, writer)
}

pub(crate) fn bundled_reply(bundle: &[u8]) -> Body {
    let mut writer = Writer::default();
    writer.bytes(bundle);
    (BUNDLED, writer)
}

/// The keys of an opened bundle, as they stood in it.
pub(crate) fn unbundled_reply(keys: &[u8]) -> Body {
    let mut writer = Writer::default();
    writer.bytes(keys);
    (UNBUNDLED, writer)
}

pub(crate) fn made_reply(sealed: &[u8], public: &[u8]) -> Body {
    (PAIR_MADE, signing::write_made(sealed, public))
}

pub(crate) fn signed_reply(token: &str) -> Body {
    (JWT_SIGNED, signing::write_signed(token))
}

pub(crate) fn agent_reply() -> Body {
    (AGENT_OPENED, Writer::default())
}

pub(crate) fn refused_reply(refusal: Refusal) -> Body {
    let mut writer = Writer::default();
    writer.u8(refusal.code());
    writer.u32(refusal.retry_after_seconds());
    (REFUSED, writer)
}

pub(crate) fn ready_notice(root: &RootFingerprint, warnings: &[String]) -> Body {
    let mut writer = Writer::default();
    writer.raw(root.as_bytes());
    writer.count(warnings.len());
    for warning in warnings {
        writer.text(shortened(warning));
    }
    (READY, writer)
}

pub(crate) fn failed_notice(code: u8, explanation: &str) -> Body {
    let mut writer = Writer::default();
    writer.u8(code);
    writer.text(shortened(explanation));
    (FAILED, writer)
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}

impl Reply {
    pub(crate) fn decode(frame: &Frame) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&frame.body);
        let reply = match frame.kind {
            SEALED => {
                let count = reader.count(MOST_SEALS)?;
                let envelope = |_| Ok(Sealed::from_bytes(reader.bytes(LONGEST_SEALED)?.to_vec()));
                Self::Sealed((0..count).map(envelope).collect::<Result<_, Malformed>>()?)
            }
            OPENED => Self::Opened(Plaintext::new(reader.text(LONGEST_PLAINTEXT)?.to_owned())),
            KEYS_GIVEN => Self::Keys(Box::new(KeyBundle::decode(&mut reader)?)),
            HEALTHY => Self::Health(Health {
                root: RootFingerprint::read(&mut reader)?,
                reveals: reader.u32()?,
                keys_given: read_flag(&mut reader)?,
                memory_locked: read_flag(&mut reader)?,
                dumpable: read_flag(&mut reader)?,
                seccomp: read_flag(&mut reader)?,
                landlock: read_flag(&mut reader)?,
            }),
            NODE_KEY_TOLD => Self::NodeKey(read_node_key(&mut reader)?),
            BUNDLED => Self::Bundled(reader.bytes(LONGEST)?.to_vec()),
            UNBUNDLED => Self::Unbundled(Box::new(NodeKeys::decode(reader.bytes(LONGEST)?)?)),
            PAIR_MADE => Self::PairMade(signing::read_made(&mut reader)?),
            JWT_SIGNED => Self::JwtSigned(signing::read_signed(&mut reader)?),
            AGENT_OPENED => Self::AgentOpened,
            REFUSED => Self::Refused(read_refusal(&mut reader)?),
            READY => {
                let root = RootFingerprint::read(&mut reader)?;
                let count = reader.count(64)?;
                let warning = |_| Ok(reader.text(LONGEST_TEXT)?.to_owned());
                let warnings = (0..count).map(warning).collect::<Result<_, Malformed>>()?;
                Self::Ready { root, warnings }
            }
            FAILED => Self::Failed { code: reader.u8()?, explanation: reader.text(LONGEST_TEXT)?.to_owned() },
            _ => return Err(Malformed),
        };
        reader.finish()?;
        Ok(reply)
    }
}

fn read_flag(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed),
    }
}

fn read_refusal(reader: &mut Reader<'_>) -> Result<Refusal, Malformed> {
    let (code, seconds) = (reader.u8()?, reader.u32()?);
    match code {
        1 => Ok(Refusal::NotOpened),
        2 => Ok(Refusal::TooManyReveals { retry_after_seconds: seconds }),
        3 => Ok(Refusal::KeysAlreadyGiven),
        4 => Ok(Refusal::UnknownMessage),
        5 => Ok(Refusal::Malformed),
        6 => Ok(Refusal::Unavailable),
        7 => Ok(Refusal::TooManySignatures { retry_after_seconds: seconds }),
        _ => Err(Malformed),
    }
}
