//! What a door asks: the credential as it was presented, and the facts of the call.

use std::fmt;
use std::net::IpAddr;

use claviger_domain::scope::Scope;

/// One question to the index. Every door makes one of its own protocol; the answer depends on nothing
/// else but the index and the clock.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub credential: Credential<'a>,
    /// The API's slug or id. `None` judges the credential alone.
    pub api: Option<&'a str>,
    /// The Environment's slug or id, if the door was told one.
    pub environment: Option<&'a str>,
    /// The API's own permissions that the call needs.
    pub permissions: &'a [&'a str],
    /// The client's address, if known.
    pub ip: Option<IpAddr>,
    /// How much the call uses up of each rule that limits how often it may be made; at least 1.
    pub cost: u32,
    /// Where the asker may look: what stands outside is, to it, as what never was. The doors, which ask
    /// for themselves, look everywhere.
    pub scope: Scope,
}

impl<'a> Request<'a> {
    /// A question about a credential alone, from one who may look everywhere.
    pub const fn new(credential: Credential<'a>) -> Self {
        Self {
            credential,
            api: None,
            environment: None,
            permissions: &[],
            ip: None,
            cost: 1,
            scope: Scope::EVERYTHING,
        }
    }
}

/// A credential as it was found in a request. Never printed.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// Nothing was presented.
    Missing,
    /// Presented twice, empty, contradictory or not text.
    Malformed,
    /// At least one part has a value; its form is not checked yet.
    Presented { key: Option<&'a str>, secret: Option<&'a str> },
}

impl<'a> Credential<'a> {
    /// From the two members of a verify call's `credential`: an empty part is malformed, none at all is
    /// missing.
    pub const fn from_parts(key: Option<&'a str>, secret: Option<&'a str>) -> Self {
        match (key, secret) {
            (None, None) => Self::Missing,
            (Some(key), _) if key.is_empty() => Self::Malformed,
            (_, Some(secret)) if secret.is_empty() => Self::Malformed,
            (key, secret) => Self::Presented { key, secret },
        }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Malformed => "Malformed",
            Self::Presented { key: Some(_), secret: Some(_) } => "Presented(key and secret)",
            Self::Presented { key: Some(_), secret: None } => "Presented(key)",
            Self::Presented { .. } => "Presented(secret)",
        })
    }
}
