//! Key pairs as the parent asks for them: made inside, used inside. Only public halves, tokens and signatures
//! of a bound sign-in come out.

use std::os::unix::net::UnixListener;
use std::time::Duration;

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

/// An agent to open, by which one child signs in to one Git host.
#[derive(Debug)]
pub struct OpenAgent<'a> {
    pub place: Place<'a>,
    pub sealed: &'a Sealed,
    /// The algorithm that the pair was made with.
    pub algorithm: Algorithm,
    /// The id of the member or service key that the sign-in is for; 1 to 128 bytes.
    pub actor: &'a str,
    /// What the pair is attached to, for the journal; 1 to 128 bytes.
    pub attachment: &'a str,
    /// The user to sign in as, at the host; 1 to 128 bytes.
    pub user: &'a str,
    /// The keys that the host is known by, as SSH writes them; 1 to 16.
    pub host_keys: &'a [Vec<u8>],
    /// A listening Unix socket that only the child can reach. The keeper has it from here on.
    pub listener: UnixListener,
    /// How long the agent lives at the most: 1 s to 1 h.
    pub lifetime: Duration,
}
