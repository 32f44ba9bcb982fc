//! The limit: a table that can do nothing but find a key. One 64-byte line per key, open addressing, no
//! updates, no names. It takes the same digests.

use claviger_domain::credential::WellFormed;
use claviger_domain::time::Timestamp;
use claviger_verify::DigestKeys;

use crate::population::{Call, Population};

pub(crate) struct FlatTable {
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u64; 8]);

impl FlatTable {
    pub(crate) fn of(population: &Population) -> Self {
        let mut table = Self { lines: vec![Line::default(); population.keys() * 3 / 2 + 8] };
        for digest in population.all_digests() {
            let (first, second) = halves(digest.as_bytes());
            let mut at = table.home(first);
            while table.lines[at].0[0] != 0 {
                at = if at + 1 == table.lines.len() { 0 } else { at + 1 };
            }
            table.lines[at].0 = [first, second, 0, 0, 0, 0, u64::MAX, 0];
        }
        table
    }

    pub(crate) fn decide(&self, digests: &DigestKeys, call: &Call<'_>, now: Timestamp) -> usize {
        let Some(key) = WellFormed::parse(call.key) else { return 1 };
        let (first, second) = halves(digests.newest.key.digest(key.expose().as_bytes()).as_bytes());
        let mut at = self.home(first);
        loop {
            let line = &self.lines[at].0;
            if line[0] == first && line[1] == second {
                let secret = call.secret.and_then(WellFormed::parse);
                let secret = secret.map(|it| digests.newest.secret.digest(it.expose().as_bytes()));
                let matched = secret.is_none_or(|it| halves(it.as_bytes()).0 != line[5]);
                return usize::from(matched)
                    + usize::from(line[6] < now.as_micros().unsigned_abs())
                    + line[7] as usize;
            }
            if line[0] == 0 {
                return 2;
            }
            at = if at + 1 == self.lines.len() { 0 } else { at + 1 };
        }
    }

    fn home(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.lines.len() as u128) >> 64) as usize
    }
}

fn halves(digest: &[u8; 32]) -> (u64, u64) {
    let first = u64::from_be_bytes(digest[..8].try_into().unwrap_or_default());
    let second = u64::from_be_bytes(digest[8..16].try_into().unwrap_or_default());
    (first.max(1), second)
}
