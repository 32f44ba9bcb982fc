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
    ("not_json", 400, "The body is not JSON, not UTF-8, too deep, or names a member twice."),
    ("bad_query", 400, "A parameter or the cursor can't be taken; `parameter` names it."),
    ("bad_header", 400, "A header can't be taken."),
    ("unauthenticated", 401, "There is no service key, or none that is known."),
    ("inactive", 401, "The service key was deactivated."),
    ("expired", 401, "The service key's time is up."),
    ("forbidden", 403, "`permission` is missing at this place, or `level` on this one thing."),
    ("ip_denied", 403, "The service key is not good from this address."),
    ("not_found", 404, "It never was, was deleted, or may not be seen by the caller."),
    ("method_not_allowed", 405, "The path does not take that method."),
    ("timed_out", 408, "The body did not arrive in time."),
    ("invalid_transition", 409, "Not from the present state: `from`, `act`, and the acts `allowed`."),
    ("not_allowed_by_policy", 409, "The policy says no."),
    ("application_suspended", 409, "The Application of the Key Set is Suspended."),
    ("superseded", 409, "`superseded_by` took the Key Set's place."),
    ("already_shown", 409, "The value was to be shown once, and was."),
    ("set_through_portal", 409, "An outside key's secret is set and reset through its portal link alone."),
    ("api_not_exposed", 409, "The API is not exposed."),
    ("already_subscribed", 409, "`subscription_id` is there already."),
    ("name_taken", 409, "Another thing has the name."),
    ("in_use", 409, "`users` names what uses it."),
    ("limit_reached", 409, "There are `limit` already."),
    ("conflict", 409, "Somebody else was faster, or the same request is still running."),
    ("last_owner", 409, "The last Owner can't be removed."),
    ("last_admin", 409, "One who may share the key pair must remain."),
    ("not_for_this_use", 409, "The key pair was made for other uses."),
    ("already_initialised", 409, "The database was initialised before."),
    ("precondition_failed", 412, "`If-Match` names an older state."),
    ("too_large", 413, "The body is larger than the path takes."),
    ("unsupported_media_type", 415, "The body must be `application/json`."),
    ("invalid", 422, "`errors` names each value that can't be taken, with its pointer."),
    ("looks_like_a_secret", 422, "A text holds a credential."),
    ("too_many_reveals", 429, "The keeper's ceiling; `Retry-After` says when there is room."),
    ("too_many_requests", 429, "Slow down; `Retry-After` says until when."),
    ("headers_too_large", 431, "All headers together are larger than 32 KiB."),
    ("internal", 500, "A fault of ours; the server's log tells more under `request_id`."),
    ("keeper_unavailable", 503, "The keeper is away; deciding goes on."),
    ("database_unavailable", 503, "The database is away; whether a write happened is unknown."),
    ("behind", 503, "The node has not read the log that far yet."),
    ("not_initialised", 503, "Run `claviger init`."),
    ("gateway_unavailable", 503, "This server has no gateway that a call could be tried through."),
    ("trial_timed_out", 503, "The API did not begin to answer a call that was tried."),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Answered before a route is chosen, so that no route's part of the document has them.
    const BEFORE_ANY_ROUTE: [(&str, u16); 2] = [("method_not_allowed", 405), ("headers_too_large", 431)];

    #[test]
    fn the_page_and_the_openapi_document_name_the_same_codes_with_the_same_status() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
        let page = std::fs::read_to_string(page).unwrap();
        let problems = page.split("<!-- generated: errors -->").nth(1).unwrap();
        let problems = problems.split("<!-- /generated -->").next().unwrap();
        let told: BTreeSet<(String, u16)> = problems.lines().filter_map(read_row).collect();
        let document = claviger_api::document();
        let responses = document["components"]["responses"].as_object().unwrap();
        let mut named = BTreeSet::new();
        for (name, response) in responses {
            let status: u16 = name.strip_prefix("Problem").unwrap().parse().unwrap();
            for code in response["x-codes"].as_array().unwrap() {
                assert!(
                    named.insert((code.as_str().unwrap().to_owned(), status)),
                    "{name} names {code} twice"
                );
            }
        }
        named.extend(BEFORE_ANY_ROUTE.map(|(code, status)| (code.to_owned(), status)));
        assert_eq!(told, named);
    }

    /// Reads `| `code` | 409 | when |`.
    fn read_row(line: &str) -> Option<(String, u16)> {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let code = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some((code.to_owned(), cells.next()?.parse().ok()?))
    }
}
