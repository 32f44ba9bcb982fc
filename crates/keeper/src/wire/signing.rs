//! The messages of key pairs: make one, sign a token. None takes bytes to sign.

use claviger_domain::key_pairs::Algorithm;
use claviger_domain::secret::Sealed;

use super::codec::{Malformed, Reader, Writer};
use super::message::{LONGEST_SEALED, read_name, read_place, write_place};
use crate::jwt::{LONGEST_CLAIMS, LONGEST_TOKEN};
use crate::pairs::{MadePair, MakePair, SignJwt};
use crate::place::Place;

/// The longest public half that is looked at, in bytes: RSA's of 4,096 bits has 550.
const LONGEST_PUBLIC: usize = 1_024;
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
