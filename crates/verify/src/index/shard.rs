//! One shard of the table of Keys, in blocks of one page of memory: what a call looks at stands together, because on
//! a large table the way to a page costs more than what stands there. First the fingerprints of a block's keys, on one
//! line; then the records, a line each; then what their secrets have to match.
//!
//! A key is looked for first at its home slot, then in the words of fingerprints from there on, around the block and
//! through the blocks behind it, up to a word with a vacancy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::record::{KeyWithSecret, Record, SecretTag, Tag};

/// So many keys stand on a page, with all that belongs to them.
const SLOTS: usize = 50;
const SLOTS_PER_WORD: usize = 8;
const WORDS: usize = SLOTS.div_ceil(SLOTS_PER_WORD);
/// What stands behind the last slot in the last word: nobody's fingerprint, and never vacant.
const NOBODY: u8 = 0xff;
/// So much of a shard is filled at most.
const FULL: (usize, usize) = (12, 13);

/// Cheap to clone: clones are the same shard.
#[derive(Clone)]
pub(super) struct Shard {
    pub(super) depth: u32,
    /// How many records are filled.
    used: Arc<AtomicUsize>,
    pub(super) blocks: Arc<[Block]>,
}

/// One page.
#[repr(align(4096))]
pub(super) struct Block {
    /// One byte per record: 0 while it is vacant, else eight bits of its hash.
    fingerprints: [AtomicU64; WORDS],
    records: [Record; SLOTS],
    secrets: [SecretTag; SLOTS],
}

const _: () = assert!(size_of::<Block>() == 4096, "a block is one page");

/// Where a record stands in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    block: usize,
    slot: usize,
}

/// A word of fingerprints on the way from a home slot, and how many were passed.
#[derive(Clone, Copy)]
struct Walk {
    block: usize,
    word: usize,
    passed: usize,
}

impl Shard {
    pub(super) fn with_room(depth: u32, keys: usize) -> Self {
        Self::with_blocks(depth, (keys * FULL.1 / FULL.0) / SLOTS + 1)
    }

    pub(super) fn with_blocks(depth: u32, blocks: usize) -> Self {
        let blocks = (0..blocks).map(|_| Block::vacant()).collect();
        Self { depth, used: Arc::default(), blocks }
    }

    /// Whether both are the same shard.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.blocks, &other.blocks)
    }

    pub(super) fn record(&self, at: Slot) -> &Record {
        &self.blocks[at.block].records[at.slot]
    }

    pub(super) fn secret(&self, at: Slot) -> &SecretTag {
        &self.blocks[at.block].secrets[at.slot]
    }

    pub(super) fn locate(&self, tag: Tag) -> Option<Slot> {
        let (place, fingerprint) = (place(tag.hash()), fingerprint(tag.hash()));
        let home = self.home(place);
        // Most stand at home. A processor goes for the record there before it knows the fingerprint, and where that
        // turns out not to fit it need not wait for the record to go for the right one.
        if self.blocks[home.block].print(home.slot) == fingerprint && self.record(home).tag() == tag {
            return Some(home);
        }
        self.probe(place, fingerprint).find(|at| self.record(*at).tag() == tag)
    }

    /// The records on the way from the home of `place` whose fingerprint fits, up to the first vacancy.
    pub(super) fn probe(&self, place: u32, fingerprint: u8) -> impl Iterator<Item = Slot> {
        let mut at = Walk::from(self.home(place));
        let mut word = self.word(at).load(Ordering::Acquire);
        let mut fitting = bytes_equal(word, fingerprint);
        std::iter::from_fn(move || {
            while fitting == 0 {
                // Whatever comes behind a vacancy would have found room here.
                if bytes_equal(word, 0) != 0 {
                    return None;
                }
                at = at.next(self.blocks.len())?;
                word = self.word(at).load(Ordering::Acquire);
                fitting = bytes_equal(word, fingerprint);
            }
            let slot = at.slot(fitting);
            fitting &= fitting - 1;
            Some(slot)
        })
    }

    /// Has the fingerprints of a block come from memory; what is seen means nothing.
    pub(super) fn glance(&self, at: Slot) -> u64 {
        self.blocks[at.block].fingerprints[at.slot / SLOTS_PER_WORD].load(Ordering::Relaxed)
    }

    /// False if the shard is full. There is one writer.
    pub(super) fn insert(&self, put: &KeyWithSecret) -> bool {
        if self.used() >= self.blocks.len() * SLOTS * FULL.0 / FULL.1 {
            return false;
        }
        let home = self.home(place(put.key.tag.hash()));
        if self.blocks[home.block].print(home.slot) == 0 {
            self.fill(home, put);
            return true;
        }
        let mut walk = Some(Walk::from(home));
        while let Some(at) = walk {
            let vacant = bytes_equal(self.word(at).load(Ordering::Relaxed), 0);
            if vacant != 0 {
                self.fill(at.slot(vacant), put);
                return true;
            }
            walk = at.next(self.blocks.len());
        }
        false
    }

    /// Fills a new shard: first every record that is somebody's home, so that as many as can be are found at the
    /// first look, then the others.
    pub(super) fn insert_all<'a>(&self, keys: impl Iterator<Item = &'a KeyWithSecret>) {
        let mut others = Vec::new();
        for put in keys {
            let home = self.home(place(put.key.tag.hash()));
            match self.blocks[home.block].print(home.slot) {
                0 => self.fill(home, put),
                _ => others.push(put),
            }
        }
        for put in others {
            let placed = self.insert(put);
            debug_assert!(placed, "a shard is made large enough for what is put into it");
        }
    }

    /// The same keys, each where it is found soonest.
    pub(super) fn settled(&self) -> Self {
        let keys: Vec<_> = self.iter().collect();
        let settled = Self::with_blocks(self.depth, self.blocks.len());
        settled.insert_all(keys.iter());
        settled
    }

    /// Puts other facts in the place of those that stand there. The secret first: whoever finds the record finds
    /// that too.
    pub(super) fn write(&self, at: Slot, put: &KeyWithSecret) {
        self.secret(at).fill(put.secret);
        self.record(at).fill(&put.key);
    }

    fn fill(&self, at: Slot, put: &KeyWithSecret) {
        self.write(at, put);
        let word = self.word(Walk::from(at));
        let print = u64::from(fingerprint(put.key.tag.hash())) << (at.slot % SLOTS_PER_WORD * 8);
        word.store(word.load(Ordering::Relaxed) | print, Ordering::Release);
        self.used.store(self.used() + 1, Ordering::Relaxed);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = KeyWithSecret> + '_ {
        self.blocks.iter().flat_map(|block| {
            let stands = block.records.iter().zip(&block.secrets).enumerate();
            stands.filter_map(|(slot, (record, secret))| {
                let filled = block.print(slot) != 0;
                let put = filled.then(|| KeyWithSecret { key: record.read(), secret: secret.read() });
                put.filter(|put| !put.key.life.removed())
            })
        })
    }

    /// How many keys were put in.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Where a key is looked for first.
    pub(super) fn home(&self, place: u32) -> Slot {
        let within = u64::from(place << self.depth);
        let slot = ((within * (self.blocks.len() * SLOTS) as u64) >> 32) as usize;
        Slot { block: slot / SLOTS, slot: slot % SLOTS }
    }

    fn word(&self, at: Walk) -> &AtomicU64 {
        &self.blocks[at.block].fingerprints[at.word]
    }
}

impl Block {
    fn vacant() -> Self {
        let nobody = |at: usize| if at < SLOTS { 0 } else { NOBODY };
        let word = |word: usize| {
            AtomicU64::new(u64::from_le_bytes(std::array::from_fn(|at| nobody(word * SLOTS_PER_WORD + at))))
        };
        Self {
            fingerprints: std::array::from_fn(word),
            records: [const { Record::vacant() }; SLOTS],
            secrets: [const { SecretTag::vacant() }; SLOTS],
        }
    }

    /// The fingerprint of a slot.
    fn print(&self, slot: usize) -> u8 {
        let word = self.fingerprints[slot / SLOTS_PER_WORD].load(Ordering::Acquire);
        (word >> (slot % SLOTS_PER_WORD * 8)) as u8
    }
}

impl From<Slot> for Walk {
    fn from(home: Slot) -> Self {
        Self { block: home.block, word: home.slot / SLOTS_PER_WORD, passed: 0 }
    }
}

impl Walk {
    /// The word after this one, around the block; then those of the next block. `None` after the last of all.
    fn next(self, blocks: usize) -> Option<Self> {
        let passed = self.passed + 1;
        let word = if self.word + 1 == WORDS { 0 } else { self.word + 1 };
        let block = match self.block + 1 {
            _ if !passed.is_multiple_of(WORDS) => self.block,
            after if after == blocks => 0,
            after => after,
        };
        (passed < blocks * WORDS).then_some(Self { block, word, passed })
    }

    /// The slot of the lowest byte that is marked.
    const fn slot(self, marked: u64) -> Slot {
        Slot { block: self.block, slot: self.word * SLOTS_PER_WORD + marked.trailing_zeros() as usize / 8 }
    }
}

/// The half of the hash that says where a key stands.
pub(super) const fn place(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Eight bits of the other half, never those of a vacancy or of nobody.
pub(super) const fn fingerprint(hash: u64) -> u8 {
    match (hash & 0xff) as u8 {
        0 => 1,
        NOBODY => NOBODY - 1,
        byte => byte,
    }
}

/// The highest bit of each byte of `word` that equals `byte`.
const fn bytes_equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const ALL_BUT_HIGHEST: u64 = LOW * 0x7f;
    let difference = word ^ (LOW * byte as u64);
    // The highest bit of each byte in which any bit differs; no byte carries into the next.
    let differs = ((difference & ALL_BUT_HIGHEST) + ALL_BUT_HIGHEST) | difference;
    !(differs | ALL_BUT_HIGHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_matched_side_by_side() {
        let word = u64::from_le_bytes([1, 0, 7, 255, 7, 6, 0, 128]);
        let places = |byte| {
            let marked = bytes_equal(word, byte).to_le_bytes();
            marked.iter().enumerate().filter(|(_, it)| **it != 0).map(|(at, _)| at).collect::<Vec<_>>()
        };
        assert_eq!(places(7), [2, 4]);
        assert_eq!(places(6), [5]);
        assert_eq!(places(0), [1, 6]);
        assert_eq!(places(255), [3]);
        assert_eq!(places(128), [7]);
        assert!(places(9).is_empty());
    }
}
