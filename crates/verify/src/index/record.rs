//! One Key on one cache line: what finds it, who it is, and what decides on it. Six words are written once,
//! before the record can be found; the two that change (life and references) are one atomic store each,
//! so that a reader never waits and never sees half of a change. What its secret has to match stands
//! beside, since most calls never look there.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_domain::id::{KeyId, KeySetId};
use claviger_domain::secret::Digest;
use claviger_domain::time::Timestamp;
use subtle::ConstantTimeEq as _;

use crate::facts::KeyEnd;

const TAG: [usize; 2] = [0, 1];
const LIFE: usize = 2;
const REFERENCES: usize = 3;
const KEY_ID: [usize; 2] = [4, 5];
const KEY_SET_ID: [usize; 2] = [6, 7];
const WORDS: usize = 8;

/// The first 16 bytes of a digest: enough to find a key by and to tell two apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag([u64; 2]);

impl Tag {
    const NONE: Self = Self([0; 2]);

    /// The tag of a digest.
    pub fn of(digest: &Digest) -> Self {
        Self(words(digest.as_bytes()[..16].try_into().unwrap_or_default()))
    }

    /// In constant time: whether a secret that a stranger presents has this tag.
    pub(super) fn matches(self, presented: &Digest) -> bool {
        self.0.ct_eq(&Self::of(presented).0).into()
    }

    pub(super) const fn as_u128(self) -> u128 {
        (self.0[0] as u128) << 64 | self.0[1] as u128
    }

    /// Where a key with this tag is placed. Digests are as good as random.
    pub(super) const fn hash(self) -> u64 {
        self.0[0]
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag")
    }
}

/// A record as it stands in the table.
#[repr(align(64))]
pub(super) struct Record([AtomicU64; WORDS]);

/// The tag of a Key's secret, written before its record can be found.
pub(super) struct SecretTag([AtomicU64; 2]);

impl SecretTag {
    pub(super) const fn vacant() -> Self {
        Self([const { AtomicU64::new(0) }; 2])
    }

    pub(super) fn fill(&self, secret: Option<Tag>) {
        let Tag([first, second]) = secret.unwrap_or(Tag::NONE);
        self.0[0].store(first, Ordering::Relaxed);
        self.0[1].store(second, Ordering::Relaxed);
    }

    /// A word of it, so that its line comes from memory.
    pub(super) fn glance(&self) -> u64 {
        self.0[0].load(Ordering::Relaxed)
    }

    pub(super) fn read(&self) -> Option<Tag> {
        let tag = Tag([self.0[0].load(Ordering::Relaxed), self.0[1].load(Ordering::Relaxed)]);
        (tag != Tag::NONE).then_some(tag)
    }
}

/// The same as plain values.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyRecord {
    pub(super) tag: Tag,
    pub(super) id: KeyId,
    pub(super) key_set_id: KeySetId,
    pub(super) life: Life,
    pub(super) references: References,
}

/// A Key as it is put into the table and taken out again.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyWithSecret {
    pub(super) key: KeyRecord,
    pub(super) secret: Option<Tag>,
}

impl Record {
    pub(super) const fn vacant() -> Self {
        Self([const { AtomicU64::new(0) }; WORDS])
    }

    /// Fills a vacant record. Its tag comes last: whoever sees that sees all.
    pub(super) fn fill(&self, key: &KeyRecord) {
        let pairs = [(KEY_ID, words(*key.id.as_bytes())), (KEY_SET_ID, words(*key.key_set_id.as_bytes()))];
        for ([high, low], [first, second]) in pairs {
            self.0[high].store(first, Ordering::Relaxed);
            self.0[low].store(second, Ordering::Relaxed);
        }
        self.live(key.life);
        self.0[REFERENCES].store(key.references.0, Ordering::Relaxed);
        self.0[TAG[1]].store(key.tag.0[1], Ordering::Relaxed);
        self.0[TAG[0]].store(key.tag.0[0], Ordering::Release);
    }

    pub(super) fn read(&self) -> KeyRecord {
        KeyRecord {
            tag: self.tag(),
            id: KeyId::from_bytes(bytes(self.pair(KEY_ID))),
            key_set_id: self.key_set_id(),
            references: References(self.0[REFERENCES].load(Ordering::Acquire)),
            // After the references, so that an ending which was applied before a grant is seen with it.
            life: self.life(),
        }
    }

    /// Any word of it, so that its line comes from memory.
    pub(super) fn glance(&self) -> u64 {
        self.word(TAG[0])
    }

    pub(super) fn tag(&self) -> Tag {
        let first = self.0[TAG[0]].load(Ordering::Acquire);
        Tag([first, self.word(TAG[1])])
    }

    pub(super) fn key_set_id(&self) -> KeySetId {
        KeySetId::from_bytes(bytes(self.pair(KEY_SET_ID)))
    }

    pub(super) fn life(&self) -> Life {
        Life(self.0[LIFE].load(Ordering::Acquire))
    }

    pub(super) fn live(&self, life: Life) {
        self.0[LIFE].store(life.0, Ordering::Release);
    }

    /// Changes where the record points to.
    pub(super) fn refer(&self, change: impl Fn(References) -> References) {
        let word = &self.0[REFERENCES];
        let mut old = word.load(Ordering::Relaxed);
        while let Err(now) =
            word.compare_exchange_weak(old, change(References(old)).0, Ordering::Release, Ordering::Relaxed)
        {
            old = now;
        }
    }

    fn pair(&self, [high, low]: [usize; 2]) -> [u64; 2] {
        [self.word(high), self.word(low)]
    }

    fn word(&self, at: usize) -> u64 {
        self.0[at].load(Ordering::Relaxed)
    }
}

/// What decides whether a Key works at an instant: flags, and when the clock stops it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Life(u64);

const FLAG_BITS: u32 = 6;
const REVOKED: u64 = 1;
const EXPIRED: u64 = 1 << 1;
const PENDING: u64 = 1 << 2;
const SUSPENDED: u64 = 1 << 3;
/// A retirement is planned: both dates stand in the table beside, the earlier one here.
const RETIRING: u64 = 1 << 4;
const REMOVED: u64 = 1 << 5;
/// No date. Every real one is below: the year 9999 needs 58 bits.
const NEVER: u64 = u64::MAX >> FLAG_BITS;

impl Life {
    pub(super) fn new(provisioned: bool, stops_at: Option<Timestamp>) -> Self {
        Self(if provisioned { 0 } else { PENDING }).stopping(stops_at)
    }

    /// The same life with another end by the clock.
    #[must_use]
    pub(super) fn stopping(self, stops_at: Option<Timestamp>) -> Self {
        let micros = stops_at.map_or(NEVER, |at| at.as_micros().max(0).unsigned_abs().min(NEVER - 1));
        Self(self.0 & !(NEVER << FLAG_BITS) | micros << FLAG_BITS)
    }

    pub(super) fn stops_at(self) -> Option<Timestamp> {
        let micros = self.0 >> FLAG_BITS;
        (micros != NEVER).then(|| Timestamp::from_micros(micros.cast_signed()))
    }

    pub(super) fn stopped(self, now: Timestamp) -> bool {
        // An instant before 1970 stops nothing.
        let now = now.as_micros().max(0).unsigned_abs();
        self.0 >> FLAG_BITS <= now && self.0 >> FLAG_BITS != NEVER
    }

    pub(super) const fn ended(self) -> Option<KeyEnd> {
        if self.has(REVOKED) {
            Some(KeyEnd::Revoked)
        } else if self.has(EXPIRED) {
            Some(KeyEnd::Expired)
        } else {
            None
        }
    }

    #[must_use]
    pub(super) const fn ending(self, end: KeyEnd) -> Self {
        let flag = match end {
            KeyEnd::Revoked => REVOKED,
            KeyEnd::Expired => EXPIRED,
        };
        self.with(flag, true)
    }

    pub(super) const fn pending(self) -> bool {
        self.has(PENDING)
    }

    #[must_use]
    pub(super) const fn provisioned(self) -> Self {
        self.with(PENDING, false)
    }

    pub(super) const fn suspended(self) -> bool {
        self.has(SUSPENDED)
    }

    #[must_use]
    pub(super) const fn suspending(self, suspended: bool) -> Self {
        self.with(SUSPENDED, suspended)
    }

    pub(super) const fn retiring(self) -> bool {
        self.has(RETIRING)
    }

    #[must_use]
    pub(super) const fn with_retirement(self, planned: bool) -> Self {
        self.with(RETIRING, planned)
    }

    pub(super) const fn removed(self) -> bool {
        self.has(REMOVED)
    }

    #[must_use]
    pub(super) const fn removing(self) -> Self {
        self.with(REMOVED, true)
    }

    const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    const fn with(self, flag: u64, on: bool) -> Self {
        Self(if on { self.0 | flag } else { self.0 & !flag })
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Life({:#08b}, stops at {:?})", self.0 & ((1 << FLAG_BITS) - 1), self.stops_at())
    }
}

/// Where the rest stands: the Application's slot, and the profile's, which many Keys share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct References(u64);

const SLOT_BITS: u32 = 24;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
const LATEST: u64 = 1 << 63;
/// So many Applications, and so many profiles, can be told apart.
pub(super) const MAX_SLOTS: usize = 1 << SLOT_BITS;

impl References {
    pub(super) fn new(application: u32, profile: u32, latest: bool) -> Self {
        let slots = u64::from(application) & SLOT_MASK | (u64::from(profile) & SLOT_MASK) << SLOT_BITS;
        Self(if latest { slots | LATEST } else { slots })
    }

    pub(super) const fn application(self) -> usize {
        (self.0 & SLOT_MASK) as usize
    }

    pub(super) const fn profile(self) -> usize {
        (self.0 >> SLOT_BITS & SLOT_MASK) as usize
    }

    pub(super) const fn latest(self) -> bool {
        self.0 & LATEST != 0
    }

    #[must_use]
    pub(super) const fn superseded(self) -> Self {
        Self(self.0 & !LATEST)
    }

    #[must_use]
    pub(super) fn with_profile(self, profile: u32) -> Self {
        Self(self.0 & !(SLOT_MASK << SLOT_BITS) | (u64::from(profile) & SLOT_MASK) << SLOT_BITS)
    }
}

fn words(bytes: [u8; 16]) -> [u64; 2] {
    let value = u128::from_be_bytes(bytes);
    [(value >> 64) as u64, value as u64]
}

fn bytes([high, low]: [u64; 2]) -> [u8; 16] {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_filled() {
        let key = KeyRecord {
            tag: Tag::of(&Digest::from_bytes([7; 32])),
            id: KeyId::from_bytes([1; 16]),
            key_set_id: KeySetId::from_bytes([2; 16]),
            life: Life::new(true, Some(Timestamp::MAX)).suspending(true),
            references: References::new(12_345, 67_890, true),
        };
        let record = Record::vacant();
        record.fill(&key);
        let read = record.read();
        assert_eq!((read.tag, read.id, read.key_set_id), (key.tag, key.id, key.key_set_id));
        assert_eq!((read.life, read.references), (key.life, key.references));
        record.refer(|references| references.superseded().with_profile(5));
        let references = record.read().references;
        assert_eq!((references.application(), references.profile()), (12_345, 5));
        assert!(read.references.latest() && !references.latest());
    }

    #[test]
    fn a_secret_is_kept_by_its_tag_or_not_at_all() {
        let secret = SecretTag::vacant();
        assert_eq!(secret.read(), None);
        let tag = Tag::of(&Digest::from_bytes([9; 32]));
        secret.fill(Some(tag));
        assert_eq!(secret.read(), Some(tag));
        secret.fill(None);
        assert_eq!(secret.read(), None);
    }

    #[test]
    fn the_clock_stops_a_life_at_its_instant_and_never_without_one() {
        let at = Timestamp::from_micros(1_800_000_000_000_000);
        let life = Life::new(true, Some(at));
        assert_eq!(life.stops_at(), Some(at));
        assert!(life.stopped(at) && !life.stopped(Timestamp::from_micros(at.as_micros() - 1)));
        let endless = life.stopping(None);
        assert_eq!(endless.stops_at(), None);
        assert!(!endless.stopped(Timestamp::from_micros(i64::MAX)));
        assert!(Life::new(true, Some(Timestamp::MAX)).stopped(Timestamp::MAX));
    }

    #[test]
    fn flags_do_not_touch_each_other_or_the_date() {
        let at = Some(Timestamp::from_micros(5));
        let life = Life::new(false, at).suspending(true).with_retirement(true).ending(KeyEnd::Expired);
        assert!(life.pending() && life.suspended() && life.retiring() && !life.removed());
        assert_eq!((life.ended(), life.stops_at()), (Some(KeyEnd::Expired), at));
        let life = life.provisioned().suspending(false).removing();
        assert!(!life.pending() && !life.suspended() && life.retiring() && life.removed());
        assert_eq!(life.ending(KeyEnd::Revoked).ended(), Some(KeyEnd::Revoked));
    }
}
