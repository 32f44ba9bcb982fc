//! The base: all rows that decide, at one position of the log.
//!
//! `magic ‖ form ‖ database ‖ node ‖ epoch ‖ position ‖ hash ‖ number of Keys ‖ rows ‖ 0 ‖ seal`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use claviger_domain::event::Position;
use claviger_domain::secret::{Digest, DigestKey};
use claviger_store::data_node::DecidingRow;

use super::format::{Decoder, Encoder, seal};
use super::{Identity, Place, Rows, unreadable};
use crate::error::Refused;
use crate::files;

const MAGIC: &[u8; 8] = b"clv-snap";
pub(super) const FORM: u32 = 1;
const FILE: &str = "snapshot";
const BUFFER: usize = 1 << 20;
const ROW: u8 = 1;
const END: u8 = 0;

/// A base whose seal was looked at, or made.
pub(crate) struct Sealed {
    pub(super) place: Place,
    pub(super) seal: Digest,
}

/// Reads a base. Rows are handed out before the seal is known: they may be believed once this returns.
pub(super) fn read(
    path: &Path,
    key: &DigestKey,
    identity: &Identity,
    rows: &mut impl Rows,
) -> Result<Sealed, Refused> {
    let wrong = unreadable(FILE);
    let file = File::open(path).map_err(&wrong)?;
    let mut decoder = Decoder::new(BufReader::with_capacity(BUFFER, file));
    let (magic, found) = (decoder.array::<8>().map_err(&wrong)?, decoder.u32().map_err(&wrong)?);
    if &magic != MAGIC {
        return Err(Refused::Forged { file: FILE });
    }
    if found != FORM {
        return Err(Refused::OtherForm { file: FILE, found, known: FORM });
    }
    let (owner, place, keys) = header(&mut decoder).map_err(&wrong)?;
    rows.begin(keys);
    let mut fault = None;
    while decoder.array::<1>().map_err(&wrong)? != [END] {
        let row = decoder.row().map_err(&wrong)?;
        // What can't be understood may be forged: the seal says so first.
        if let (None, Err(error)) = (&fault, rows.row(&row)) {
            fault = Some(error);
        }
    }
    let (expected, found) = (seal(key, MAGIC, decoder.hash()), decoder.seal().map_err(&wrong)?);
    if expected != Digest::from_bytes(found) || !decoder.is_at_end().map_err(&wrong)? {
        return Err(Refused::Forged { file: FILE });
    }
    if owner != (identity.instance_id.clone(), identity.node_id.to_string()) {
        return Err(Refused::Foreign);
    }
    fault.map_or(Ok(Sealed { place, seal: expected }), Err)
}

type Header = ((String, String), Place, usize);

fn header(decoder: &mut Decoder<BufReader<File>>) -> io::Result<Header> {
    let owner = (decoder.text()?.unwrap_or_default(), decoder.text()?.unwrap_or_default());
    let (epoch, position, hash) = (decoder.u32()?, Position(decoder.i64()?), decoder.array()?);
    let keys = decoder.u32()? as usize;
    Ok((owner, Place { epoch, position, hash }, keys))
}

/// The one who writes the file that stands aside, until it has taken its place or is given up.
pub(super) struct Alone(Arc<AtomicBool>);

impl Alone {
    pub(super) fn claim(taken: &Arc<AtomicBool>) -> io::Result<Self> {
        if taken.swap(true, Ordering::AcqRel) {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another snapshot is being written"));
        }
        Ok(Self(Arc::clone(taken)))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A base in the making, aside of the one that is there.
pub(crate) struct BaseWriter {
    encoder: Encoder<BufWriter<File>>,
    place: Place,
    alone: Alone,
}

impl BaseWriter {
    pub(super) fn begin(
        path: &Path,
        alone: Alone,
        identity: &Identity,
        place: Place,
        keys: usize,
    ) -> io::Result<Self> {
        let file = files::begin(&files::aside(path))?;
        let mut encoder = Encoder::new(BufWriter::with_capacity(BUFFER, file));
        encoder.raw(MAGIC)?;
        encoder.u32(FORM)?;
        encoder.bytes(Some(identity.instance_id.as_bytes()))?;
        encoder.bytes(Some(identity.node_id.to_string().as_bytes()))?;
        encoder.u32(place.epoch)?;
        encoder.i64(place.position.0)?;
        encoder.raw(&place.hash)?;
        encoder.u32(u32::try_from(keys).unwrap_or(u32::MAX))?;
        Ok(Self { encoder, place, alone })
    }

    pub(crate) fn row(&mut self, row: &DecidingRow) -> io::Result<()> {
        self.encoder.raw(&[ROW])?;
        self.encoder.row(row)
    }

    /// All rows are written.
    pub(crate) fn end(mut self) -> io::Result<Written> {
        self.encoder.raw(&[END])?;
        let (out, hash) = self.encoder.finish();
        Ok(Written { out, hash, place: self.place, alone: self.alone })
    }
}

/// A base that is whole, but for its seal.
pub(crate) struct Written {
    out: BufWriter<File>,
    hash: [u8; 32],
    place: Place,
    alone: Alone,
}

impl Written {
    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    pub(super) fn seal(mut self, key: &DigestKey) -> io::Result<SealedFile> {
        let seal = seal(key, MAGIC, self.hash);
        self.out.write_all(seal.as_bytes())?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        // A disk that does not take all of it says so while the old one still stands.
        file.sync_all()?;
        Ok(SealedFile { sealed: Sealed { place: self.place, seal }, file, _alone: self.alone })
    }
}

/// A sealed base that still stands aside.
pub(super) struct SealedFile {
    sealed: Sealed,
    file: File,
    _alone: Alone,
}

impl SealedFile {
    pub(super) fn take_place(self, path: &Path) -> io::Result<()> {
        files::finish(&self.file, path)
    }
}

impl std::ops::Deref for SealedFile {
    type Target = Sealed;

    fn deref(&self) -> &Sealed {
        &self.sealed
    }
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Written").field(&self.place.position).finish()
    }
}
