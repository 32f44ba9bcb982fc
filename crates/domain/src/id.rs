//! Ids: a prefix for the kind of thing, then a UUID of version 7 in Crockford's base 32, lower case, as
//! in TypeID 0.3. Ids of one kind sort by the time they were made.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use uuid::Uuid;

use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED_LENGTH: usize = 26;

/// A noun that has ids, with the prefix they carry (surface.md, "REST API").
pub trait Kind: 'static {
    const PREFIX: &'static str;
}

/// The id of one thing of kind `K`. Sixteen bytes; written `prefix_` and 26 characters.
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $alias:ident = $marker:ident, $prefix:literal;)*) => {$(
        #[doc = concat!("Marks ids that begin with `", $prefix, "_`.")]
        #[derive(Debug)]
        pub enum $marker {}
        impl Kind for $marker {
            const PREFIX: &'static str = $prefix;
        }
        $(#[$doc])*
        pub type $alias = Id<$marker>;
    )*};
}

kinds! {
    ApiId = ApiKind, "api";
    ApplicationId = ApplicationKind, "app";
    EnvironmentId = EnvironmentKind, "env";
    EventId = EventKindMarker, "evt";
    GroupId = GroupKind, "grp";
    JobId = JobKind, "job";
    KeyId = KeyKind, "key";
    KeyPairId = KeyPairKind, "kp";
    KeySetId = KeySetKind, "ks";
    MemberId = MemberKind, "mbr";
    NodeId = NodeKind, "nod";
    OrganizationId = OrganizationKind, "org";
    PermissionGroupId = PermissionGroupKind, "pg";
    PolicyTemplateId = PolicyTemplateKind, "pol";
    /// A role granted to a member: a permission group at a scope.
    RoleGrantId = RoleGrantKind, "rol";
    ServiceKeyId = ServiceKeyKind, "svk";
    SharedKeyId = SharedKeyKind, "shk";
    SubscriptionId = SubscriptionKind, "sub";
}

/// The text is not an id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_…")]
pub struct InvalidId {
    pub prefix: &'static str,
}

impl<K: Kind> Id<K> {
    /// A fresh id made at `now` from ten random bytes.
    pub fn fresh(now: Timestamp, entropy: [u8; 10]) -> Self {
        let millis = now.as_micros().max(0).unsigned_abs() / 1_000;
        Self::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &entropy).into_uuid())
    }

    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self { uuid, kind: PhantomData }
    }

    /// The same id from its sixteen bytes, as [`Id::as_bytes`] gave them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_uuid(Uuid::from_bytes(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.uuid.as_bytes()
    }

    pub const fn as_u128(&self) -> u128 {
        self.uuid.as_u128()
    }
}

fn encode(uuid: Uuid) -> [u8; ENCODED_LENGTH] {
    let mut rest = uuid.as_u128();
    let mut text = [0; ENCODED_LENGTH];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    text
}

/// The digit that each byte stands for: a million rows are read at a start, each with several ids.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        digits[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};
/// Beside all digits, so that one look at the end tells whether it was among them.
const NO_DIGIT: u8 = 0x80;

fn decode(text: &[u8]) -> Option<Uuid> {
    let text: &[u8; ENCODED_LENGTH] = text.try_into().ok()?;
    // 26 characters hold 130 bits: the first may only be 0 to 7.
    if !(b'0'..=b'7').contains(&text[0]) {
        return None;
    }
    let (mut value, mut seen) = (0, 0);
    // Twelve digits fill 60 bits of a word, which is shifted in one step.
    for digits in [&text[..2], &text[2..14], &text[14..]] {
        let mut word = 0_u64;
        for byte in digits {
            let digit = DIGITS[usize::from(*byte)];
            seen |= digit;
            word = word << 5 | u64::from(digit & 31);
        }
        value = value << 60 | u128::from(word);
    }
    (seen & NO_DIGIT == 0).then(|| Uuid::from_u128(value))
}

impl<K: Kind> FromStr for Id<K> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .and_then(|rest| decode(rest.as_bytes()))
            .map(Self::from_uuid)
            .ok_or(InvalidId { prefix: K::PREFIX })
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = encode(self.uuid);
        let text = std::str::from_utf8(&text).map_err(|_| fmt::Error)?;
        write!(f, "{}_{text}", K::PREFIX)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<K: Kind> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reading(PhantomData))
    }
}

/// Parses the text where it stands: a verifier reads millions of ids at its start.
struct Reading<K>(PhantomData<K>);

impl<K: Kind> serde::de::Visitor<'_> for Reading<K> {
    type Value = Id<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", InvalidId { prefix: K::PREFIX })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = KeySetId::fresh(Timestamp::from_micros(1_800_000_000_000_000), [7; 10]);
        let text = id.to_string();
        assert!(text.starts_with("ks_") && text.len() == 29, "{text}");
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(KeySetId::from_bytes(*id.as_bytes()), id);
    }

    #[test]
    fn ids_sort_by_time_as_text_too() {
        let early = KeyId::fresh(Timestamp::from_micros(1_000_000), [255; 10]);
        let late = KeyId::fresh(Timestamp::from_micros(2_000_000), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        let id = KeyId::from_bytes([3; 16]).to_string();
        for wrong in ["", "key", "key_", "ks_", &id[1..], &id[..29], &id.replace("key_", "ks_")] {
            assert!(wrong.parse::<KeyId>().is_err(), "{wrong}");
        }
        assert!("key_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<KeyId>().is_err(), "more than 128 bits");
        assert!(
            "key_0000000000000000000000000i".parse::<KeyId>().is_err(),
            "a letter left out of the alphabet"
        );
    }
}
