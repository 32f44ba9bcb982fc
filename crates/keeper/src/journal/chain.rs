//! Lines and their chain: written, and checked from the first to the last.

use std::io::{self, BufRead, Read as _};

use sha2::{Digest as _, Sha256};

use super::{Entry, Fact, VERSION};

/// Longer lines are not ours: an opening's parts are at most 128 bytes each.
const LONGEST_LINE: usize = 16_384;
const HASH_DIGITS: usize = 64;

/// The hash of a line, or of nothing before the first.
pub(crate) type Hash = [u8; 32];

/// Why a journal is not the one that was written.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The line was changed, or one before it was removed or put in.
    #[error("line {line} does not follow from the line before it: the file was edited or damaged")]
    Broken { line: u64 },
    /// A newer program wrote it.
    #[error("line {line} is of a kind that this version of Claviger does not know")]
    Unknown { line: u64 },
    #[error(transparent)]
    Io(io::Error),
}

/// What is left of a journal when it is read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) head: Hash,
    pub(crate) lines: u64,
    /// How many bytes are whole lines. What the file has beyond is a torn last line.
    pub(crate) length: u64,
}

impl Scan {
    pub(crate) const EMPTY: Self = Self { head: [0; 32], lines: 0, length: 0 };

    /// The next line's bytes, and what the journal is after it.
    pub(crate) fn line(&self, entry: &Entry) -> serde_json::Result<(Vec<u8>, Self)> {
        let json = serde_json::to_vec(entry)?;
        let head = chained(&self.head, &json);
        let line = [hex::encode(head).as_bytes(), b" ", &json, b"\n"].concat();
        let length = self.length + line.len() as u64;
        Ok((line, Self { head, lines: self.lines + 1, length }))
    }
}

fn chained(before: &Hash, json: &[u8]) -> Hash {
    Sha256::new().chain_update(before).chain_update(json).finalize().into()
}

/// Reads every whole line in turn, checks it, and shows it to `each`.
pub(crate) fn scan(from: &mut impl BufRead, each: &mut dyn FnMut(Entry)) -> Result<Scan, ChainError> {
    let mut scanned = Scan::EMPTY;
    let mut line = Vec::new();
    loop {
        line.clear();
        from.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
        let number = scanned.lines + 1;
        let Some(whole) = line.strip_suffix(b"\n") else {
            return if line.len() < LONGEST_LINE {
                Ok(scanned)
            } else {
                Err(ChainError::Broken { line: number })
            };
        };
        match follow(&scanned.head, whole, number) {
            Ok((head, entry)) => {
                scanned = Scan { head, lines: number, length: scanned.length + line.len() as u64 };
                each(entry);
            }
            // A machine that lost power may have written the end of a line and not its beginning, which
            // then reads as zeroes. No line that was synced looks like that.
            Err(_) if line.contains(&0) && from.fill_buf()?.is_empty() => return Ok(scanned),
            Err(error) => return Err(error),
        }
    }
}

fn follow(before: &Hash, line: &[u8], number: u64) -> Result<(Hash, Entry), ChainError> {
    let broken = || ChainError::Broken { line: number };
    let (digits, rest) = line.split_at_checked(HASH_DIGITS).ok_or_else(broken)?;
    let json = rest.strip_prefix(b" ").ok_or_else(broken)?;
    let head = chained(before, json);
    if digits != hex::encode(head).as_bytes() {
        return Err(broken());
    }
    let entry: Entry = serde_json::from_slice(json).map_err(|_| ChainError::Unknown { line: number })?;
    match entry.fact {
        Fact::Begun { version } if version != VERSION => Err(ChainError::Unknown { line: number }),
        _ => Ok((head, entry)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::Opening;
    use super::*;

    pub(crate) fn opened(position: u64, actor: &str) -> Fact {
        Fact::Opened(Opening {
            purpose: "retrievable".into(),
            actor: actor.into(),
            position,
            database: "db".into(),
            table: "sealed".into(),
            row: format!("key_{position}"),
            column: "value".into(),
        })
    }

    fn journal(openings: u64) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends, mut state) = (Vec::new(), Vec::new(), Scan::EMPTY);
        let facts =
            std::iter::once(Fact::Begun { version: 1 }).chain((1..=openings).map(|n| opened(n, "mbr_a")));
        for fact in facts {
            let entry = Entry { at: "2026-07-01T12:00:00Z".parse().expect("an instant"), fact };
            let (line, next) = state.line(&entry).expect("a line");
            bytes.extend(line);
            ends.push(bytes.len());
            state = next;
        }
        (bytes, ends)
    }

    fn read(mut bytes: &[u8]) -> Result<(Scan, u64), ChainError> {
        let mut entries = 0;
        scan(&mut bytes, &mut |_| entries += 1).map(|scanned| (scanned, entries))
    }

    #[test]
    fn a_journal_cut_anywhere_keeps_its_whole_lines() {
        let (bytes, ends) = journal(3);
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let (scanned, entries) = read(&bytes[..cut]).expect("a torn line is no edit");
            assert_eq!((scanned.lines, entries), (whole as u64, whole as u64), "cut at {cut}");
            assert_eq!(scanned.length as usize, if whole == 0 { 0 } else { ends[whole - 1] });
        }
    }

    #[test]
    fn a_removed_repeated_or_swapped_line_breaks_the_chain() {
        let (bytes, ends) = journal(3);
        let lines: Vec<&[u8]> = std::iter::once(0)
            .chain(ends.iter().copied())
            .zip(&ends)
            .map(|(start, end)| &bytes[start..*end])
            .collect();
        for order in [&[0, 2, 3][..], &[0, 1, 1, 2, 3], &[0, 2, 1, 3], &[1, 2, 3]] {
            let edited: Vec<u8> = order.iter().flat_map(|n| lines[*n]).copied().collect();
            assert!(matches!(read(&edited), Err(ChainError::Broken { .. })), "{order:?}");
        }
    }

    #[test]
    fn an_unknown_kind_or_version_stops_the_reader() {
        for json in [
            r#"{"at":"2026-07-01T12:00:00Z","kind":"begun","version":2}"#,
            r#"{"at":"2026-07-01T12:00:00Z","kind":"burnt"}"#,
        ] {
            let hash = hex::encode(chained(&[0; 32], json.as_bytes()));
            let line = format!("{hash} {json}\n");
            assert!(matches!(read(line.as_bytes()), Err(ChainError::Unknown { line: 1 })), "{json}");
        }
    }

    #[test]
    fn a_last_line_whose_beginning_never_reached_the_disk_is_torn() {
        let (mut bytes, ends) = journal(2);
        bytes[ends[1]..ends[1] + 40].fill(0);
        assert_eq!(read(&bytes).expect("torn").0.lines, 2);
        let (mut bytes, ends) = journal(2);
        bytes[ends[0]..ends[0] + 40].fill(0);
        assert!(matches!(read(&bytes), Err(ChainError::Broken { line: 2 })), "in the middle it is an edit");
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_goes_unseen(at in any::<proptest::sample::Index>(), flip in 1_u8..) {
            let (mut bytes, ends) = journal(4);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            // Either the chain is broken, or the change made the last line a torn one.
            if let Ok((scanned, _)) = read(&bytes) {
                prop_assert_eq!(scanned.length as usize, ends[3]);
                prop_assert!(at >= ends[3]);
            }
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&noise);
        }
    }
}
