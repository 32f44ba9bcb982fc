//! Secrets that a person types (product.md C6): 20 to 128 characters, not a common one, not the key or the
//! name.

use std::collections::HashSet;

use crate::credential::contains_credential;
use crate::id::SharedKeyId;
use crate::secret::{Digest, DigestKey, Plaintext};
use crate::text::{Name, folded};

const MIN: usize = 20;
const MAX: usize = 128;
/// Fewer different characters than this are a pattern, not a secret.
const FEWEST_DIFFERENT: usize = 6;
/// So much must be left of a secret when the words that everybody tries are taken out of it.
const FEWEST_OF_ITS_OWN: usize = 8;

/// The words, rows and runs of which common secrets are put together, in lower case.
const COMMON: &[&str] = &[
    "password",
    "passwort",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "motdepasse",
    "contrasena",
    "secret",
    "geheim",
    "letmein",
    "welcome",
    "willkommen",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "batman",
    "dragon",
    "monkey",
    "shadow",
    "master",
    "trustno",
    "changeme",
    "correcthorsebatterystaple",
    "correct",
    "horse",
    "battery",
    "staple",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "wxcvbn",
    "qwerty",
    "qwertz",
    "azerty",
    "qazwsxedc",
    "1q2w3e4r5t6y7u8i9o0p",
    "1q2w3e4r",
    "1qaz2wsx3edc",
    "1qaz2wsx",
    "abcdefghijklmnopqrstuvwxyz",
    "abcdefghij",
    "abcdef",
    "abc",
    "01234567890",
    "1234567890",
    "123456789",
    "12345678",
    "123456",
    "12345",
    "1234",
    "123",
    "0987654321",
    "987654321",
    "admin",
    "administrator",
    "root",
    "test",
    "example",
    "default",
    "apikey",
    "api",
    "key",
    "claviger",
    "the",
    "my",
    "is",
    "for",
    "please",
    "hello",
    "world",
    "login",
    "user",
    "guest",
    "access",
    "token",
    "summer",
    "winter",
    "spring",
    "autumn",
    "january",
    "december",
];

/// Why a typed secret can't be taken; the sentence is for the field's `detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    #[error("must be 20 to 128 characters")]
    Length,
    #[error("must have no control characters and no space at either end, for a header can't carry them")]
    NotForAHeader,
    #[error("must not be or hold a Claviger credential; leave it out, and one is generated")]
    Credential,
    #[error("must not be the key's name")]
    Name,
    #[error("is too common; take words of your own, or leave it out, and one is generated")]
    Common,
}

/// A secret that passed the rules. Wiped when dropped.
#[derive(Debug, Clone)]
pub struct TypedSecret(Plaintext);

impl TypedSecret {
    /// Checks what was typed for the key of this name. The key's own value is a credential, as is every one
    /// that was ever generated: none is taken.
    pub fn new(typed: Plaintext, name: &Name) -> Result<Self, InvalidSecret> {
        let text = typed.expose();
        if !(MIN..=MAX).contains(&text.chars().count()) {
            return Err(InvalidSecret::Length);
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(InvalidSecret::NotForAHeader);
        }
        if contains_credential(text) {
            return Err(InvalidSecret::Credential);
        }
        let plain = zeroize::Zeroizing::new(folded(text));
        if *plain == name.folded() {
            return Err(InvalidSecret::Name);
        }
        if is_common(&plain) {
            return Err(InvalidSecret::Common);
        }
        Ok(Self(typed))
    }

    pub const fn value(&self) -> &Plaintext {
        &self.0
    }
}

/// The digest of a typed secret: under `digest/secret`, over key id ‖ secret, so that two keys with one secret
/// have two digests.
pub fn typed_digest(key: &DigestKey, id: SharedKeyId, secret: &str) -> Digest {
    key.digest_of([id.as_bytes().as_slice(), secret.as_bytes()])
}

fn is_common(text: &str) -> bool {
    let different: HashSet<char> = text.chars().collect();
    different.len() < FEWEST_DIFFERENT || repeats(text) || !has_its_own(text)
}

/// Whether the text is a shorter one over and over, such as `hunter2hunter2hunter2`.
fn repeats(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    (1..=letters.len() / 2)
        .any(|unit| letters.iter().enumerate().all(|(at, letter)| *letter == letters[at % unit]))
}

/// Whether enough letters and digits are left once every common word and run is taken out.
fn has_its_own(text: &str) -> bool {
    let mut words: Vec<&str> = COMMON.to_vec();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = zeroize::Zeroizing::new(text.to_owned());
    for word in words {
        *rest = rest.replace(word, " ");
    }
    let left: HashSet<char> = rest.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let length = rest.chars().filter(|letter| letter.is_alphanumeric()).count();
    length >= FEWEST_OF_ITS_OWN && left.len() >= FEWEST_DIFFERENT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{CredentialKind, generate};

    fn check(text: &str) -> Result<(), InvalidSecret> {
        let name = Name::new("The northern warehouse of Acme").expect("a name");
        TypedSecret::new(Plaintext::new(text.to_owned()), &name).map(drop)
    }

    #[test]
    fn good_ones_are_taken() {
        for text in [
            "tumbling violet otters 7",
            "vT9#kLm2$pQx8&wZr4!n",
            "ünïcödé wörter, würzig",
            "8391 5527 0046 1938 22",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let longest: String =
            ('a'..='z').chain('A'..='Z').cycle().step_by(7).take(52).chain('!'..='~').take(128).collect();
        assert!(check(&longest).is_ok());
    }

    #[test]
    fn bad_ones_are_told_why() {
        let key = generate(CredentialKind::Key, |buffer| buffer.fill(7)).value;
        for (text, why) in [
            ("too short for it 19", InvalidSecret::Length),
            (&"ab cd ef gh ij kl mn ".repeat(7), InvalidSecret::Length),
            (" tumbling violet otters", InvalidSecret::NotForAHeader),
            ("tumbling violet\notters", InvalidSecret::NotForAHeader),
            (key.expose(), InvalidSecret::Credential),
            ("THE NORTHERN WAREHOUSE OF ACME", InvalidSecret::Name),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", InvalidSecret::Common),
            ("hunter2-hunter2-hunter2-", InvalidSecret::Common),
            ("passwordpassword1234", InvalidSecret::Common),
            ("MyPasswordIsPassword!!", InvalidSecret::Common),
            ("qwertyuiopasdfghjklzxcvbnm", InvalidSecret::Common),
            ("12345678901234567890", InvalidSecret::Common),
            ("CorrectHorseBatteryStaple", InvalidSecret::Common),
        ] {
            assert_eq!(check(text), Err(why), "{text}");
        }
    }

    #[test]
    fn one_secret_of_two_keys_has_two_digests() {
        let key = DigestKey::new(crate::secret::DigestKeyId(1), &[3; 32]);
        let digest = |byte| typed_digest(&key, SharedKeyId::from_bytes([byte; 16]), "tumbling violet otters");
        assert_ne!(digest(1), digest(2));
        assert_eq!(digest(1), digest(1));
    }
}
