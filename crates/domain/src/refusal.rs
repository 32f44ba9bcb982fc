//! The one vocabulary of refusals, free of HTTP (style.md 14). `api` alone turns one into a status.

use crate::key_pairs::Level;
use crate::permission::Permission;
use crate::time::Timestamp;

/// A value that can't be taken: where it stands in the body (RFC 6901) and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub pointer: String,
    pub detail: String,
}

impl FieldError {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Something that uses the thing to be deleted, or would break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: String,
    pub name: String,
}

/// Why an act was not done. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Never was, was deleted, or may not be seen by the caller: one answer for all three.
    NotFound,
    /// May be seen, but the act needs this permission at the thing's place.
    Forbidden {
        missing: Permission,
    },
    /// May be seen, but the act needs a higher level of access to this one thing (product.md A6).
    AccessTooLow {
        needs: Level,
    },
    /// Values out of range or unknown; every one of them is named.
    Invalid(Vec<FieldError>),
    /// A text holds a credential.
    LooksLikeASecret {
        pointer: String,
    },
    /// The act is not allowed from the present state.
    InvalidTransition {
        from: &'static str,
        act: &'static str,
        allowed: Vec<&'static str>,
    },
    /// The policy says no.
    NotAllowedByPolicy,
    /// An act on a Key Set of a Suspended Application.
    ApplicationSuspended,
    /// Another living Key Set took this one's place.
    Superseded {
        by: String,
    },
    /// A shown-once value was shown already.
    AlreadyShown,
    /// The secret of an outside key is set and reset through the portal alone.
    SetThroughPortal,
    /// The API is not exposed.
    ApiNotExposed,
    /// One Pending or Active Subscription per Application, API and Environment.
    AlreadySubscribed {
        subscription_id: String,
    },
    NameTaken {
        pointer: String,
    },
    InUse {
        users: Vec<User>,
    },
    LimitReached {
        limit: u32,
    },
    /// Somebody else was faster; read again and decide anew.
    Conflict,
    /// `If-Match` names an older state.
    PreconditionFailed,
    /// The keeper's ceiling on reveals.
    TooManyReveals {
        retry_after_seconds: u64,
    },
    TooManyRequests {
        retry_after_seconds: u64,
    },
    /// The last Owner can't be removed.
    LastOwner,
    /// One who may share it must remain.
    LastAdmin,
    /// A key pair is used for what was stated when it was made.
    NotForThisUse {
        wanted: &'static str,
        uses: Vec<&'static str>,
    },
    /// The database was initialised before.
    AlreadyInitialised,
    /// The caller's own credential ended.
    CredentialExpired {
        at: Timestamp,
    },
}

impl Refusal {
    /// One wrong value.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }

    /// The stable code (surface.md, "Errors").
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Forbidden { .. } | Self::AccessTooLow { .. } => "forbidden",
            Self::Invalid(_) => "invalid",
            Self::LooksLikeASecret { .. } => "looks_like_a_secret",
            Self::InvalidTransition { .. } => "invalid_transition",
            Self::NotAllowedByPolicy => "not_allowed_by_policy",
            Self::ApplicationSuspended => "application_suspended",
            Self::Superseded { .. } => "superseded",
            Self::AlreadyShown => "already_shown",
            Self::SetThroughPortal => "set_through_portal",
            Self::ApiNotExposed => "api_not_exposed",
            Self::AlreadySubscribed { .. } => "already_subscribed",
            Self::NameTaken { .. } => "name_taken",
            Self::InUse { .. } => "in_use",
            Self::LimitReached { .. } => "limit_reached",
            Self::Conflict => "conflict",
            Self::PreconditionFailed => "precondition_failed",
            Self::TooManyReveals { .. } => "too_many_reveals",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::LastOwner => "last_owner",
            Self::LastAdmin => "last_admin",
            Self::NotForThisUse { .. } => "not_for_this_use",
            Self::AlreadyInitialised => "already_initialised",
            Self::CredentialExpired { .. } => "expired",
        }
    }
}
