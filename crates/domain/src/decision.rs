//! The stable codes of a decision, their order and their status (product.md F2, surface.md "Deciding").

use std::fmt;

/// The answer to "may this call pass?". Declared in the order in which the codes apply: the first that
/// does is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    ApiNotExposed,
    Missing,
    Malformed,
    Stale,
    Unknown,
    SecretRequired,
    SecretMismatch,
    Revoked,
    Expired,
    Suspended,
    Pending,
    WrongEnvironment,
    NotSubscribed,
    IpDenied,
    PermissionDenied,
    RateLimited,
    QuotaExceeded,
    Valid,
}

impl Code {
    pub const ALL: [Self; 18] = [
        Self::ApiNotExposed,
        Self::Missing,
        Self::Malformed,
        Self::Stale,
        Self::Unknown,
        Self::SecretRequired,
        Self::SecretMismatch,
        Self::Revoked,
        Self::Expired,
        Self::Suspended,
        Self::Pending,
        Self::WrongEnvironment,
        Self::NotSubscribed,
        Self::IpDenied,
        Self::PermissionDenied,
        Self::RateLimited,
        Self::QuotaExceeded,
        Self::Valid,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiNotExposed => "api_not_exposed",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::SecretRequired => "secret_required",
            Self::SecretMismatch => "secret_mismatch",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
            Self::Pending => "pending",
            Self::WrongEnvironment => "wrong_environment",
            Self::NotSubscribed => "not_subscribed",
            Self::IpDenied => "ip_denied",
            Self::PermissionDenied => "permission_denied",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Valid => "valid",
        }
    }

    /// The HTTP status that a door answers with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Valid => 200,
            Self::ApiNotExposed => 404,
            Self::Stale => 503,
            Self::WrongEnvironment | Self::NotSubscribed | Self::IpDenied | Self::PermissionDenied => 403,
            Self::RateLimited | Self::QuotaExceeded => 429,
            _ => 401,
        }
    }

    /// One sentence for people, the same for everybody: what is wrong with a Key is told only to one who proved to
    /// hold it, and that is in the code already.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::ApiNotExposed => "There is no such API here.",
            Self::Missing => "This API needs a credential.",
            Self::Malformed => "The credential is malformed, or was presented more than once.",
            Self::Stale => "The door has not heard of the log for too long to decide.",
            Self::Unknown => "The credential is not known.",
            Self::SecretRequired => "This key is good only together with its secret.",
            Self::SecretMismatch => "The secret does not belong to this key.",
            Self::Revoked => "The key is revoked.",
            Self::Expired => "The key has expired.",
            Self::Suspended => "The key is suspended.",
            Self::Pending => "The key waits for the approval of its Subscription.",
            Self::WrongEnvironment => "The key is for another Environment.",
            Self::NotSubscribed => "The key is not subscribed to this API.",
            Self::IpDenied => "The API may not be called from this address.",
            Self::PermissionDenied => "The key does not hold the permission that this call needs.",
            Self::RateLimited => "The key calls too often.",
            Self::QuotaExceeded => "The key has used up its quota.",
            Self::Valid => "The call may pass.",
        }
    }

    pub const fn allows(self) -> bool {
        matches!(self, Self::Valid)
    }

    /// Whether the caller has proved to hold the credential, so that more may be told (product.md F3).
    pub const fn credential_proved(self) -> bool {
        matches!(
            self,
            Self::Revoked
                | Self::Expired
                | Self::Suspended
                | Self::Pending
                | Self::WrongEnvironment
                | Self::NotSubscribed
                | Self::IpDenied
                | Self::PermissionDenied
                | Self::RateLimited
                | Self::QuotaExceeded
                | Self::Valid
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_the_order_in_which_they_apply() {
        assert!(Code::ALL.is_sorted());
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).expect("serialises"), code.as_str());
        }
    }
}
