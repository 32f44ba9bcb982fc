//! The credential format `clv_<kind>_<random><checksum>` (surface.md, "Credentials"): recognised and
//! checked for typing errors without a look-up.

use std::fmt;

use crate::secret::Plaintext;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many random characters a credential has: 190 bits.
pub const RANDOM_LENGTH: usize = 32;
const CHECKSUM_LENGTH: usize = 6;

/// What a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    Key,
    Secret,
    Service,
    Portal,
    Setup,
    Invite,
    Node,
}

impl CredentialKind {
    pub const ALL: [Self; 7] =
        [Self::Key, Self::Secret, Self::Service, Self::Portal, Self::Setup, Self::Invite, Self::Node];

    /// The first characters of every credential of this kind.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Key => "clv_key_",
            Self::Secret => "clv_secret_",
            Self::Service => "clv_svc_",
            Self::Portal => "clv_portal_",
            Self::Setup => "clv_setup_",
            Self::Invite => "clv_invite_",
            Self::Node => "clv_node_",
        }
    }
}

/// A borrowed text that has the form of a credential: known kind, right length, right checksum.
#[derive(Clone, Copy)]
pub struct WellFormed<'a> {
    kind: CredentialKind,
    text: &'a str,
}

impl<'a> WellFormed<'a> {
    /// The text as a credential, or `None` if its kind, length, alphabet or checksum is wrong.
    pub fn parse(text: &'a str) -> Option<Self> {
        let body = text.as_bytes();
        let prefix_length = body.len().checked_sub(RANDOM_LENGTH + CHECKSUM_LENGTH)?;
        // The length first: it leaves two kinds or three to compare with.
        let kind = CredentialKind::ALL
            .into_iter()
            .find(|kind| kind.prefix().len() == prefix_length && text.starts_with(kind.prefix()))?;
        let (covered, checksum) = body.split_at(body.len() - CHECKSUM_LENGTH);
        // Without a way out in the middle, all letters are looked at side by side.
        let alphanumeric =
            covered[prefix_length..].iter().fold(true, |fits, b| fits & b.is_ascii_alphanumeric());
        (alphanumeric && value_of(checksum)? == u64::from(crc32fast::hash(covered)))
            .then_some(Self { kind, text })
    }

    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// Shows the credential, to digest it.
    pub const fn expose(&self) -> &'a str {
        self.text
    }

    /// The credential's masked form: kind, first 4 and last 4 characters.
    pub fn masked(&self) -> Masked {
        let random = &self.text[self.kind.prefix().len()..];
        Masked(format!("{}{}…{}", self.kind.prefix(), &random[..4], &random[random.len() - 4..]))
    }
}

impl fmt::Debug for WellFormed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WellFormed({:?})", self.kind)
    }
}

/// A fresh credential with its masked form.
#[derive(Debug, Clone)]
pub struct Generated {
    pub value: Plaintext,
    pub masked: Masked,
}

/// The beginning and end of a credential, which may be shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Masked(String);

impl Masked {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A masked form as the store kept it.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

/// Makes a credential of `kind` from random bytes, drawn from `entropy` until 32 of them fell below 248
/// (so that each character is equally likely). `entropy` fills the buffer it is given.
pub fn generate(kind: CredentialKind, mut entropy: impl FnMut(&mut [u8])) -> Generated {
    let mut text = String::with_capacity(kind.prefix().len() + RANDOM_LENGTH + CHECKSUM_LENGTH);
    text.push_str(kind.prefix());
    let mut left = RANDOM_LENGTH;
    let mut buffer = zeroize::Zeroizing::new([0_u8; 64]);
    while left > 0 {
        entropy(buffer.as_mut_slice());
        for byte in buffer.iter().filter(|byte| **byte < 248).take(left) {
            text.push(char::from(DIGITS[usize::from(byte % 62)]));
            left -= 1;
        }
    }
    let checksum = checksum_of(text.as_bytes());
    text.extend(checksum.iter().map(|byte| char::from(*byte)));
    let masked = WellFormed { kind, text: &text }.masked();
    Generated { value: Plaintext::new(text), masked }
}

/// Whether a well-formed credential stands anywhere in `text` (surface.md, `looks_like_a_secret`).
pub fn contains_credential(text: &str) -> bool {
    text.match_indices("clv_").any(|(start, _)| {
        let candidate = &text[start..];
        CredentialKind::ALL.into_iter().any(|kind| {
            let length = kind.prefix().len() + RANDOM_LENGTH + CHECKSUM_LENGTH;
            candidate.get(..length).is_some_and(|text| WellFormed::parse(text).is_some())
        })
    })
}

/// CRC-32 (IEEE) in base 62, most significant digit first, padded with `0` to six characters.
fn checksum_of(covered: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(covered);
    let mut text = [b'0'; CHECKSUM_LENGTH];
    for slot in text.iter_mut().rev() {
        *slot = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    text
}

/// The number that six digits in base 62 stand for.
fn value_of(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        Some(value * 62 + u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0_u8;
        move |buffer| {
            for byte in buffer {
                *byte = next;
                next = next.wrapping_add(1);
            }
        }
    }

    #[test]
    fn a_generated_credential_is_well_formed_and_masked() {
        for kind in CredentialKind::ALL {
            let made = generate(kind, counting());
            let parsed = WellFormed::parse(made.value.expose()).expect("well-formed");
            assert_eq!(parsed.kind(), kind);
            assert_eq!(made.masked.as_str().chars().filter(|c| *c == '…').count(), 1);
        }
        let key = generate(CredentialKind::Key, counting());
        assert_eq!(&key.value.expose()[..40], "clv_key_0123456789ABCDEFGHIJKLMNOPQRSTUV");
        assert!(key.masked.as_str().starts_with("clv_key_0123…"));
    }

    #[test]
    fn any_single_typing_error_is_noticed() {
        let made = generate(CredentialKind::Secret, counting());
        let value = made.value.expose();
        for at in 0..value.len() {
            let mut wrong = value.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            assert!(WellFormed::parse(&wrong).is_none(), "{at}");
        }
        assert!(WellFormed::parse(&value[..value.len() - 1]).is_none());
        assert!(WellFormed::parse(&format!("{value}0")).is_none());
        assert!(WellFormed::parse("clv_key_ééééééééééééééééééé").is_none());
    }

    #[test]
    fn a_credential_is_found_inside_text() {
        let made = generate(CredentialKind::Service, counting());
        assert!(contains_credential(&format!("my key is {}!", made.value.expose())));
        assert!(!contains_credential("clv_key_ and clv_ and é clv_key_0123"));
        assert!(!contains_credential(made.masked.as_str()));
    }

    #[test]
    fn the_checksum_is_crc_32_in_base_62() {
        // CRC-32 of "123456789" is 0xCBF43926 (the check value of the IEEE polynomial).
        assert_eq!(&checksum_of(b"123456789"), b"3jZRME");
        assert_eq!(value_of(b"3jZRME"), Some(0xcbf4_3926));
        assert_eq!((value_of(b"zzzzzz"), value_of(b"3jZRM_")), (Some(62_u64.pow(6) - 1), None));
    }
}
