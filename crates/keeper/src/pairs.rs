//! Key pairs as the parent asks for them: made inside, used inside. Only public halves and tokens come out.

use claviger_domain::key_pairs::Algorithm;
use claviger_domain::secret::Sealed;

use crate::place::Place;

/// A pair to make, and the cell that its private half is going to.
#[derive(Debug, Clone, Copy)]
pub struct MakePair<'a> {
    pub place: Place<'a>,
    pub algorithm: Algorithm,
}

/// A pair that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadePair {
    /// The private half, sealed to its place.
    pub sealed: Sealed,
    /// The public half: SubjectPublicKeyInfo in DER.
    pub public: Vec<u8>,
}

/// Claims to sign as a compact JSON Web Token.
#[derive(Debug, Clone, Copy)]
pub struct SignJwt<'a> {
    pub place: Place<'a>,
    pub sealed: &'a Sealed,
    /// The algorithm that the pair was made with.
    pub algorithm: Algorithm,
    /// The id of the member or service key that asked; 1 to 128 bytes. The ceiling per actor counts by it.
    pub actor: &'a str,
    /// The token's `kid`; 1 to 128 bytes.
    pub key_id: &'a str,
    /// A JSON object, at most 16,384 bytes. Signed as it stands.
    pub claims: &'a str,
}
