//! The bytes of what is kept: fields with their lengths, hashed as they pass, and sealed at the end.

use std::io::{self, Read, Write};

use claviger_domain::event::Position;
use claviger_domain::secret::{Digest, DigestKey};
use claviger_domain::time::Timestamp;
use claviger_store::data_node::{DecidingRow, LogLine, RowKind};
use sha2::{Digest as _, Sha256};

/// How many bytes a seal has.
pub(super) const SEAL: usize = 32;
/// The longest field that is looked at: an API's settings are far below.
const LONGEST: u32 = 8 << 20;
const NONE: u32 = u32::MAX;

/// The seal of bytes with this hash, for one use of the key.
pub(super) fn seal(key: &DigestKey, purpose: &[u8; 8], hash: [u8; 32]) -> Digest {
    key.digest_of([purpose, &hash])
}

/// Writes fields, and hashes them.
pub(super) struct Encoder<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, hash: Sha256::new() }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }

    pub(super) fn u32(&mut self, value: u32) -> io::Result<()> {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i64(&mut self, value: i64) -> io::Result<()> {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn bytes(&mut self, bytes: Option<&[u8]>) -> io::Result<()> {
        let Some(bytes) = bytes else { return self.u32(NONE) };
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LONGEST);
        self.u32(length.ok_or_else(|| io::Error::other("a field is too long to be kept"))?)?;
        self.raw(bytes)
    }

    pub(super) fn row(&mut self, row: &DecidingRow) -> io::Result<()> {
        self.raw(&[row.kind as u8])?;
        self.bytes(row.body.as_deref().map(str::as_bytes))?;
        self.bytes(row.first.as_deref())?;
        self.bytes(row.second.as_deref())
    }

    pub(super) fn line(&mut self, line: &LogLine) -> io::Result<()> {
        self.i64(line.position.0)?;
        self.i64(line.version)?;
        self.i64(line.at.as_micros())?;
        self.bytes(Some(line.kind.as_bytes()))?;
        self.bytes(line.data.as_deref().map(str::as_bytes))?;
        self.bytes(line.private.as_deref())?;
        self.raw(&line.hash)
    }

    /// What was written and its hash.
    pub(super) fn finish(self) -> (W, [u8; 32]) {
        (self.out, self.hash.finalize().into())
    }
}

/// Reads fields, and hashes them. What is too short is `UnexpectedEof`, what can't be `InvalidData`.
pub(super) struct Decoder<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, hash: Sha256::new() }
    }

    pub(super) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        self.hash.update(bytes);
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> io::Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn bytes(&mut self) -> io::Result<Option<Vec<u8>>> {
        let length = self.u32()?;
        if length == NONE {
            return Ok(None);
        }
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // Not more room than there are bytes: a wrong length takes no memory.
        let mut bytes = Vec::with_capacity(length.min(1 << 16) as usize);
        let read = self.from.by_ref().take(length.into()).read_to_end(&mut bytes)?;
        if read < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hash.update(&bytes);
        Ok(Some(bytes))
    }

    pub(super) fn text(&mut self) -> io::Result<Option<String>> {
        let text = self.bytes()?.map(String::from_utf8).transpose();
        text.map_err(|_| io::ErrorKind::InvalidData.into())
    }

    pub(super) fn row(&mut self) -> io::Result<DecidingRow> {
        let [code] = self.array()?;
        let kind = RowKind::ALL.into_iter().find(|kind| *kind as u8 == code);
        let kind = kind.ok_or(io::ErrorKind::InvalidData)?;
        Ok(DecidingRow { kind, body: self.text()?, first: self.bytes()?, second: self.bytes()? })
    }

    pub(super) fn line(&mut self) -> io::Result<LogLine> {
        Ok(LogLine {
            position: Position(self.i64()?),
            version: self.i64()?,
            at: Timestamp::from_micros(self.i64()?),
            kind: self.text()?.ok_or(io::ErrorKind::InvalidData)?,
            data: self.text()?,
            private: self.bytes()?,
            hash: self.array()?,
        })
    }

    /// The bytes after those that were hashed.
    pub(super) fn seal(&mut self) -> io::Result<[u8; SEAL]> {
        let mut bytes = [0; SEAL];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The hash of all that was read so far.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.from.read(&mut [0; 1])? == 0)
    }
}
