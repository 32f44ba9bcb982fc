//! The messages of key pairs: make one, sign a token, open an agent. None takes bytes to sign.

use std::time::Duration;

use claviger_domain::key_pairs::Algorithm;
use claviger_domain::secret::Sealed;

use super::codec::{Malformed, Reader, Writer};
use super::message::{LONGEST_SEALED, read_name, read_place, write_place};
use crate::jwt::{LONGEST_CLAIMS, LONGEST_TOKEN};
use crate::pairs::{MadePair, MakePair, OpenAgent, SignJwt};
use crate::place::Place;

/// The longest public half that is looked at, in bytes: RSA's of 4,096 bits has 550.
const LONGEST_PUBLIC: usize = 1_024;
/// The longest public key of a Git host that is looked at, in bytes.
const LONGEST_HOST_KEY: usize = 4_096;
/// The most keys that one host may be known by.
const MOST_HOST_KEYS: usize = 16;
/// The longest that an agent may live, in seconds.
const LONGEST_LIFE: u32 = 3_600;

/// A pair, opened by its place: what every signature begins with.
#[derive(Clone, Copy)]
pub(crate) struct PairRequest<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) algorithm: Algorithm,
    pub(crate) sealed: &'a [u8],
    pub(crate) actor: &'a str,
}

/// Claims to sign.
pub(crate) struct SignRequest<'a> {
    pub(crate) pair: PairRequest<'a>,
    pub(crate) key_id: &'a str,
    pub(crate) claims: &'a str,
}

/// An agent to open. Its listener comes beside the message.
pub(crate) struct AgentRequest<'a> {
    pub(crate) pair: PairRequest<'a>,
    pub(crate) attachment: &'a str,
    pub(crate) user: &'a str,
    pub(crate) host_keys: Vec<&'a [u8]>,
    pub(crate) lifetime: Duration,
}

pub(crate) fn write_make(make: &MakePair<'_>) -> Writer {
    let mut writer = Writer::default();
    write_place(&mut writer, make.place);
    writer.text(make.algorithm.as_str());
    writer
}

pub(crate) fn read_make<'a>(reader: &mut Reader<'a>) -> Result<(Place<'a>, Algorithm), Malformed> {
    Ok((read_place(reader)?, read_algorithm(reader)?))
}

pub(crate) fn write_sign(sign: &SignJwt<'_>) -> Writer {
    let mut writer = Writer::default();
    write_pair(&mut writer, sign.place, sign.algorithm, sign.sealed, sign.actor);
    writer.text(sign.key_id);
    writer.text(sign.claims);
    writer
}

pub(crate) fn read_sign<'a>(reader: &mut Reader<'a>) -> Result<SignRequest<'a>, Malformed> {
    Ok(SignRequest {
        pair: read_pair(reader)?,
        key_id: read_name(reader)?,
        claims: reader.text(LONGEST_CLAIMS)?,
    })
}

pub(crate) fn write_agent(open: &OpenAgent<'_>) -> Writer {
    let mut writer = Writer::default();
    write_pair(&mut writer, open.place, open.algorithm, open.sealed, open.actor);
    writer.text(open.attachment);
    writer.text(open.user);
    writer.count(open.host_keys.len());
    open.host_keys.iter().for_each(|key| writer.bytes(key));
    writer.u32(u32::try_from(open.lifetime.as_secs()).unwrap_or(u32::MAX));
    writer
}

pub(crate) fn read_agent<'a>(reader: &mut Reader<'a>) -> Result<AgentRequest<'a>, Malformed> {
    let (pair, attachment, user) = (read_pair(reader)?, read_name(reader)?, read_name(reader)?);
    let count = reader.count(MOST_HOST_KEYS)?;
    let host_keys = (0..count).map(|_| reader.bytes(LONGEST_HOST_KEY)).collect::<Result<Vec<_>, _>>()?;
    let seconds = reader.u32()?;
    if host_keys.is_empty() || !(1..=LONGEST_LIFE).contains(&seconds) {
        return Err(Malformed);
    }
    let lifetime = Duration::from_secs(seconds.into());
    Ok(AgentRequest { pair, attachment, user, host_keys, lifetime })
}

pub(crate) fn write_made(sealed: &[u8], public: &[u8]) -> Writer {
    let mut writer = Writer::default();
    writer.bytes(sealed);
    writer.bytes(public);
    writer
}

pub(crate) fn read_made(reader: &mut Reader<'_>) -> Result<MadePair, Malformed> {
    Ok(MadePair {
        sealed: Sealed::from_bytes(reader.bytes(LONGEST_SEALED)?.to_vec()),
        public: reader.bytes(LONGEST_PUBLIC)?.to_vec(),
    })
}

pub(crate) fn write_signed(token: &str) -> Writer {
    let mut writer = Writer::default();
    writer.text(token);
    writer
}

pub(crate) fn read_signed(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    reader.text(LONGEST_TOKEN).map(str::to_owned)
}

fn write_pair(writer: &mut Writer, place: Place<'_>, algorithm: Algorithm, sealed: &Sealed, actor: &str) {
    write_place(writer, place);
    writer.text(algorithm.as_str());
    writer.bytes(sealed.as_bytes());
    writer.text(actor);
}

fn read_pair<'a>(reader: &mut Reader<'a>) -> Result<PairRequest<'a>, Malformed> {
    Ok(PairRequest {
        place: read_place(reader)?,
        algorithm: read_algorithm(reader)?,
        sealed: reader.bytes(LONGEST_SEALED)?,
        actor: read_name(reader)?,
    })
}

fn read_algorithm(reader: &mut Reader<'_>) -> Result<Algorithm, Malformed> {
    read_name(reader)?.parse().map_err(|_| Malformed)
}
