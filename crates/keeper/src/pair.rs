//! The private half of a key pair: made here, sealed here, opened here to sign, and wiped at once. Nothing of
//! this file's types leaves the process but public halves and signatures (product.md A3).
//!
//! Making a pair is the one thing whose chance is no argument: aws-lc draws its own, inside.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA512, RsaEncoding,
};
use claviger_domain::key_pairs::Algorithm;
use zeroize::Zeroizing;

/// It was not made, or the bytes are no private half of that algorithm. Why is told to no one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no pair of that algorithm")]
pub(crate) struct NoPair;

impl From<Unspecified> for NoPair {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// What a signature of an RSA pair is made with; the other algorithms have one way each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

/// The private half of a pair, in memory that its library wipes when it is freed.
pub(crate) enum PrivateHalf {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl PrivateHalf {
    /// A new pair. Takes seconds for the longer RSA.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, NoPair> {
        Ok(match algorithm {
            Algorithm::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate()?),
            Algorithm::EcdsaP256 => {
                Self::EcdsaP256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?)
            }
            Algorithm::Rsa3072 => Self::Rsa(rsa::KeyPair::generate(KeySize::Rsa3072)?),
            Algorithm::Rsa4096 => Self::Rsa(rsa::KeyPair::generate(KeySize::Rsa4096)?),
        })
    }

    /// Reads what [`PrivateHalf::to_pkcs8`] wrote, if it is of that algorithm.
    pub(crate) fn from_pkcs8(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, NoPair> {
        match algorithm {
            Algorithm::Ed25519 => Ed25519KeyPair::from_pkcs8(bytes).map(Self::Ed25519).map_err(|_| NoPair),
            Algorithm::EcdsaP256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes)
                .map(Self::EcdsaP256)
                .map_err(|_| NoPair),
            Algorithm::Rsa3072 => rsa_of(bytes, 3_072),
            Algorithm::Rsa4096 => rsa_of(bytes, 4_096),
        }
    }

    /// The private half as it is sealed.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, NoPair> {
        // What the library gives is wiped when it is dropped; so is the copy.
        let copy = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
        Ok(match self {
            Self::Ed25519(pair) => copy(pair.to_pkcs8v1()?.as_ref()),
            Self::EcdsaP256(pair) => copy(pair.to_pkcs8v1()?.as_ref()),
            Self::Rsa(pair) => {
                let document: Pkcs8V1Der<'_> = pair.as_der()?;
                copy(document.as_ref())
            }
        })
    }

    /// The public half as everybody may have it: SubjectPublicKeyInfo.
    pub(crate) fn public(&self) -> Result<Vec<u8>, NoPair> {
        let public: PublicKeyX509Der<'_> = match self {
            Self::Ed25519(pair) => pair.public_key().as_der()?,
            Self::EcdsaP256(pair) => pair.public_key().as_der()?,
            Self::Rsa(pair) => pair.public_key().as_der()?,
        };
        Ok(public.as_ref().to_vec())
    }

    /// A signature: 64 bytes of Ed25519 or of ECDSA's two numbers, or as long as the RSA key. Only
    /// RSA looks at the hash; the others have their own.
    pub(crate) fn sign(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, NoPair> {
        match self {
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::EcdsaP256(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match hash {
                    Hash::Sha256 => &RSA_PKCS1_SHA256,
                    Hash::Sha512 => &RSA_PKCS1_SHA512,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

fn rsa_of(bytes: &[u8], bits: usize) -> Result<PrivateHalf, NoPair> {
    let pair = rsa::KeyPair::from_pkcs8(bytes).map_err(|_| NoPair)?;
    if pair.public_modulus_len() * 8 == bits { Ok(PrivateHalf::Rsa(pair)) } else { Err(NoPair) }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA512, VerificationAlgorithm,
    };

    use super::*;

    fn verifies(
        public: &[u8],
        by: &'static dyn VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let key = ParsedPublicKey::new(by, public).expect("a public key");
        key.verify_sig(message, signature).is_ok()
    }

    #[test]
    fn what_a_pair_signs_its_public_half_verifies_before_and_after_sealing() {
        for (algorithm, hash, by) in [
            (Algorithm::Ed25519, Hash::Sha512, &ED25519 as &'static dyn VerificationAlgorithm),
            (Algorithm::EcdsaP256, Hash::Sha256, &ECDSA_P256_SHA256_FIXED),
            (Algorithm::Rsa3072, Hash::Sha256, &RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::Rsa3072, Hash::Sha512, &RSA_PKCS1_2048_8192_SHA512),
        ] {
            let made = PrivateHalf::generate(algorithm).expect("a pair");
            let public = made.public().expect("its public half");
            let bytes = made.to_pkcs8().expect("its private half");
            let read = PrivateHalf::from_pkcs8(algorithm, &bytes).expect("it reads back");
            assert_eq!(read.public().expect("its public half"), public);
            for pair in [made, read] {
                let signature = pair.sign(hash, b"claims").expect("signed");
                assert!(verifies(&public, by, b"claims", &signature), "{algorithm}");
                assert!(!verifies(&public, by, b"Claims", &signature), "{algorithm}");
            }
        }
    }

    #[test]
    fn a_private_half_is_of_its_algorithm_and_no_other() {
        for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::Rsa3072] {
            let pair = PrivateHalf::generate(algorithm).expect("a pair");
            let bytes = pair.to_pkcs8().expect("its private half");
            for other in Algorithm::ALL.iter().filter(|other| **other != algorithm) {
                assert!(PrivateHalf::from_pkcs8(*other, &bytes).is_err(), "{algorithm} as {other}");
            }
            assert!(PrivateHalf::from_pkcs8(algorithm, &bytes[..bytes.len() - 1]).is_err(), "cut");
            assert!(PrivateHalf::from_pkcs8(algorithm, &[]).is_err());
        }
    }
}
