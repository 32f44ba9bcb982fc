//! What comes with every request, and the envelopes of answers.

use std::net::IpAddr;

use claviger_domain::event::{ActorRef, Position};
use claviger_domain::id::{OrganizationId, ServiceKeyId};

/// Who calls, as far as sign-in found out. Their rights are read again inside each transaction.
#[derive(Debug, Clone)]
pub struct Caller {
    pub service_key_id: ServiceKeyId,
    pub organization_id: OrganizationId,
    pub actor: ActorRef,
}

/// One request of a signed-in caller.
#[derive(Debug, Clone)]
pub struct Request {
    pub caller: Caller,
    /// The client's address, as the nearest trusted hop saw it.
    pub source: Option<IpAddr>,
    pub if_match: Option<String>,
    pub idempotency: Option<IdempotencyClaim>,
}

/// An `Idempotency-Key` with all that it is bound to besides the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyClaim {
    pub key: String,
    pub method: String,
    pub path: String,
    pub body_sha256: [u8; 32],
}

/// An object that was read.
#[derive(Debug, Clone)]
pub struct Read<T> {
    pub body: T,
    pub etag: String,
}

impl<T: serde::Serialize> Read<T> {
    pub fn of(body: T) -> Result<Self, crate::Error> {
        let etag = crate::etag::of(&body).map_err(crate::Error::internal)?;
        Ok(Self { body, etag })
    }
}

/// The answer to a write, made for the first time or told again.
#[derive(Debug, Clone)]
pub struct Written<T> {
    pub outcome: Outcome<T>,
    pub status: Status,
    pub etag: Option<String>,
    /// The path of what was created, below `/v1`.
    pub location: Option<String>,
    /// Where in the log it took effect.
    pub position: Position,
}

impl<T> Written<T> {
    /// What was answered, and the same envelope around nothing.
    pub(crate) fn split(self) -> (Outcome<T>, Written<()>) {
        let Self { outcome, status, etag, location, position } = self;
        (outcome, Written { outcome: Outcome::Fresh(()), status, etag, location, position })
    }

    /// The same envelope around something else.
    pub(crate) fn with_outcome<U>(self, outcome: Outcome<U>) -> Written<U> {
        let Self { status, etag, location, position, .. } = self;
        Written { outcome, status, etag, location, position }
    }
}

#[derive(Debug, Clone)]
pub enum Outcome<T> {
    Fresh(T),
    /// The body of the first answer, without its secrets.
    Replayed(serde_json::Value),
}

/// What kind of success a write was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Created,
    /// It goes on as a job.
    Accepted,
    Done,
    Deleted,
}

impl Status {
    /// The HTTP status (surface.md, "Answers").
    pub const fn code(self) -> u16 {
        match self {
            Self::Created => 201,
            Self::Accepted => 202,
            Self::Done => 200,
            Self::Deleted => 204,
        }
    }

    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            201 => Some(Self::Created),
            202 => Some(Self::Accepted),
            200 => Some(Self::Done),
            204 => Some(Self::Deleted),
            _ => None,
        }
    }
}

/// An answer that may hold secrets, which an idempotency record must not (security.md 11).
pub trait Answer: serde::Serialize + Send + Sync {
    /// The answer as it may be kept and told again.
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self)
    }

    /// The object whose `ETag` the answer carries; `None` for what has none.
    fn etag(&self) -> Option<String> {
        None
    }

    /// Whether the answer must be `no-store`.
    fn has_secret(&self) -> bool {
        false
    }

    /// Where the created object is, below `/v1`.
    fn location(&self) -> Option<String> {
        None
    }

    /// Whether the transaction that made it ends the request. If another one follows, that one records the
    /// answer.
    fn is_final(&self) -> bool {
        true
    }
}

/// The answer of a deletion: nothing.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Gone;

impl Answer for Gone {}
