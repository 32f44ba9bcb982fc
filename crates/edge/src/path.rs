//! Which API a path is for: its first segment is the slug. What an upstream may read otherwise than we do is not
//! passed on.

use std::borrow::Cow;

use crate::percent;

/// A path, divided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Split<'a> {
    /// Decoded.
    pub(crate) slug: Cow<'a, str>,
    /// All behind the first segment, byte for byte: empty, or from a `/` on.
    pub(crate) rest: &'a str,
}

/// `None` for a path that does not begin with `/`, that has a `.` or `..` segment after one decoding, a backslash
/// or a NUL, or what is no text.
pub(crate) fn split(path: &str) -> Option<Split<'_>> {
    let inner = path.strip_prefix('/')?;
    let mut slug = None;
    for segment in inner.split('/') {
        let segment = percent::decode(segment)?;
        let hidden = |part: &str| part == "." || part == "..";
        if segment.contains(['\\', '\0']) || segment.split('/').any(hidden) {
            return None;
        }
        slug.get_or_insert(segment);
    }
    let end = inner.find('/').unwrap_or(inner.len());
    Some(Split { slug: slug?, rest: &inner[end..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_is_the_slug_and_the_rest_is_kept_as_it_is() {
        for (path, slug, rest) in [
            ("/orders", "orders", ""),
            ("/orders/", "orders", "/"),
            ("/orders/42/..x", "orders", "/42/..x"),
            ("/%6Frders/%6F%2f1//x", "orders", "/%6F%2f1//x"),
            ("/", "", ""),
            ("//orders", "", "/orders"),
        ] {
            let split = split(path).expect(path);
            assert_eq!((split.slug.as_ref(), split.rest), (slug, rest), "{path}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for path in [
            "",
            "*",
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
            "/orders/%ff",
            "/orders/%",
        ] {
            assert_eq!(split(path), None, "{path}");
        }
    }
}
