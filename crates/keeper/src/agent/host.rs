//! A host's key as SSH writes it, and the signature by which it proves that a session is with it.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};

use crate::wire::codec::{Malformed, Reader};

/// The longest field that is looked at.
const LONGEST: usize = 4_096;

/// Whether `signature` is that host key's over the session's id. SHA-1 is no signature.
pub(super) fn proves(host_key: &[u8], session_id: &[u8], signature: &[u8]) -> bool {
    check(host_key, session_id, signature).unwrap_or(false)
}

fn check(host_key: &[u8], session_id: &[u8], signature: &[u8]) -> Result<bool, Malformed> {
    let (mut key, mut proof) = (Reader::new(host_key), Reader::new(signature));
    let (kind, by) = (key.bytes(LONGEST)?, proof.bytes(LONGEST)?);
    let proved = match (kind, by) {
        (b"ssh-ed25519", b"ssh-ed25519") => {
            let public = UnparsedPublicKey::new(&ED25519, key.bytes(LONGEST)?);
            public.verify(session_id, proof.bytes(LONGEST)?).is_ok()
        }
        (b"ssh-rsa", b"rsa-sha2-256" | b"rsa-sha2-512") => {
            let (e, n) = (magnitude(key.bytes(LONGEST)?), magnitude(key.bytes(LONGEST)?));
            let hash =
                if by == b"rsa-sha2-256" { &RSA_PKCS1_2048_8192_SHA256 } else { &RSA_PKCS1_2048_8192_SHA512 };
            RsaPublicKeyComponents { n, e }.verify(hash, session_id, proof.bytes(LONGEST)?).is_ok()
        }
        _ if kind == by => ecdsa(kind, &mut key, session_id, &mut proof)?,
        _ => return Err(Malformed),
    };
    key.finish()?;
    proof.finish()?;
    Ok(proved)
}

fn ecdsa(
    kind: &[u8],
    key: &mut Reader<'_>,
    session_id: &[u8],
    proof: &mut Reader<'_>,
) -> Result<bool, Malformed> {
    let (curve, by, length): (_, &'static dyn VerificationAlgorithm, _) = match kind {
        b"ecdsa-sha2-nistp256" => (b"nistp256", &ECDSA_P256_SHA256_FIXED, 32),
        b"ecdsa-sha2-nistp384" => (b"nistp384", &ECDSA_P384_SHA384_FIXED, 48),
        b"ecdsa-sha2-nistp521" => (b"nistp521", &ECDSA_P521_SHA512_FIXED, 66),
        _ => return Err(Malformed),
    };
    if key.bytes(LONGEST)? != curve {
        return Err(Malformed);
    }
    let point = key.bytes(LONGEST)?;
    let mut numbers = Reader::new(proof.bytes(LONGEST)?);
    let mut fixed = Vec::with_capacity(2 * length);
    for _ in 0..2 {
        let number = magnitude(numbers.bytes(LONGEST)?);
        let missing = length.checked_sub(number.len()).ok_or(Malformed)?;
        fixed.extend(std::iter::repeat_n(0, missing));
        fixed.extend_from_slice(number);
    }
    numbers.finish()?;
    Ok(UnparsedPublicKey::new(by, point).verify(session_id, &fixed).is_ok())
}

/// A number without the zero that keeps it positive in SSH's writing.
fn magnitude(number: &[u8]) -> &[u8] {
    number.strip_prefix(&[0]).unwrap_or(number)
}
