//! What the keeper says: written by it, read by the parent.

use claviger_domain::secret::{Plaintext, Sealed};

use super::{
    AGENT_OPENED, BUNDLED, Body, FAILED, HEALTHY, JWT_SIGNED, KEYS_GIVEN, LONGEST_SEALED, LONGEST_TEXT,
    MOST_SEALS, NODE_KEY_TOLD, OPENED, PAIR_MADE, READY, REFUSED, SEALED, UNBUNDLED, read_node_key,
};
use crate::bundle::{LONGEST, NodeKey};
use crate::keys::{KeyBundle, Keys, NodeKeys};
use crate::pairs::MadePair;
use crate::place::LONGEST_PLAINTEXT;
use crate::tree::RootFingerprint;
use crate::wire::codec::{Malformed, Reader, Writer};
use crate::wire::frame::Frame;
use crate::wire::signing;

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
    /// Whether the kernel lets it open no file and no port, and signal nobody. A kernel that takes away only a part
    /// counts as none; a warning at the start says which.
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
