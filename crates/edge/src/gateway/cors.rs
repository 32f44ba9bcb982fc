//! Pages of other origins: the preflight is answered here, without a key, and answers say which pages may read
//! them (Fetch, "CORS protocol"). An API without `cors` leaves all of it to its upstream.

use claviger_domain::apis::Cors;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// What the answer to a page says.
#[derive(Debug)]
pub(super) struct Grant {
    /// The origin, if it may read the answer.
    origin: Option<HeaderValue>,
    credentials: bool,
}

/// Whether a browser asks what a page may do, rather than doing it.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Grant {
    /// What a call of this page gets.
    pub(super) fn of(cors: &Cors, headers: &HeaderMap) -> Self {
        let origin = headers.get(ORIGIN).filter(|origin| {
            cors.origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
        });
        Self { origin: origin.cloned(), credentials: cors.credentials }
    }

    /// Says so on an answer, in the place of what the upstream said.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        headers.append(VARY, HeaderValue::from_name(ORIGIN));
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if self.credentials {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
    }
}

/// The answer to a preflight: what was asked for may be done, if the page is one of those named.
pub(super) fn preflight(cors: &Cors, asked: &HeaderMap) -> HeaderMap {
    let grant = Grant::of(cors, asked);
    let mut headers = HeaderMap::new();
    grant.put(&mut headers);
    if grant.origin.is_some() {
        let mut echo = |from: HeaderName, to: HeaderName| {
            headers.append(VARY, HeaderValue::from_name(from.clone()));
            if let Some(value) = asked.get(from) {
                headers.insert(to, value.clone());
            }
        };
        echo(ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS);
        echo(ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS);
        if let Some(seconds) = cors.max_age_seconds {
            headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("x-api-key"));
        headers
    }

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        let origins = origins.iter().map(ToString::to_string).collect();
        Cors { origins, credentials, max_age_seconds: Some(60) }
    }

    #[test]
    fn a_page_that_is_named_may_do_what_it_asks_for() {
        let headers = preflight(&cors(&["https://shop.example"], true), &asked("https://shop.example"));
        for (name, value) in [
            ("access-control-allow-origin", "https://shop.example"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "PUT"),
            ("access-control-allow-headers", "x-api-key"),
            ("access-control-max-age", "60"),
        ] {
            assert_eq!(headers[name], value);
        }
        assert!(is_preflight(&Method::OPTIONS, &asked("https://shop.example")));
        assert!(!is_preflight(&Method::PUT, &asked("https://shop.example")));
    }

    #[test]
    fn another_page_is_told_nothing_and_any_page_only_where_any_may() {
        let headers = preflight(&cors(&["https://shop.example"], true), &asked("https://shop.example.evil"));
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["vary"]);
        let headers = preflight(&cors(&["*"], false), &asked("https://any.example"));
        assert_eq!(headers["access-control-allow-origin"], "https://any.example");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn an_upstreams_own_word_is_replaced() {
        let grant = Grant::of(&cors(&["https://shop.example"], false), &asked("https://evil.example"));
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        grant.put(&mut headers);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}
