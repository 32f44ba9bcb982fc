//! A pair as SSH writes it: its public half, the names of its signatures, and the signatures (RFC 4253, 5656,
//! 8332, 8709).

use aws_lc_rs::signature::KeyPair as _;
use claviger_domain::key_pairs::Algorithm;

use super::{Charge, SignIn};
use crate::pair::{Hash, PrivateHalf};
use crate::wire::codec::{Malformed, Writer};

const ED25519: &str = "ssh-ed25519";
const ECDSA_P256: &str = "ecdsa-sha2-nistp256";
const RSA_SHA256: &str = "rsa-sha2-256";
const RSA_SHA512: &str = "rsa-sha2-512";
/// Flags of a request to sign: with which hash RSA signs.
const FLAG_RSA_SHA256: u32 = 2;
const FLAG_RSA_SHA512: u32 = 4;

/// The public half.
pub(crate) fn public(pair: &PrivateHalf) -> Vec<u8> {
    let mut writer = Writer::default();
    match pair {
        PrivateHalf::Ed25519(pair) => {
            writer.text(ED25519);
            writer.bytes(pair.public_key().as_ref());
        }
        PrivateHalf::EcdsaP256(pair) => {
            writer.text(ECDSA_P256);
            writer.text("nistp256");
            writer.bytes(pair.public_key().as_ref());
        }
        PrivateHalf::Rsa(pair) => {
            writer.text("ssh-rsa");
            write_number(&mut writer, pair.public_key().exponent().big_endian_without_leading_zero());
            write_number(&mut writer, pair.public_key().modulus().big_endian_without_leading_zero());
        }
    }
    writer.into_bytes().to_vec()
}

impl Charge {
    /// The algorithm of the signature that these flags ask for. SHA-1 is none.
    pub(super) fn signature(&self, flags: u32) -> Result<(&'static str, Hash), Malformed> {
        match (self.algorithm, flags) {
            (Algorithm::Ed25519, 0) => Ok((ED25519, Hash::Sha512)),
            (Algorithm::EcdsaP256, 0) => Ok((ECDSA_P256, Hash::Sha256)),
            (Algorithm::Rsa3072 | Algorithm::Rsa4096, FLAG_RSA_SHA256) => Ok((RSA_SHA256, Hash::Sha256)),
            (Algorithm::Rsa3072 | Algorithm::Rsa4096, FLAG_RSA_SHA512) => Ok((RSA_SHA512, Hash::Sha512)),
            _ => Err(Malformed),
        }
    }
}

impl SignIn<'_> {
    /// The signature with its algorithm's name.
    pub(super) fn written(&self, signature: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text(self.algorithm);
        match self.charge.algorithm {
            Algorithm::EcdsaP256 => {
                let mut numbers = Writer::default();
                let (r, s) = signature.split_at(signature.len() / 2);
                write_number(&mut numbers, r);
                write_number(&mut numbers, s);
                writer.bytes(&numbers.into_bytes());
            }
            Algorithm::Ed25519 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => writer.bytes(signature),
        }
        writer.into_bytes().to_vec()
    }
}

/// A positive number: without leading zeroes, but for the one that keeps it positive.
fn write_number(writer: &mut Writer, big_endian: &[u8]) {
    let zeroes = big_endian.iter().take_while(|byte| **byte == 0).count();
    let number = &big_endian[zeroes..];
    let positive: &[u8] = if number.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
    writer.bytes(&[positive, number].concat());
}
