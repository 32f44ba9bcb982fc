//! What is kept of a call when it is over: one of the last responses of its key, without bodies and without the query
//! (product.md C10), and how long its caller waited.

use std::sync::Arc;
use std::time::Duration;

use claviger_domain::credential::contains_credential;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::method_word;
use claviger_verify::{Meters, Response};
use http::StatusCode;
use http::request::Parts;

use crate::decider::Decided;

/// As much of a path as is kept, in bytes.
const MOST_OF_PATH: usize = 512;

/// The account of one call that was decided on.
#[derive(Debug)]
pub(super) struct Account {
    meters: Arc<Meters>,
    response: Response,
}

impl Account {
    pub(super) fn open(
        meters: Arc<Meters>,
        decided: &Decided<'_>,
        parts: &Parts,
        request_id: &str,
        at: Timestamp,
    ) -> Self {
        let response = Response {
            at,
            api_id: decided.decision.met_api(),
            key: decided.decision.met_key(),
            code: decided.decision.code(),
            status: 0,
            method: method_word(parts.method.as_str()),
            path: shown(parts.uri.path()).into(),
            source: decided.client,
            micros: 0,
            received: 0,
            sent: 0,
            request_id: request_id.into(),
        };
        Self { meters, response }
    }

    /// The answer begins.
    pub(super) fn answer(&mut self, status: StatusCode, waited: Duration) {
        self.response.status = status.as_u16();
        self.response.micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
    }

    /// The call is over.
    pub(super) fn close(mut self, received: u64, sent: u64) {
        self.response.received = received;
        self.response.sent = sent;
        self.meters.answered(self.response);
    }
}

/// The beginning of a path. One that holds a credential is not kept, although nobody should put one there.
fn shown(path: &str) -> &str {
    if contains_credential(path) {
        return "/…";
    }
    &path[..path.floor_char_boundary(MOST_OF_PATH)]
}

#[cfg(test)]
mod tests {
    use claviger_domain::credential::{CredentialKind, generate};

    use super::*;

    #[test]
    fn a_path_is_kept_in_part_and_never_with_a_credential() {
        let key = generate(CredentialKind::Key, |buffer| buffer.fill(7)).value;
        assert_eq!(shown(&format!("/orders/{}/x", key.expose())), "/…");
        assert_eq!(shown("/orders/7"), "/orders/7");
        let long = format!("/{}", "é".repeat(400));
        assert_eq!(shown(&long).len(), 511);
    }
}
