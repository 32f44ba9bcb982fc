//! Names and slugs as people give them (surface.md, "Text").

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::credential::contains_credential;

/// Why a text can't be taken. Its words are for the field's `detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    #[error("must be 1 to {max} characters")]
    Length { max: usize },
    #[error("must not contain control, invisible or direction-override characters")]
    Control,
    #[error("must be 1 to 63 characters of a-z, 0-9 and -, and not begin with -")]
    Slug,
    #[error("contains a value that looks like a secret; leave credentials out of texts")]
    LooksLikeASecret,
}

/// The name of a thing: 1 to 100 characters of ordinary text, trimmed, in NFC.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    pub const MAX: usize = 100;

    pub fn new(text: &str) -> Result<Self, InvalidText> {
        Ok(Self(ordinary(text, Self::MAX)?))
    }

    /// A name made by Claviger around another one, cut to the limit (product.md D2).
    pub fn cut(text: &str) -> Result<Self, InvalidText> {
        let cut: String = text.nfc().take(Self::MAX).collect();
        Self::new(&cut)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are compared: NFC, without case.
    pub fn folded(&self) -> String {
        folded(&self.0)
    }
}

/// The form in which texts are compared and searched: NFC, without case.
pub fn folded(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// A longer text, such as a reason or a description: up to 1,000 characters, which may have line breaks.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Note(String);

impl Note {
    pub const MAX: usize = 1_000;

    pub fn new(text: &str) -> Result<Self, InvalidText> {
        let without_breaks = text.replace(['\n', '\t', '\r'], " ");
        ordinary(&without_breaks, Self::MAX)?;
        Ok(Self(text.trim().nfc().collect()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The immutable short name in addresses: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        let fits = (1..=63).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidText::Slug) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_traits {
    ($($type:ident),*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

text_traits!(Name, Note, Slug);

fn ordinary(text: &str, max: usize) -> Result<String, InvalidText> {
    let text = text.trim();
    // Of plain ASCII, as most is, nothing is composed, and nothing but controls is hidden.
    let text: String = if text.is_ascii() { text.to_owned() } else { text.nfc().collect() };
    if !(1..=max).contains(&text.chars().count()) {
        return Err(InvalidText::Length { max });
    }
    let is_wrong = |c: char| c.is_control() || !c.is_ascii() && is_hidden(c);
    if text.chars().any(is_wrong) {
        return Err(InvalidText::Control);
    }
    if contains_credential(&text) {
        return Err(InvalidText::LooksLikeASecret);
    }
    Ok(text)
}

/// Characters that nobody sees: without a shape, or turning the direction of others.
pub(crate) const fn is_hidden(c: char) -> bool {
    overrides_direction(c) || is_invisible(c)
}

/// Characters without a shape that change no other's: two names that differ by them look the same. The joiners,
/// which scripts and emoji need, are not among them.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Unicode's explicit directional formatting (UAX 9), and the separators that break a line unseen.
const fn overrides_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_composed_and_bounded() {
        assert_eq!(Name::new("  Zoe\u{301} ").expect("a name").as_str(), "Zo\u{e9}");
        assert_eq!(Name::new(&"é".repeat(100)).map(|name| name.as_str().chars().count()), Ok(100));
        assert_eq!(Name::new(&"é".repeat(101)), Err(InvalidText::Length { max: 100 }));
        assert_eq!(Name::new("  "), Err(InvalidText::Length { max: 100 }));
        for wrong in
            ["a\nb", "a\0b", "a\u{202e}b", "a\u{2066}b", "a\u{7f}b", "a\u{200b}b", "\u{feff}", "a\u{2060}"]
        {
            assert_eq!(Name::new(wrong), Err(InvalidText::Control), "{wrong:?}");
        }
        assert_eq!(
            Name::new("ÉCOLE").expect("a name").folded(),
            Name::new("e\u{301}cole").expect("a name").folded()
        );
    }

    #[test]
    fn slugs_are_strict() {
        for right in ["a", "0", "orders-v2", &"a".repeat(63)] {
            assert!(Slug::new(right).is_ok(), "{right}");
        }
        for wrong in ["", "-a", "A", "a_b", "a b", "é", &"a".repeat(64)] {
            assert_eq!(Slug::new(wrong), Err(InvalidText::Slug), "{wrong}");
        }
    }

    #[test]
    fn secrets_do_not_pass_as_text() {
        let made =
            crate::credential::generate(crate::credential::CredentialKind::Key, |buffer| buffer.fill(9));
        let text = format!("for ops: {}", made.value.expose());
        assert_eq!(Name::new(&text), Err(InvalidText::LooksLikeASecret));
        assert_eq!(Note::new(&text), Err(InvalidText::LooksLikeASecret));
        assert!(Note::new("two\nlines").is_ok());
    }
}
