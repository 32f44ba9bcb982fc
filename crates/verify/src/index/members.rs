//! Which Keys a Key Set has, for the writer alone: eight bytes per Key, which say where the Key's record
//! is to be found. Calls never look here.

use claviger_domain::id::KeySetId;

use super::record::Tag;
use super::shard;

const SHARD_BITS: u32 = 12;
const PRINT_BITS: u32 = 24;

/// Where a Key of a set stands in the table of Keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) place: u32,
    pub(super) fingerprint: u8,
}

/// A multimap from Key Sets to members: open addressing in shards that grow one by one. An entry is 24
/// bits of the set's hash, then the member; 0 is vacant. Two sets may look alike here: who follows a
/// member asks the record for its set.
pub(super) struct Members {
    shards: Vec<Shard>,
}

#[derive(Clone, Default)]
struct Shard {
    used: usize,
    entries: Box<[u64]>,
}

impl Members {
    pub(super) fn with_capacity(keys: usize) -> Self {
        let each = keys >> SHARD_BITS;
        let shard = if keys == 0 { Shard::default() } else { Shard::with_room(each + each.isqrt()) };
        Self { shards: vec![shard; 1 << SHARD_BITS] }
    }

    pub(super) fn insert(&mut self, set: KeySetId, tag: Tag) {
        let (shard, print) = split(set);
        let member = u64::from(shard::place(tag.hash())) << 8 | u64::from(shard::fingerprint(tag.hash()));
        self.shards[shard].insert(print << 40 | member);
    }

    /// Has the set's entries come from memory; what is seen means nothing.
    pub(super) fn glance(&self, set: KeySetId) -> u64 {
        let (shard, print) = split(set);
        let entries = &self.shards[shard].entries;
        entries.get(self.shards[shard].home(print)).copied().unwrap_or_default()
    }

    /// The members of a set, and now and then a stranger.
    pub(super) fn of(&self, set: KeySetId) -> impl Iterator<Item = Member> + Clone {
        let (shard, print) = split(set);
        self.shards[shard]
            .probe(print)
            .map(|entry| Member { place: (entry >> 8) as u32, fingerprint: (entry & 0xff) as u8 })
    }
}

impl Shard {
    fn with_room(keys: usize) -> Self {
        Self { used: 0, entries: vec![0; keys * 8 / 7 + 4].into_boxed_slice() }
    }

    fn insert(&mut self, entry: u64) {
        if self.used * 10 >= self.entries.len() * 9 {
            let mut larger = Self::with_room(self.used + self.used / 32 + 2);
            self.entries.iter().filter(|entry| **entry != 0).for_each(|entry| larger.place(*entry));
            *self = larger;
        }
        self.place(entry);
    }

    fn place(&mut self, entry: u64) {
        let mut at = self.home(entry >> 40);
        while self.entries[at] != 0 {
            at = if at + 1 == self.entries.len() { 0 } else { at + 1 };
        }
        self.entries[at] = entry;
        self.used += 1;
    }

    fn probe(&self, print: u64) -> impl Iterator<Item = u64> + Clone + '_ {
        let home = if self.entries.is_empty() { 0 } else { self.home(print) };
        self.entries[home..]
            .iter()
            .chain(&self.entries[..home])
            .copied()
            .take_while(|entry| *entry != 0)
            .filter(move |entry| entry >> 40 == print)
    }

    const fn home(&self, print: u64) -> usize {
        ((print * self.entries.len() as u64) >> PRINT_BITS) as usize
    }
}

fn split(set: KeySetId) -> (usize, u64) {
    let id = set.as_u128();
    let mixed = ((id >> 64) as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ id as u64;
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> (64 - SHARD_BITS)) as usize, mixed >> 8 & ((1 << PRINT_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use claviger_domain::secret::Digest;

    use super::*;

    #[test]
    fn every_member_is_found_under_its_set() {
        let set = |n: u32| KeySetId::from_bytes((u128::from(n) << 64 | u128::from(n / 7)).to_be_bytes());
        let tag = |n: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            Tag::of(&Digest::from_bytes(bytes))
        };
        for capacity in [0, 60_000] {
            let mut members = Members::with_capacity(capacity);
            for n in 0..60_000 {
                members.insert(set(n / 2), tag(n));
            }
            let strangers: usize = (0..30_000)
                .map(|n| {
                    let found: Vec<_> = members.of(set(n)).map(|member| member.place).collect();
                    assert!(found.contains(&(2 * n)) && found.contains(&(2 * n + 1)), "{n}");
                    found.len() - 2
                })
                .sum();
            assert!(strangers < 300, "{strangers}");
            assert!(members.of(set(40_000)).count() < 3);
        }
    }
}
