//! For docs/errors.md: the codes of problems and of decisions.

use claviger_domain::decision::Code;

use super::{head, row};

/// The table of problems.
pub(super) fn problems() -> String {
    let mut text = head(&["code", "status", "when, and what it says further"]);
    for (code, status, when) in PROBLEMS {
        text.push_str(&row([format!("`{code}`"), status.to_string(), (*when).to_owned()]));
    }
    text
}

/// The table of decisions.
pub(super) fn decisions() -> String {
    let mut text = head(&["code", "status", "when"]);
    for code in Code::ALL {
        text.push_str(&row([format!("`{code}`"), code.status().to_string(), decided(code).to_owned()]));
    }
    text
}

/// Every code of a problem, with its status.
const PROBLEMS: &[(&str, u16, &str)] = &[
    ("malformed_json", 400, "The body is not JSON, not UTF-8, too deep, or names a member twice."),
    ("invalid_query", 400, "A parameter of the address can't be taken; `parameter` names it."),
    ("invalid_cursor", 400, "The cursor is not one of this list for this caller."),
    ("unauthenticated", 401, "There is no service key, or none that is known."),
    ("inactive", 401, "The service key was deactivated."),
    ("expired", 401, "The service key's time is up."),
    ("forbidden", 403, "`permission` is missing at this place."),
    ("ip_denied", 403, "The service key is not good from this address."),
    ("not_found", 404, "It never was, was deleted, or may not be seen by the caller."),
];

/// When a decision's code applies.
const fn decided(code: Code) -> &'static str {
    match code {
        Code::ApiNotExposed => "The API is not exposed, or there is none.",
        Code::Missing => "There is no credential.",
        Code::Malformed => "What stands where a key is due has not the form of one, or there are two.",
        Code::Stale => "The log could not be reached for longer than `doors.max_staleness`.",
        Code::Unknown => "No key has this value.",
        Code::SecretRequired => "The key is good only with its secret, and there is none.",
        Code::SecretMismatch => "The secret is not this key's.",
        Code::Revoked => "The Key was revoked, or replaced and its overlap is over.",
        Code::Expired => "The Key's time is up.",
        Code::Suspended => "The Key Set or its Application is Suspended.",
        Code::Pending => "The Subscription waits for the provider.",
        Code::WrongEnvironment => "The Key is for another Environment.",
        Code::NotSubscribed => "No Active Subscription to the API uses the Key Set.",
        Code::IpDenied => "The caller's address is on none of the lists that bind it.",
        Code::PermissionDenied => "A permission was asked for that the Subscription does not hold.",
        Code::RateLimited => "Too many calls; `Retry-After` says when the next may pass.",
        Code::QuotaExceeded => "The day's or month's quota is used up.",
        Code::Valid => "The call may pass.",
    }
}
