//! The table of all Keys, found by digest: one page of memory is looked at and, almost always, two of its
//! lines. Readers share it without a lock; one writer fills vacant records in place and puts a new,
//! larger shard in the place of a full one.
//!
//! A shard holds the keys whose hash begins with the same `depth` bits; the directory is indexed by the
//! longest such beginning (extendible hashing), so that growing costs the copy of one shard only.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::{iter, thread};

use claviger_domain::id::KeySetId;

use super::members::Member;
use super::record::{KeyWithSecret, Record, Tag};
use super::shard::{Shard, Slot, place};

/// A shard with more keys than this is split in two.
const SPLIT_ABOVE: usize = 16_384;
/// Beyond this the low bits of the placement would run out; shards then only grow.
const MAX_DEPTH: u32 = 15;

#[derive(Clone)]
pub(super) struct Directory {
    depth: u32,
    shards: Vec<Shard>,
}

/// Where a record stands in one state of the directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Location {
    shard: usize,
    slot: Slot,
}

impl Directory {
    /// A table that holds `keys` without growing much.
    pub(super) fn with_capacity(keys: usize) -> Self {
        let wanted = (keys / (SPLIT_ABOVE * 3 / 4)).max(1).next_power_of_two();
        let depth = wanted.trailing_zeros().min(MAX_DEPTH);
        let each = (keys >> depth) + (keys >> depth).isqrt();
        let shards = (0..1_usize << depth).map(|_| Shard::with_room(depth, each)).collect();
        Self { depth, shards }
    }

    pub(super) fn locate(&self, tag: Tag) -> Option<Location> {
        let shard = self.shard_of(place(tag.hash()));
        self.shards[shard].locate(tag).map(|slot| Location { shard, slot })
    }

    pub(super) fn at(&self, location: Location) -> &Record {
        self.shards[location.shard].record(location.slot)
    }

    /// What the secret of the key at `location` has to match.
    pub(super) fn secret_at(&self, location: Location) -> Option<Tag> {
        self.shards[location.shard].secret(location.slot).read()
    }

    /// The record that a member of a Key Set points to.
    pub(super) fn find_member(&self, set: KeySetId, member: Member) -> Option<&Record> {
        let shard = &self.shards[self.shard_of(member.place)];
        shard.probe(member.place, member.fingerprint).map(|slot| shard.record(slot)).find(|record| {
            place(record.tag().hash()) == member.place
                && record.key_set_id() == set
                && !record.life().removed()
        })
    }

    /// Has what is looked at for this tag come from memory; what is seen means nothing. So do the three below.
    pub(super) fn glance(&self, tag: Tag) -> u64 {
        let place = place(tag.hash());
        let shard = &self.shards[self.shard_of(place)];
        let home = shard.home(place);
        shard.glance(home) ^ shard.record(home).glance()
    }

    pub(super) fn glance_at_group(&self, member: Member) -> u64 {
        let shard = &self.shards[self.shard_of(member.place)];
        shard.glance(shard.home(member.place))
    }

    pub(super) fn glance_at_record(&self, member: Member) -> u64 {
        let shard = &self.shards[self.shard_of(member.place)];
        let found = shard.probe(member.place, member.fingerprint).next();
        found.map_or(0, |slot| shard.record(slot).glance())
    }

    pub(super) fn glance_at_secret(&self, location: Location) -> u64 {
        self.shards[location.shard].secret(location.slot).glance()
    }

    /// Adds a key that is not there yet, in place; false if its shard is full.
    pub(super) fn fill(&self, put: &KeyWithSecret) -> bool {
        self.shards[self.shard_of(place(put.key.tag.hash()))].insert(put)
    }

    /// Puts other facts in the place of those that stand at `location`, under the same tag.
    pub(super) fn refill(&self, location: Location, put: &KeyWithSecret) {
        self.shards[location.shard].write(location.slot, put);
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

    /// Puts every key where it is found soonest, on all processors. For a table that nobody reads yet.
    pub(super) fn settle(&mut self) {
        let mut unsettled: Vec<&Shard> = self.shards.iter().collect();
        unsettled.dedup_by(|a, b| a.is(b));
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let settled: Vec<Shard> = thread::scope(|scope| {
            let parts = unsettled.chunks(unsettled.len().div_ceil(threads));
            let settle = |part: &[&Shard]| part.iter().map(|shard| shard.settled()).collect::<Vec<_>>();
            let running: Vec<_> = parts.map(|part| scope.spawn(move || settle(part))).collect();
            let settled = running.into_iter().map(|part| part.join().unwrap_or_else(|it| resume_unwind(it)));
            settled.flatten().collect()
        });
        let depth = self.depth;
        let everywhere = |shard: Shard| {
            let places = 1 << (depth - shard.depth);
            iter::repeat_n(shard, places)
        };
        self.shards = settled.into_iter().flat_map(everywhere).collect();
    }

    /// All that stand in the table and were not removed.
    pub(super) fn iter(&self) -> impl Iterator<Item = KeyWithSecret> + '_ {
        let mut shards: Vec<&Shard> = self.shards.iter().collect();
        shards.dedup_by(|a, b| a.is(b));
        shards.into_iter().flat_map(Shard::iter)
    }

    fn shard_of(&self, place: u32) -> usize {
        // Two steps, because shifting by all 32 bits is none of shifting's business.
        (place >> 1 >> (31 - self.depth)) as usize
    }

    fn make_room(&mut self, at: usize) {
        let full = self.shards[at].clone();
        let keys: Vec<_> = full.iter().collect();
        if keys.len() > SPLIT_ABOVE && full.depth < MAX_DEPTH {
            self.split(at, &full, &keys);
            return;
        }
        let larger = Shard::with_room(full.depth, keys.len() + keys.len() / 16 + 4);
        larger.insert_all(keys.iter());
        self.replace(&full, &larger);
    }

    fn replace(&mut self, old: &Shard, new: &Shard) {
        let places = self.shards.iter_mut().filter(|shard| shard.is(old));
        places.for_each(|shard| *shard = new.clone());
    }

    fn split(&mut self, at: usize, full: &Shard, keys: &[KeyWithSecret]) {
        if full.depth == self.depth {
            self.shards = self.shards.iter().flat_map(|shard| [shard.clone(), shard.clone()]).collect();
            self.depth += 1;
            return self.split(at * 2, full, keys);
        }
        let bit = 31 - full.depth;
        let upper = |put: &&KeyWithSecret| place(put.key.tag.hash()) >> bit & 1 == 1;
        let halves = [false, true].map(|side| {
            let count = keys.iter().filter(|key| upper(key) == side).count();
            let half = Shard::with_room(full.depth + 1, count + count / 16 + 4);
            half.insert_all(keys.iter().filter(|key| upper(key) == side));
            half
        });
        let span = 1 << (self.depth - full.depth);
        let first = at / span * span;
        for (offset, shard) in self.shards[first..first + span].iter_mut().enumerate() {
            *shard = halves[usize::from(offset >= span / 2)].clone();
        }
    }
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
            assert!(directory.shards.len() >= 4, "{} shards", directory.shards.len());
        }
    }

    #[test]
    fn a_settled_table_has_the_same_keys_at_the_same_places() {
        let mut directory = Directory::with_capacity(0);
        // Only some shards are split further than the others.
        let begins_with_nothing = |n: &u32| place(key(*n).key.tag.hash()) >> 30 == 0;
        (0..30_000)
            .chain((30_000..120_000).filter(begins_with_nothing))
            .for_each(|n| directory.insert(&key(n)));
        let depths: Vec<_> = directory.shards.iter().map(|shard| shard.depth).collect();
        assert!(depths.iter().any(|depth| *depth < directory.depth), "{depths:?}");
        let before = directory.iter().count();
        directory.settle();
        assert_eq!(directory.shards.iter().map(|shard| shard.depth).collect::<Vec<_>>(), depths);
        assert_eq!(directory.iter().count(), before);
        for n in 0..30_000 {
            assert_eq!(found(&directory, n).map(|record| record.read().id), Some(key(n).key.id));
        }
        // What stands at several places is still one shard there.
        directory.insert(&key(200_000));
        assert_eq!(directory.iter().count(), before + 1);
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
        let filled: usize = directory.shards.iter().map(Shard::used).sum();
        assert!(filled < 600, "{filled} records for 500 keys");
    }
}
