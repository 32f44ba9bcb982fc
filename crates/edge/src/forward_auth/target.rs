//! Which API a call is for, if the door was not told: the first segment of the forwarded path is its
//! slug.

use http::{HeaderMap, StatusCode};

use super::Dialect;
use crate::answer::Problem;
use crate::path;

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
        (Some(uri), None) => uri.to_str().map_err(|_| bad_header(name))?,
        _ => return Err(bad_header(name)),
    };
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let split = path::split(path).ok_or_else(|| bad_header(name))?;
    Ok(split.slug.into_owned())
}

fn bad_header(name: &str) -> Problem {
    let detail = "Without `?api=` the path of the forwarded call has to name the API: once, from `/` on, and \
                  without `.` or `..` segments.";
    Problem::new(StatusCode::BAD_REQUEST, "bad_header", detail).about(name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
