//! The one connection to an agent: what it was told so far, and what it may still ask.

use super::host;
use super::{AgentOutcome, Charge};
use crate::pair::Hash;
use crate::wire::codec::{Malformed, Reader, Writer};

const FAILURE: u8 = 5;
const SUCCESS: u8 = 6;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGNED: u8 = 14;
const EXTENSION: u8 = 27;

const SESSION_BIND: &[u8] = b"session-bind@openssh.com";
/// The number of SSH's message by which a user asks to be let in.
const USERAUTH_REQUEST: u8 = 50;
/// A session's id is a hash: of 20 bytes by the oldest exchange of keys, of 64 by the longest.
const SESSION_ID: std::ops::RangeInclusive<usize> = 20..=64;

/// The connection. It is bound once, and signs once.
pub(super) struct Session<'a> {
    charge: &'a Charge,
    bound: Option<Bound>,
    signed: bool,
    /// What came of the last request to sign.
    outcome: Option<AgentOutcome>,
}

/// The session that was proved to be with a pinned host.
struct Bound {
    session_id: Vec<u8>,
    host_key: Vec<u8>,
}

/// A sign-in that may be signed: it was found to be the one that the agent is for.
pub(crate) struct SignIn<'a> {
    pub(crate) charge: &'a Charge,
    pub(crate) hash: Hash,
    pub(crate) data: &'a [u8],
    /// The key by which the host proved itself, as SSH writes it.
    pub(crate) host_key: &'a [u8],
    /// The name of the signature's algorithm, as SSH writes it.
    pub(super) algorithm: &'static str,
}

impl<'a> Session<'a> {
    pub(super) fn new(charge: &'a Charge) -> Self {
        Self { charge, bound: None, signed: false, outcome: None }
    }

    /// The answer to one message. `sign` gives the signature as SSH writes it, or nothing.
    pub(super) fn answer(
        &mut self,
        message: &[u8],
        sign: &mut dyn FnMut(&SignIn<'_>) -> Result<Vec<u8>, AgentOutcome>,
    ) -> Vec<u8> {
        let Some((kind, body)) = message.split_first() else { return vec![FAILURE] };
        let answered = match *kind {
            REQUEST_IDENTITIES if body.is_empty() => Ok(self.identities()),
            EXTENSION => self.bind(body),
            SIGN_REQUEST => {
                self.outcome = Some(AgentOutcome::Refused);
                self.sign(body, sign)
            }
            _ => Err(Malformed),
        };
        answered.unwrap_or_else(|Malformed| vec![FAILURE])
    }

    /// What came of a request to sign that was answered since this was asked.
    pub(super) fn take_outcome(&mut self) -> Option<AgentOutcome> {
        self.outcome.take()
    }

    /// The one key, with no comment: what it is attached to is not the host's matter.
    fn identities(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u8(IDENTITIES);
        writer.u32(1);
        writer.bytes(&self.charge.public);
        writer.bytes(&[]);
        writer.into_bytes().to_vec()
    }

    fn bind(&mut self, body: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut reader = Reader::new(body);
        if reader.bytes(body.len())? != SESSION_BIND || self.bound.is_some() {
            return Err(Malformed);
        }
        let (host_key, session_id) = (reader.bytes(body.len())?, reader.bytes(body.len())?);
        let (signature, forwarded) = (reader.bytes(body.len())?, reader.u8()?);
        reader.finish()?;
        let pinned = self.charge.host_keys.iter().any(|pinned| pinned == host_key);
        let proved = SESSION_ID.contains(&session_id.len()) && host::proves(host_key, session_id, signature);
        if !pinned || !proved || forwarded != 0 {
            return Err(Malformed);
        }
        self.bound = Some(Bound { session_id: session_id.to_vec(), host_key: host_key.to_vec() });
        Ok(vec![SUCCESS])
    }

    fn sign(
        &mut self,
        body: &[u8],
        sign: &mut dyn FnMut(&SignIn<'_>) -> Result<Vec<u8>, AgentOutcome>,
    ) -> Result<Vec<u8>, Malformed> {
        let mut reader = Reader::new(body);
        let (key, data, flags) = (reader.bytes(body.len())?, reader.bytes(body.len())?, reader.u32()?);
        reader.finish()?;
        if key != self.charge.public || self.signed {
            return Err(Malformed);
        }
        let (algorithm, hash) = self.charge.signature(flags)?;
        let bound = self.bound.as_ref().ok_or(Malformed)?;
        bound.admits(data, algorithm, self.charge)?;
        // Whatever comes of it: one sign-in has one signature.
        self.signed = true;
        let sign_in = SignIn { charge: self.charge, hash, data, host_key: &bound.host_key, algorithm };
        let signed = sign(&sign_in);
        self.outcome = Some(signed.as_ref().map_or_else(|outcome| *outcome, |_| AgentOutcome::Signed));
        let signature = signed.map_err(|_| Malformed)?;
        let mut writer = Writer::default();
        writer.u8(SIGNED);
        writer.bytes(&sign_in.written(&signature));
        Ok(writer.into_bytes().to_vec())
    }
}

impl Bound {
    /// Whether the bytes are the request to be let into this session as this user with this key
    /// (RFC 4252, section 7), and nothing more.
    fn admits(&self, data: &[u8], algorithm: &str, charge: &Charge) -> Result<(), Malformed> {
        let mut reader = Reader::new(data);
        let most = data.len();
        expect(reader.bytes(most)? == self.session_id)?;
        expect(reader.u8()? == USERAUTH_REQUEST)?;
        expect(reader.bytes(most)? == charge.user.as_bytes())?;
        expect(reader.bytes(most)? == b"ssh-connection")?;
        let method = reader.bytes(most)?;
        // With a signature.
        expect(reader.u8()? == 1)?;
        expect(reader.bytes(most)? == algorithm.as_bytes())?;
        expect(reader.bytes(most)? == charge.public)?;
        match method {
            b"publickey" => {}
            b"publickey-hostbound-v00@openssh.com" => expect(reader.bytes(most)? == self.host_key)?,
            _ => return Err(Malformed),
        }
        reader.finish()
    }
}

fn expect(holds: bool) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests;
