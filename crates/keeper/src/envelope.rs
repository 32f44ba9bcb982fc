//! The envelope: AES-256-GCM under a key of its own, bound to its place and purpose.
//!
//! `version ‖ salt (16) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. The key is derived from the purpose's key by
//! HKDF with the envelope's random salt, so that the limits of random nonces under one key never matter:
//! a collision needs the same salt and nonce, 28 random bytes. Authenticated beside the plaintext are the
//! version, the four parts of the place and the purpose, each with its length.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::ambient::{Ambient, NoEntropy};
use crate::keys::{KEY_LENGTH, KeyBytes};
use crate::place::Place;
use crate::tree::expand;
use crate::wire::codec::Writer;

const VERSION: u8 = 1;
const SALT_LENGTH: usize = 16;
const TAG_LENGTH: usize = 16;
/// How many bytes sealing adds.
#[cfg(test)]
pub(crate) const OVERHEAD: usize = 1 + SALT_LENGTH + NONCE_LEN + TAG_LENGTH;

/// It does not open. Why is told to no one: a wrong place, a wrong key and a forged byte look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed bytes do not open")]
pub(crate) struct NotOpened;

/// Seals `plaintext` for its place, under the key of its purpose.
pub(crate) fn seal(
    key: &KeyBytes,
    purpose: &str,
    place: Place<'_>,
    plaintext: &[u8],
    ambient: &dyn Ambient,
) -> Result<Vec<u8>, NoEntropy> {
    let mut chance = [0; SALT_LENGTH + NONCE_LEN];
    ambient.fill(&mut chance)?;
    let (salt, nonce) = chance.split_at(SALT_LENGTH);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NoEntropy)?;
    // Room for the tag from the start: growing would leave a copy of the plaintext behind.
    let mut text = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG_LENGTH));
    text.extend_from_slice(plaintext);
    let tag = key_of(key, salt)
        .seal_in_place_separate_tag(nonce, Aad::from(associated(purpose, place)), text.as_mut_slice())
        .unwrap_or_else(|_| unreachable!("AES-GCM seals anything shorter than 64 GiB"));
    Ok([&[VERSION], chance.as_slice(), text.as_slice(), tag.as_ref()].concat())
}

/// Opens what was sealed for this place and purpose, and nothing else.
pub(crate) fn open(
    key: &KeyBytes,
    purpose: &str,
    place: Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    let (version, rest) = sealed.split_first().ok_or(NotOpened)?;
    let (salt, rest) = rest.split_at_checked(SALT_LENGTH).ok_or(NotOpened)?;
    let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN).ok_or(NotOpened)?;
    if *version != VERSION {
        return Err(NotOpened);
    }
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOpened)?;
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let length = key_of(key, salt)
        .open_in_place(nonce, Aad::from(associated(purpose, place)), text.as_mut_slice())
        .map_err(|_| NotOpened)?
        .len();
    text.truncate(length);
    Ok(text)
}

fn key_of(purpose_key: &KeyBytes, salt: &[u8]) -> LessSafeKey {
    let tree = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(purpose_key.as_slice());
    let mut key: KeyBytes = Zeroizing::new([0; KEY_LENGTH]);
    expand(&tree, &[b"envelope", &[0, VERSION]], key.as_mut());
    let key = UnboundKey::new(&AES_256_GCM, key.as_slice())
        .unwrap_or_else(|_| unreachable!("AES-256 takes keys of 32 bytes"));
    LessSafeKey::new(key)
}

fn associated(purpose: &str, place: Place<'_>) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::default();
    writer.u8(VERSION);
    for part in place.parts() {
        writer.text(part);
    }
    writer.text(purpose);
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ambient::Machine;

    const PLACE: Place<'_> = Place { database: "db_1", table: "sealed", row: "key_1", column: "value" };

    fn key(byte: u8) -> KeyBytes {
        Zeroizing::new([byte; KEY_LENGTH])
    }

    fn sealed(plaintext: &[u8]) -> Vec<u8> {
        seal(&key(1), "retrievable", PLACE, plaintext, &Machine).expect("sealed")
    }

    #[test]
    fn what_is_sealed_opens_in_its_place() {
        let envelope = sealed(b"clv_key_secret");
        assert_eq!(envelope.len(), b"clv_key_secret".len() + OVERHEAD);
        assert!(!envelope.windows(6).any(|part| part == b"secret"));
        assert_eq!(
            open(&key(1), "retrievable", PLACE, &envelope).expect("opens").as_slice(),
            b"clv_key_secret"
        );
    }

    #[test]
    fn the_same_text_never_seals_twice_alike() {
        assert_ne!(sealed(b"same")[1..29], sealed(b"same")[1..29]);
    }

    #[test]
    fn nothing_opens_under_another_key_or_purpose_or_version() {
        let mut envelope = sealed(b"text");
        assert_eq!(open(&key(2), "retrievable", PLACE, &envelope).err(), Some(NotOpened));
        assert_eq!(open(&key(1), "private_key", PLACE, &envelope).err(), Some(NotOpened));
        envelope[0] = 2;
        assert_eq!(open(&key(1), "retrievable", PLACE, &envelope).err(), Some(NotOpened));
    }

    proptest! {
        #[test]
        fn a_moved_ciphertext_does_not_open(
            from in ["[a-c]{1,2}", "[a-c]{1,2}", "[a-c]{1,2}", "[a-c]{1,2}", "[a-c]{1,2}"],
            to in ["[a-c]{1,2}", "[a-c]{1,2}", "[a-c]{1,2}", "[a-c]{1,2}", "[a-c]{1,2}"],
        ) {
            fn place(parts: &[String; 5]) -> Place<'_> {
                Place { database: &parts[0], table: &parts[1], row: &parts[2], column: &parts[3] }
            }
            let envelope = seal(&key(1), &from[4], place(&from), b"text", &Machine).expect("sealed");
            // Parts are short and of few letters, so that moved borders between them are met too.
            prop_assert_eq!(open(&key(1), &to[4], place(&to), &envelope).is_ok(), from == to);
        }

        #[test]
        fn a_changed_ciphertext_does_not_open(at in 0_usize..64, flip in 1_u8.., cut in 0_usize..64) {
            let envelope = sealed(b"a text of some length");
            let mut changed = envelope.clone();
            let length = changed.len();
            changed[at % length] ^= flip;
            prop_assert_eq!(open(&key(1), "retrievable", PLACE, &changed).err(), Some(NotOpened));
            let cut = &envelope[..cut % length];
            prop_assert_eq!(open(&key(1), "retrievable", PLACE, cut).err(), Some(NotOpened));
        }

        #[test]
        fn noise_does_not_open(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(open(&key(1), "retrievable", PLACE, &noise).err(), Some(NotOpened));
        }
    }
}
