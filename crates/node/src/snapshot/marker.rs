//! The marker: how far this node has come, and when it last heard of the log. Small, so that it can be written often.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use claviger_domain::event::Position;
use claviger_domain::secret::{Digest, DigestKey};
use claviger_domain::time::Timestamp;

use super::format::{Decoder, Encoder, seal};
use super::{Identity, Place, unreadable};
use crate::error::Refused;
use crate::files;

const MAGIC: &[u8; 8] = b"clv-mark";
const FORM: u32 = 1;
const FILE: &str = "marker";
/// A marker is far shorter.
const LONGEST: u64 = 4_096;

/// What base and journal must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) place: Place,
    /// When the log was last heard of, whether or not it had anything new.
    pub(crate) contact: Timestamp,
}

impl Marker {
    pub(super) fn write(&self, path: &Path, key: &DigestKey, identity: &Identity) -> io::Result<()> {
        let mut encoder = Encoder::new(Vec::new());
        encoder.raw(MAGIC)?;
        encoder.u32(FORM)?;
        encoder.bytes(Some(identity.instance_id.as_bytes()))?;
        encoder.bytes(Some(identity.node_id.to_string().as_bytes()))?;
        encoder.u32(self.place.epoch)?;
        encoder.i64(self.place.position.0)?;
        encoder.raw(&self.place.hash)?;
        encoder.i64(self.contact.as_micros())?;
        let (mut bytes, hash) = encoder.finish();
        bytes.extend_from_slice(seal(key, MAGIC, hash).as_bytes());
        files::replace(path, &bytes)
    }

    pub(super) fn read(path: &Path, key: &DigestKey, identity: &Identity) -> Result<Self, Refused> {
        let wrong = unreadable(FILE);
        let file = File::open(path).map_err(&wrong)?;
        let mut decoder = Decoder::new(file.take(LONGEST));
        let (magic, found) = (decoder.array::<8>().map_err(&wrong)?, decoder.u32().map_err(&wrong)?);
        if &magic != MAGIC {
            return Err(Refused::Forged { file: FILE });
        }
        if found != FORM {
            return Err(Refused::OtherForm { file: FILE, found, known: FORM });
        }
        let (owner, marker) = fields(&mut decoder).map_err(&wrong)?;
        let expected = seal(key, MAGIC, decoder.hash());
        let found = decoder.seal().map_err(&wrong)?;
        if expected != Digest::from_bytes(found) || !decoder.is_at_end().map_err(&wrong)? {
            return Err(Refused::Forged { file: FILE });
        }
        if owner != (identity.instance_id.clone(), identity.node_id.to_string()) {
            return Err(Refused::Foreign);
        }
        Ok(marker)
    }
}

fn fields(decoder: &mut Decoder<io::Take<File>>) -> io::Result<((String, String), Marker)> {
    let owner = (decoder.text()?.unwrap_or_default(), decoder.text()?.unwrap_or_default());
    let place = Place { epoch: decoder.u32()?, position: Position(decoder.i64()?), hash: decoder.array()? };
    Ok((owner, Marker { place, contact: Timestamp::from_micros(decoder.i64()?) }))
}
