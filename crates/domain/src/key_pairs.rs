//! Key pairs: asymmetric pairs that the company uses towards others. The public half is shown; the private
//! half is sealed, and never leaves the keeper (product.md A).

use std::fmt;
use std::str::FromStr;

/// How a pair signs (product.md A1).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Algorithm {
    #[default]
    #[serde(rename = "ed25519")]
    Ed25519,
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl Algorithm {
    pub const ALL: &'static [Self] = &[Self::Ed25519, Self::EcdsaP256, Self::Rsa3072, Self::Rsa4096];

    /// The name that people and programs write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of ed25519, ecdsa-p256, rsa-3072, rsa-4096")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == text).ok_or(UnknownAlgorithm)
    }
}

/// What a pair may be used for; any other use is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// Signing in to Git hosts over SSH.
    Git,
    /// Signing JSON Web Tokens.
    Jwt,
}

impl KeyUse {
    pub const ALL: &'static [Self] = &[Self::Git, Self::Jwt];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Jwt => "jwt",
        }
    }
}
