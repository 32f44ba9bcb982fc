//! Which API a call is for, if the door was not told: the first segment of the forwarded path is its
//! slug.

use http::HeaderMap;

use super::Dialect;
use super::answer::Problem;
use crate::percent;

impl Dialect {
    const fn uri_header(self) -> &'static str {
        match self {
            Self::Forwarded => "x-forwarded-uri",
            Self::Original => "x-original-uri",
        }
    }
}

/// The slug of the API that the forwarded call is for.
pub(super) fn api_of(headers: &HeaderMap, dialect: Dialect) -> Result<String, Problem> {
    let name = dialect.uri_header();
    let mut uris = headers.get_all(name).iter();
    let uri = match (uris.next(), uris.next()) {
        (Some(uri), None) => uri.to_str().map_err(|_| Problem::bad_header(name))?,
        _ => return Err(Problem::bad_header(name)),
    };
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    first_segment(path).ok_or_else(|| Problem::bad_header(name))
}

/// `None` for a path that an upstream may read otherwise than we do: one with a `.` or `..` segment after
/// one decoding, a backslash or a NUL.
fn first_segment(path: &str) -> Option<String> {
    let path = path.strip_prefix('/')?;
    let mut first = None;
    for segment in path.split('/') {
        let segment = percent::decode(segment)?;
        let hidden = |part: &str| part == "." || part == "..";
        if segment.contains(['\\', '\0']) || segment.split('/').any(hidden) {
            return None;
        }
        first.get_or_insert_with(|| segment.into_owned());
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_is_the_slug() {
        for (path, slug) in [
            ("/orders", "orders"),
            ("/orders/", "orders"),
            ("/orders/42/..x", "orders"),
            ("/%6Frders/1", "orders"),
            ("/", ""),
            ("//orders", ""),
        ] {
            assert_eq!(first_segment(path).as_deref(), Some(slug), "{path}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for path in [
            "",
            "orders",
            "http://a/orders",
            "/orders/../admin",
            "/orders/%2e%2e/admin",
            "/orders/%2E./admin",
            "/orders/a%2f..%2fb",
            "/./orders",
            "/orders\\..\\admin",
            "/orders/%5c",
            "/orders/%00",
            "/orders/%",
        ] {
            assert_eq!(first_segment(path), None, "{path}");
        }
    }

    #[test]
    fn only_the_headers_of_ones_own_dialect_are_read() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-uri", "/orders/1?x=/a".parse().expect("a header"));
        assert_eq!(api_of(&headers, Dialect::Forwarded).ok().as_deref(), Some("orders"));
        assert!(api_of(&headers, Dialect::Original).is_err());
        headers.append("x-forwarded-uri", "/billing".parse().expect("a header"));
        assert!(api_of(&headers, Dialect::Forwarded).is_err(), "twice");
    }
}
