//! The table of all Keys, found by digest: one look at a line of fingerprints and, almost always, one at
//! a record. Readers share it without a lock; one writer fills vacant records in place and puts a new,
//! larger shard in the place of a full one.
//!
//! A shard holds the keys whose hash begins with the same `depth` bits; the directory is indexed by the
//! longest such beginning (extendible hashing), so that growing costs the copy of one shard only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use claviger_domain::id::KeySetId;

use super::members::Member;
use super::record::{KeyWithSecret, Record, SecretTag, Tag};

const GROUP: usize = 8;
/// So much of a shard is filled at most.
const FULL: (usize, usize) = (12, 13);
/// A shard with more keys than this is split in two.
const SPLIT_ABOVE: usize = 8_192;
/// Beyond this the low bits of the placement would run out; shards then only grow.
const MAX_DEPTH: u32 = 16;

#[derive(Clone)]
pub(super) struct Directory {
    depth: u32,
    shards: Vec<Arc<Shard>>,
}

/// Where a record stands in one state of the directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Location {
    shard: usize,
    record: usize,
}

struct Shard {
    depth: u32,
    /// How many records are filled.
    used: AtomicUsize,
    /// One byte per record: 0 while it is vacant, else eight bits of its hash.
    fingerprints: Box<[AtomicU64]>,
    records: Box<[Record]>,
    /// One per record.
    secrets: Box<[SecretTag]>,
}

impl Directory {
    /// A table that holds `keys` without growing much.
    pub(super) fn with_capacity(keys: usize) -> Self {
        let wanted = (keys / (SPLIT_ABOVE * 3 / 4)).max(1).next_power_of_two();
        let depth = wanted.trailing_zeros().min(MAX_DEPTH);
        let each = (keys >> depth) + (keys >> depth).isqrt();
        let shards = (0..1_usize << depth).map(|_| Arc::new(Shard::with_room(depth, each))).collect();
        Self { depth, shards }
    }

    pub(super) fn locate(&self, tag: Tag) -> Option<Location> {
        let shard = self.shard_of(place(tag.hash()));
        self.shards[shard].locate(tag).map(|record| Location { shard, record })
    }

    pub(super) fn at(&self, location: Location) -> &Record {
        &self.shards[location.shard].records[location.record]
    }

    /// What the secret of the key at `location` has to match.
    pub(super) fn secret_at(&self, location: Location) -> Option<Tag> {
        self.shards[location.shard].secrets[location.record].read()
    }

    /// The record that a member of a Key Set points to.
    pub(super) fn find_member(&self, set: KeySetId, member: Member) -> Option<&Record> {
        let shard = &self.shards[self.shard_of(member.place)];
        shard.probe(member.place, member.fingerprint).map(|at| &shard.records[at]).find(|record| {
            place(record.tag().hash()) == member.place
                && record.key_set_id() == set
                && !record.life().removed()
        })
    }

    /// Has what is looked at for this tag come from memory; what is seen means nothing. So do the two below.
    pub(super) fn glance(&self, tag: Tag) -> u64 {
        let place = place(tag.hash());
        let shard = &self.shards[self.shard_of(place)];
        let group = shard.home(place);
        let likeliest = &shard.records[group * GROUP + preference(tag.hash())];
        shard.fingerprints[group].load(Ordering::Relaxed) ^ likeliest.glance()
    }

    pub(super) fn glance_at_group(&self, member: Member) -> u64 {
        let shard = &self.shards[self.shard_of(member.place)];
        shard.fingerprints[shard.home(member.place)].load(Ordering::Relaxed)
    }

    pub(super) fn glance_at_record(&self, member: Member) -> u64 {
        let shard = &self.shards[self.shard_of(member.place)];
        let found = shard.probe(member.place, member.fingerprint).next();
        found.map_or(0, |at| shard.records[at].glance())
    }

    /// Adds a key that is not there yet, in place; false if its shard is full.
    pub(super) fn fill(&self, put: &KeyWithSecret) -> bool {
        self.shards[self.shard_of(place(put.key.tag.hash()))].insert(put)
    }

    /// Puts other facts in the place of those that stand at `location`, under the same tag.
    pub(super) fn refill(&self, location: Location, put: &KeyWithSecret) {
        self.shards[location.shard].write(location.record, put);
    }

    /// Adds a key that is not there yet, in a larger shard if need be.
    pub(super) fn insert(&mut self, put: &KeyWithSecret) {
        loop {
            let shard = self.shard_of(place(put.key.tag.hash()));
            if self.shards[shard].insert(put) {
                return;
            }
            self.make_room(shard);
        }
    }

    /// Puts every key where it is found soonest. For a table that nobody reads yet.
    pub(super) fn settle(&mut self) {
        for at in 0..self.shards.len() {
            let shard = &self.shards[at];
            // A shard that stands at several places is settled at the first.
            if at > 0 && Arc::ptr_eq(shard, &self.shards[at - 1]) {
                continue;
            }
            let keys: Vec<_> = shard.iter().collect();
            let settled = Arc::new(Shard::with_groups(shard.depth, shard.fingerprints.len()));
            settled.insert_all(keys.iter());
            let old = Arc::clone(shard);
            self.replace(&old, &settled);
        }
    }

    /// All that stand in the table and were not removed.
    pub(super) fn iter(&self) -> impl Iterator<Item = KeyWithSecret> + '_ {
        let mut shards: Vec<&Shard> = self.shards.iter().map(Arc::as_ref).collect();
        shards.dedup_by(|a, b| std::ptr::eq(*a, *b));
        shards.into_iter().flat_map(Shard::iter)
    }

    fn shard_of(&self, place: u32) -> usize {
        // Two steps, because shifting by all 32 bits is none of shifting's business.
        (place >> 1 >> (31 - self.depth)) as usize
    }

    fn make_room(&mut self, at: usize) {
        let full = Arc::clone(&self.shards[at]);
        let keys: Vec<_> = full.iter().collect();
        if keys.len() > SPLIT_ABOVE && full.depth < MAX_DEPTH {
            self.split(at, &full, &keys);
            return;
        }
        let larger = Arc::new(Shard::with_room(full.depth, keys.len() + keys.len() / 16 + 4));
        larger.insert_all(keys.iter());
        self.replace(&full, &larger);
    }

    fn replace(&mut self, old: &Arc<Shard>, new: &Arc<Shard>) {
        let places = self.shards.iter_mut().filter(|shard| Arc::ptr_eq(shard, old));
        places.for_each(|shard| *shard = Arc::clone(new));
    }

    fn split(&mut self, at: usize, full: &Arc<Shard>, keys: &[KeyWithSecret]) {
        if full.depth == self.depth {
            self.shards =
                self.shards.iter().flat_map(|shard| [Arc::clone(shard), Arc::clone(shard)]).collect();
            self.depth += 1;
            return self.split(at * 2, full, keys);
        }
        let bit = 31 - full.depth;
        let upper = |put: &&KeyWithSecret| place(put.key.tag.hash()) >> bit & 1 == 1;
        let halves = [false, true].map(|side| {
            let count = keys.iter().filter(|key| upper(key) == side).count();
            let half = Shard::with_room(full.depth + 1, count + count / 16 + 4);
            half.insert_all(keys.iter().filter(|key| upper(key) == side));
            Arc::new(half)
        });
        let span = 1 << (self.depth - full.depth);
        let first = at / span * span;
        for (offset, shard) in self.shards[first..first + span].iter_mut().enumerate() {
            *shard = Arc::clone(&halves[usize::from(offset >= span / 2)]);
        }
    }
}

impl Shard {
    fn with_room(depth: u32, keys: usize) -> Self {
        Self::with_groups(depth, (keys * FULL.1 / FULL.0) / GROUP + 1)
    }

    fn with_groups(depth: u32, groups: usize) -> Self {
        Self {
            depth,
            used: AtomicUsize::new(0),
            fingerprints: (0..groups).map(|_| AtomicU64::new(0)).collect(),
            records: (0..groups * GROUP).map(|_| Record::vacant()).collect(),
            secrets: (0..groups * GROUP).map(|_| SecretTag::vacant()).collect(),
        }
    }

    fn locate(&self, tag: Tag) -> Option<usize> {
        let (place, fingerprint) = (place(tag.hash()), fingerprint(tag.hash()));
        // The fingerprints and the likeliest record are on their way from memory at the same time.
        let probe = self.probe(place, fingerprint);
        let likeliest = self.home(place) * GROUP + preference(tag.hash());
        if self.records[likeliest].tag() == tag {
            return Some(likeliest);
        }
        let mut probe = probe;
        probe.find(|at| self.records[*at].tag() == tag)
    }

    /// The records at and after the home of `place` whose fingerprint fits, up to the first vacancy.
    fn probe(&self, place: u32, fingerprint: u8) -> impl Iterator<Item = usize> {
        let mut group = self.home(place);
        let mut word = self.fingerprints[group].load(Ordering::Acquire);
        let mut fitting = bytes_equal(word, fingerprint);
        let mut groups_left = self.fingerprints.len();
        std::iter::from_fn(move || {
            while fitting == 0 {
                groups_left -= 1;
                if groups_left == 0 || bytes_equal(word, 0) != 0 {
                    groups_left = 1;
                    return None;
                }
                group = self.next(group);
                word = self.fingerprints[group].load(Ordering::Acquire);
                fitting = bytes_equal(word, fingerprint);
            }
            let slot = group * GROUP + fitting.trailing_zeros() as usize / 8;
            fitting &= fitting - 1;
            Some(slot)
        })
    }

    /// False if the shard is full. There is one writer.
    fn insert(&self, put: &KeyWithSecret) -> bool {
        if self.used.load(Ordering::Relaxed) >= self.records.len() * FULL.0 / FULL.1 {
            return false;
        }
        let hash = put.key.tag.hash();
        let mut group = self.home(place(hash));
        loop {
            let word = self.fingerprints[group].load(Ordering::Relaxed);
            if let Some(slot) = vacancy(word, preference(hash)) {
                self.fill(group, slot, put);
                return true;
            }
            group = self.next(group);
        }
    }

    /// Fills a new shard: first every record that is somebody's likeliest one, so that as many as can be
    /// are found at the first look, then the others.
    fn insert_all<'a>(&self, keys: impl Iterator<Item = &'a KeyWithSecret>) {
        let mut others = Vec::new();
        for put in keys {
            let hash = put.key.tag.hash();
            let (group, slot) = (self.home(place(hash)), preference(hash));
            let word = self.fingerprints[group].load(Ordering::Relaxed);
            if word >> (slot * 8) & 0xff == 0 {
                self.fill(group, slot, put);
            } else {
                others.push(put);
            }
        }
        for put in others {
            let placed = self.insert(put);
            debug_assert!(placed, "a shard is made large enough for what is put into it");
        }
    }

    fn fill(&self, group: usize, slot: usize, put: &KeyWithSecret) {
        self.write(group * GROUP + slot, put);
        let word = self.fingerprints[group].load(Ordering::Relaxed);
        let print = u64::from(fingerprint(put.key.tag.hash())) << (slot * 8);
        self.fingerprints[group].store(word | print, Ordering::Release);
        self.used.store(self.used.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// The secret first: whoever finds the record finds that too.
    fn write(&self, at: usize, put: &KeyWithSecret) {
        self.secrets[at].fill(put.secret);
        self.records[at].fill(&put.key);
    }

    fn iter(&self) -> impl Iterator<Item = KeyWithSecret> + '_ {
        self.records.iter().zip(&self.secrets).enumerate().filter_map(|(slot, (record, secret))| {
            let word = self.fingerprints[slot / GROUP].load(Ordering::Acquire);
            let filled = word >> (slot % GROUP * 8) & 0xff != 0;
            let put = filled.then(|| KeyWithSecret { key: record.read(), secret: secret.read() });
            put.filter(|put| !put.key.life.removed())
        })
    }

    fn home(&self, place: u32) -> usize {
        let within = u64::from(place << self.depth);
        ((within * self.fingerprints.len() as u64) >> 32) as usize
    }

    const fn next(&self, group: usize) -> usize {
        if group + 1 == self.fingerprints.len() { 0 } else { group + 1 }
    }
}

/// The half of the hash that says where a key stands.
pub(super) const fn place(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Eight bits of the other half, never 0.
pub(super) const fn fingerprint(hash: u64) -> u8 {
    let byte = (hash & 0xff) as u8;
    if byte == 0 { 1 } else { byte }
}

/// The record of its home group in which a key is looked for first.
const fn preference(hash: u64) -> usize {
    (hash >> 8) as usize % GROUP
}

/// A vacant record of a group, the preferred one if it is.
const fn vacancy(word: u64, preferred: usize) -> Option<usize> {
    if word >> (preferred * 8) & 0xff == 0 {
        return Some(preferred);
    }
    match bytes_equal(word, 0) {
        0 => None,
        vacant => Some(vacant.trailing_zeros() as usize / 8),
    }
}

/// The highest bit of each byte of `word` that equals `byte`. A byte above a true one may be wrongly
/// marked; the record's tag tells, and for vacancies only the lowest counts.
const fn bytes_equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let difference = word ^ (LOW * byte as u64);
    difference.wrapping_sub(LOW) & !difference & (LOW << 7)
}

#[cfg(test)]
mod tests {
    use claviger_domain::id::KeyId;
    use claviger_domain::secret::Digest;

    use super::super::record::{KeyRecord, Life, References};
    use super::*;

    fn found(directory: &Directory, n: u32) -> Option<&Record> {
        directory.locate(key(n).key.tag).map(|location| directory.at(location))
    }

    fn key(n: u32) -> KeyWithSecret {
        // Spread as digests are.
        let mut bytes = [0; 32];
        let mixed = u64::from(n).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes[..8].copy_from_slice(&(mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes());
        bytes[8..12].copy_from_slice(&n.to_be_bytes());
        let key = KeyRecord {
            tag: Tag::of(&Digest::from_bytes(bytes)),
            id: KeyId::from_bytes(u128::from(n).to_be_bytes()),
            key_set_id: KeySetId::from_bytes([1; 16]),
            life: Life::new(true, None),
            references: References::new(0, 0, true),
        };
        let secret = n.is_multiple_of(3).then(|| Tag::of(&Digest::from_bytes([n as u8 | 1; 32])));
        KeyWithSecret { key, secret }
    }

    #[test]
    fn what_was_put_in_is_found_and_nothing_else_however_it_grows() {
        for capacity in [0, 50_000] {
            let mut directory = Directory::with_capacity(capacity);
            for n in 0..50_000 {
                assert!(found(&directory, n).is_none());
                directory.insert(&key(n));
            }
            for n in 0..50_000 {
                assert_eq!(found(&directory, n).map(|record| record.read().id), Some(key(n).key.id));
                let secret = directory.locate(key(n).key.tag).and_then(|at| directory.secret_at(at));
                assert_eq!(secret, key(n).secret);
            }
            assert!((50_000..60_000).all(|n| found(&directory, n).is_none()));
            assert_eq!(directory.iter().count(), 50_000);
            assert!(directory.shards.len() >= 8, "{} shards", directory.shards.len());
        }
    }

    #[test]
    fn what_was_removed_is_left_behind_when_a_shard_grows() {
        let mut directory = Directory::with_capacity(0);
        for n in 0..1_000 {
            directory.insert(&key(n));
            let record = found(&directory, n).expect("just put in");
            if n % 2 == 0 {
                record.live(record.life().removing());
            }
        }
        assert_eq!(directory.iter().count(), 500);
        let filled: usize = directory.shards.iter().map(|shard| shard.used.load(Ordering::Relaxed)).sum();
        assert!(filled < 600, "{filled} records for 500 keys");
    }

    #[test]
    fn bytes_are_matched_side_by_side() {
        let word = u64::from_le_bytes([1, 0, 7, 255, 7, 128, 0, 2]);
        assert_eq!(bytes_equal(word, 7).trailing_zeros() / 8, 2);
        assert_eq!(bytes_equal(word, 0).trailing_zeros() / 8, 1);
        assert_eq!(bytes_equal(word, 255).trailing_zeros() / 8, 3);
        assert_eq!(bytes_equal(word, 9), 0);
    }
}
