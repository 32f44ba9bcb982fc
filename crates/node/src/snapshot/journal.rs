//! The journal: the lines of the log since the base. Each is sealed together with the seal before it, the first with
//! that of the base, so that none can be changed, left out or put elsewhere. A line that was cut off by a crash was
//! never marked, and is cut off here too.
//!
//! `magic ‖ form`, then `length ‖ line ‖ seal` again and again.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use claviger_domain::secret::{Digest, DigestKey};
use claviger_store::data_node::LogLine;

use super::base::Sealed;
use super::format::{Decoder, Encoder, SEAL, seal};
use super::unreadable;
use crate::error::Refused;
use crate::files;

const MAGIC: &[u8; 8] = b"clv-jrnl";
const FORM: u32 = 1;
const HEADER: usize = 12;
const FILE: &str = "journal";

/// An open journal, to be appended to.
pub(crate) struct Journal {
    file: File,
    key: DigestKey,
    /// The seal of the last line, or of the base.
    last: Digest,
    bytes: u64,
}

impl Journal {
    /// A new journal after `base`.
    pub(super) fn begin(path: &Path, key: &DigestKey, base: &Sealed) -> io::Result<Self> {
        let mut file = files::begin(path)?;
        file.write_all(MAGIC)?;
        file.write_all(&FORM.to_be_bytes())?;
        file.sync_all()?;
        Ok(Self { file, key: key.clone(), last: base.seal, bytes: HEADER as u64 })
    }

    /// The lines that stand there, and the journal to go on with.
    pub(super) fn open(path: &Path, key: &DigestKey, base: &Sealed) -> Result<(Vec<LogLine>, Self), Refused> {
        let wrong = unreadable(FILE);
        let mut file = File::options().read(true).write(true).open(path).map_err(&wrong)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(&wrong)?;
        let (header, mut rest) = bytes.split_at_checked(HEADER).ok_or(Refused::Truncated { file: FILE })?;
        let (magic, found) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(Refused::Forged { file: FILE });
        }
        let found = u32::from_be_bytes(found.try_into().unwrap_or_default());
        if found != FORM {
            return Err(Refused::OtherForm { file: FILE, found, known: FORM });
        }
        let (mut lines, mut last) = (Vec::new(), base.seal);
        while let Some((record, found, after)) = record(rest) {
            let expected = seal_of(key, &last, record);
            if expected != found {
                return Err(Refused::Forged { file: FILE });
            }
            lines.push(Decoder::new(record).line().map_err(&wrong)?);
            (last, rest) = (expected, after);
        }
        let whole = (bytes.len() - rest.len()) as u64;
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).map_err(&wrong)?;
        Ok((lines, Self { file, key: key.clone(), last, bytes: whole }))
    }

    /// Adds lines, for good once this returns.
    pub(crate) fn append(&mut self, lines: &[LogLine]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let (mut out, mut last) = (Vec::new(), self.last);
        for line in lines {
            let mut encoder = Encoder::new(Vec::new());
            encoder.line(line)?;
            let (record, _) = encoder.finish();
            last = seal_of(&self.key, &last, &record);
            let length = u32::try_from(record.len()).map_err(io::Error::other)?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&record);
            out.extend_from_slice(last.as_bytes());
        }
        if let Err(error) = self.file.write_all(&out).and_then(|()| self.file.sync_data()) {
            // What was written half would hide what is written next.
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::Start(self.bytes))?;
            return Err(error);
        }
        self.last = last;
        self.bytes += out.len() as u64;
        Ok(())
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The first whole record, its seal, and what follows. None: nothing, or one that was cut off.
fn record(bytes: &[u8]) -> Option<(&[u8], Digest, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (record, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let (seal, rest) = rest.split_first_chunk::<SEAL>()?;
    Some((record, Digest::from_bytes(*seal), rest))
}

fn seal_of(key: &DigestKey, before: &Digest, record: &[u8]) -> Digest {
    let mut hashed = Encoder::new(io::sink());
    // A sink takes everything.
    let _ = hashed.raw(before.as_bytes()).and_then(|()| hashed.raw(record));
    seal(key, MAGIC, hashed.finish().1)
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
